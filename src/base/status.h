// SPDX-License-Identifier: Apache-2.0
#pragma once
// The public Status and Result, short constructors for them, LATHE_TRY and LATHE_CHECK.
//
//   Tensor t = LATHE_TRY(read(path));        // returns the Status from here when there is one
//   LATHE_TRY(check(t));
//   return invalid("axis {} is out of range for rank {}", axis, rank);
#include <fmt/format.h>

#include "lathe/status.h"

namespace lathe {

template <class... A>
Status invalid(fmt::format_string<A...> f, A&&... a) {
  return Status(Code::InvalidInput, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
Status not_found(fmt::format_string<A...> f, A&&... a) {
  return Status(Code::NotFound, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
Status unsupported(fmt::format_string<A...> f, A&&... a) {
  return Status(Code::Unsupported, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
Status out_of_memory(fmt::format_string<A...> f, A&&... a) {
  return Status(Code::OutOfMemory, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
Status device_lost(fmt::format_string<A...> f, A&&... a) {
  return Status(Code::DeviceLost, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
Status internal(fmt::format_string<A...> f, A&&... a) {
  return Status(Code::Internal, fmt::format(f, std::forward<A>(a)...));
}

// What LATHE_TRY needs to treat a Status and a Result alike.
inline void take(Status&&) {}
template <class T>
T take(Result<T>&& r) {
  return *std::move(r);
}
inline Status failure(Status&& s) { return std::move(s); }
template <class T>
Status failure(Result<T>&& r) {
  return std::move(r).status();
}

[[noreturn]] void check_failed(const char* file, int line, const char* what);

}  // namespace lathe

// The value of a Result, or returns its Status from the enclosing function.
#define LATHE_TRY(expression)                                                   \
  __extension__({                                                               \
    auto lathe_result_ = (expression);                                          \
    if (!lathe_result_.ok()) return ::lathe::failure(std::move(lathe_result_)); \
    ::lathe::take(std::move(lathe_result_));                                    \
  })

// A broken invariant of ours: says where and aborts. Unreachable from any file or request.
#define LATHE_CHECK(condition) \
  ((condition) ? void() : ::lathe::check_failed(__FILE__, __LINE__, #condition))
