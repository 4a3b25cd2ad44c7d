// SPDX-License-Identifier: Apache-2.0
#pragma once
// The CUDA context that a device works in, and making it current for the length of a scope. Every
// object that the driver destroys keeps its context alive and makes it current first.
#include <memory>

#include "backends/cuda/api/driver.h"
#include "base/status.h"

namespace lathe::cuda {

class Context {
 public:
  // The caller's current context when it is one of this device, else the device's primary one.
  static Result<std::shared_ptr<const Context>> open(int ordinal);
  Context(const Driver& driver, CUdevice device) : driver(driver), device(device) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  const Driver& driver;
  CUdevice device;
  CUcontext handle = nullptr;

 private:
  bool retained_ = false;  // the primary context, given back by the destructor
};

// Makes the context current; what was current before comes back at the end of the scope.
class ContextScope {
 public:
  explicit ContextScope(const Context& context);
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  ~ContextScope();

 private:
  const Context& context_;
  bool pushed_ = false;
};

}  // namespace lathe::cuda
