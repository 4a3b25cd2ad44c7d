// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files, read and written with care: regular files only, never blocking on a pipe or device,
// written beside and renamed, and opened beneath a folder where a model names the file.
//
//   MappedFile weights = LATHE_TRY(map_file("model.engine"));
//   FolderFd folder = LATHE_TRY(FolderFd::open("models"));
//   folder.map_file("../secret");                    // refused
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace lathe {

// A file descriptor, closed at the end.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// A whole file mapped for reading. Its bytes stay valid until it is destroyed; whoever truncates
// the file meanwhile makes reading them fatal, so engines and weights are replaced by renaming.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Lets go of the memory of `part`, and of up to 2 MiB on both sides: the system maps the file in
  // pieces of that size, so that whoever reads behind a part brings its end back. What is let go of
  // is read again when it is touched.
  void release_pages(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

Result<MappedFile> map_file(const std::string& path);
// Fails when the file is larger than max_bytes.
Result<std::vector<std::byte>> read_file(const std::string& path, int64_t max_bytes);

// The file holds all of `bytes` afterwards, or is what it was before. A device or pipe that is
// there already (/dev/null) is written to directly.
Status write_file_atomically(const std::string& path, std::span<const std::byte> bytes);

// That the file lies in: "." of a plain name.
std::string folder_of(const std::string& path);
// Makes the folder and those above it that are missing.
Status make_folder(const std::string& path);

// A folder; files are opened beneath it and nowhere else, whatever links lie inside.
class FolderFd {
 public:
  static Result<FolderFd> open(const std::string& path);

  Result<MappedFile> map_file(std::string_view relative) const;
  Result<std::vector<std::byte>> read_file(std::string_view relative, int64_t max_bytes) const;
  Result<int64_t> file_size(std::string_view relative) const;

 private:
  Result<Fd> open_file(std::string_view relative) const;
  std::string name_of(std::string_view relative) const;

  Fd fd_;
  std::string path_;
};

// For tests: opens `relative` beneath `folder` one component at a time, following no links: what
// FolderFd does on kernels without openat2. Invalid with errno set on failure.
Fd open_beneath_by_components(int folder, const std::string& relative);

}  // namespace lathe
