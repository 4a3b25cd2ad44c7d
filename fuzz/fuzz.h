// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every fuzz target shares. A target is a file with the one function of libFuzzer; it links
// libFuzzer in the preset `fuzz`, and fuzz/driver.cpp in every other build.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "lathe/status.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace lathe::fuzz {

inline std::string_view text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Stops when an error is a bug of ours, or says nothing, or prints half of the input.
inline void expect_an_answer(const Status& s) {
  if (s.ok() || (s.code() != Code::Internal && !s.message().empty() && s.message().size() < 4000))
    return;
  std::fprintf(stderr, "%s: %s\n", to_string(s.code()), s.message().c_str());
  std::abort();
}

// Stops when what was promised to be the same is not.
inline void expect_same(const std::string& a, const std::string& b) {
  if (a == b) return;
  std::fprintf(stderr, "not the same:\n%s\n%s\n", a.c_str(), b.c_str());
  std::abort();
}

// Bytes as a file with a path, for readers that take one.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || write(fd_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace lathe::fuzz
