// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/context.h"

namespace lathe::cuda {

Result<std::shared_ptr<const Context>> Context::open(int ordinal) {
  const Driver& cuda = *LATHE_TRY(Driver::open());
  CUdevice device = 0;
  LATHE_TRY(check(cuda.cuDeviceGet(&device, ordinal), fmt::format("device cuda:{}", ordinal)));
  auto context = std::make_shared<Context>(cuda, device);
  CUcontext current = nullptr;
  CUdevice current_device = -1;
  if (cuda.cuCtxGetCurrent(&current) == CUresult::Success && current != nullptr &&
      cuda.cuCtxGetDevice(&current_device) == CUresult::Success && current_device == device) {
    context->handle = current;
    return std::shared_ptr<const Context>(std::move(context));
  }
  LATHE_TRY(check(cuda.cuDevicePrimaryCtxRetain(&context->handle, device),
                  fmt::format("the context of cuda:{}", ordinal)));
  context->retained_ = true;
  return std::shared_ptr<const Context>(std::move(context));
}

Context::~Context() {
  if (retained_) driver.cuDevicePrimaryCtxRelease_v2(device);
}

ContextScope::ContextScope(const Context& context) : context_(context) {
  CUcontext current = nullptr;
  if (context.driver.cuCtxGetCurrent(&current) == CUresult::Success && current == context.handle) {
    return;
  }
  pushed_ = context.driver.cuCtxPushCurrent_v2(context.handle) == CUresult::Success;
}

ContextScope::~ContextScope() {
  CUcontext popped = nullptr;
  if (pushed_) context_.driver.cuCtxPopCurrent_v2(&popped);
}

}  // namespace lathe::cuda
