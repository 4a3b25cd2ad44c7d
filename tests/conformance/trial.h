// SPDX-License-Identifier: Apache-2.0
#pragma once
// One tactic on one instance: loaded, launched on poisoned outputs between canaries, compared with
// the reference. What every conformance test is made of.
#include <map>
#include <span>
#include <string>

#include "device/device.h"
#include "device/tactic.h"

namespace lathe {

// How often each tactic was tried, by name: a tactic that nothing tried is a hole in the test.
using TrialCounts = std::map<std::string, int>;

// Every tactic of the device but the reference, in every config, that supports `op`; operands that
// op.constant_in names are given at load. The status names the tactic, the config and the instance.
Status try_tactics(Device& device, const OpInstance& op, std::span<const HostTensor> inputs,
                   TrialCounts& counts);
// Why tactics of the instance's operator do not take it, for messages.
std::string reasons(const Device& device, const OpInstance& op);
// The reference tactic alone: conversions of layouts and slices are its own.
Status try_reference(Device& device, const OpInstance& op, std::span<const HostTensor> inputs);

// The same instance with every tensor of rank 3 and more in these layouts.
OpInstance with_layouts(OpInstance op, Layout in, Layout out);
// With an epilogue over [result, extras..., operand 0]; `extras` are further operands.
OpInstance with_epilogue(OpInstance op, const std::string& text,
                         std::span<const TensorType> extras);

}  // namespace lathe
