// SPDX-License-Identifier: Apache-2.0
#pragma once
// The KernelCompiler of CUDA: NVRTC, opened at run time. Its own library, absent from the runtime.
#include <memory>

#include "device/device.h"

namespace lathe::cuda {

// NotFound where there is no NVRTC, with the cure.
Result<std::unique_ptr<KernelCompiler>> make_nvrtc_compiler();

}  // namespace lathe::cuda
