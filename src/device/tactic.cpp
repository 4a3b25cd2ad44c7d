// SPDX-License-Identifier: Apache-2.0
#include "device/tactic.h"

#include <algorithm>

namespace lathe {
namespace {

std::vector<int64_t> strides_within(const TensorType& type, const std::optional<Slice>& slice) {
  if (!slice) return strides(type);
  TensorType whole = type;
  whole.shape[slice->axis] = slice->whole;
  return strides(whole);
}

}  // namespace

bool allows_tf32(const Config& config) {
  constexpr std::string_view kWord = "tf32=1";
  const size_t at = config.find(kWord);
  if (at == Config::npos) return false;
  const size_t end = at + kWord.size();
  return (at == 0 || config[at - 1] == ' ') && (end == config.size() || config[end] == ' ');
}

std::vector<int64_t> operand_strides(const OpInstance& op, int k) {
  const auto n = static_cast<size_t>(k);
  const auto& slices = op.fusion.in_slice;
  return strides_within(op.in[n], n < slices.size() ? slices[n] : std::nullopt);
}

std::vector<int64_t> result_strides(const OpInstance& op, int k) {
  const auto n = static_cast<size_t>(k);
  const auto& slices = op.fusion.out_slice;
  return strides_within(op.out[n], n < slices.size() ? slices[n] : std::nullopt);
}

double model_seconds(const OpInstance& op, const DeviceInfo& device) {
  constexpr double kLaunch = 2e-6;
  const Cost cost = cost_of(op);
  return kLaunch + std::max(cost.flops / device.flops_f32, cost.bytes / device.bytes_per_second);
}

}  // namespace lathe
