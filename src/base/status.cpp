// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <cstdio>
#include <cstdlib>

namespace lathe {

const char* to_string(Code code) {
  switch (code) {
    case Code::Ok: return "ok";
    case Code::InvalidInput: return "invalid input";
    case Code::NotFound: return "not found";
    case Code::Unsupported: return "unsupported";
    case Code::Cancelled: return "cancelled";
    case Code::OutOfMemory: return "out of memory";
    case Code::DeviceLost: return "device lost";
    case Code::Internal: return "internal error";
  }
  return "unknown";
}

Status Status::at(std::string_view where) && {
  if (!ok()) message_.insert(0, fmt::format("{}: ", where));
  return std::move(*this);
}

Status Status::with_cure(std::string cure) && {
  if (!ok()) cure_ = std::move(cure);
  return std::move(*this);
}

void check_failed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "lathe: bug: %s:%d: %s\n", file, line, what);
  std::abort();
}

}  // namespace lathe
