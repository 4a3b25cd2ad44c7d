// SPDX-License-Identifier: Apache-2.0
#pragma once
// An NVIDIA GPU as a Device: memory, streams, a clock, graphs, and the tactics of tactics.def.
//
//   std::unique_ptr<Device> gpu = LATHE_TRY(cuda::make_cuda_device(0, *cpu));
#include <memory>
#include <span>

#include "device/device.h"

namespace lathe::cuda {

// GPUs of this machine; 0 without a driver.
int device_count();

// The GPU of the caller's current CUDA context; 0 where there is none.
int current_device();

// tactics.def; needs no device.
std::span<const Tactic* const> tactics();

// `host` runs what no tactic of the GPU does; it must outlive the device, and the device everything
// that it made.
Result<std::unique_ptr<Device>> make_cuda_device(int ordinal, Device& host);

}  // namespace lathe::cuda
