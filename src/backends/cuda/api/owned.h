// SPDX-License-Identifier: Apache-2.0
#pragma once
// A driver or library object and the function that destroys it. Owns exactly one handle.
//
//   OwnedStream stream;                                        // = Owned<CUstream, destroy_stream>
//   LATHE_TRY(check(cuda.cuStreamCreate(stream.out(), kStreamNonBlocking), "cuStreamCreate"));
//   cuda.cuStreamSynchronize(stream.get());                    // destroyed at the end of the scope
#include <utility>

#include "base/status.h"

namespace lathe::cuda {

template <class Handle, void (*Destroy)(Handle) noexcept>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) noexcept : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(other.release()) {}
  Owned& operator=(Owned&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Owned() { reset(); }

  Handle get() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != Handle{}; }

  // Where a create function writes its handle. Only while this is empty.
  Handle* out() noexcept {
    LATHE_CHECK(!*this);
    return &handle_;
  }
  // Gives the handle away: the caller destroys it.
  [[nodiscard]] Handle release() noexcept { return std::exchange(handle_, Handle{}); }
  void reset(Handle handle = Handle{}) noexcept {
    Handle old = std::exchange(handle_, handle);
    if (old != Handle{}) Destroy(old);
  }

 private:
  Handle handle_{};
};

}  // namespace lathe::cuda
