// SPDX-License-Identifier: Apache-2.0
#pragma once
// Times several ways to do one thing, in turns, so that a slow moment of the machine hits all
// alike. The hopeless leave early; what takes long is not repeated for precision's sake.
#include <span>

#include "device/device.h"

namespace lathe {

struct Racer {
  WorkRef work;
  ColdMemory cold = {};  // what it reads and a network would not find in caches
  double seconds = 0;    // of its fastest round
  bool settled = true;   // another round came within a tenth of it
  Status failed = {};    // what it said when it did not run; then it has no time
};

// Fails when the device is lost.
Status race(Device& device, Stream& stream, std::span<Racer> field);

}  // namespace lathe
