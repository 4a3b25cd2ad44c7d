// SPDX-License-Identifier: Apache-2.0
#pragma once
// The host as a Device: memory, one synchronous stream, a clock, and the tactics of tactics.def.
//
//   std::unique_ptr<Device> cpu = cpu::make_cpu_device();
#include <memory>

#include "device/device.h"

namespace lathe::cpu {

// `threads` of a run, which is part of the device's key; 0: thread_count() of the calling thread.
std::unique_ptr<Device> make_cpu_device(int threads = 0);

}  // namespace lathe::cpu
