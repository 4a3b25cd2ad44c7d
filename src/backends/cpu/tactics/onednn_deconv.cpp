// SPDX-License-Identifier: Apache-2.0
// onednn_deconv: transposed convolution by oneDNN, with the epilogue as its post-operations.
#include "backends/cpu/dnnl/conv_problem.h"

namespace lathe::cpu {
namespace {

Support supports(const OpInstance& op, const DeviceInfo&) {
  return onednn_support(deconv_problem(op));
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo&) {
  return onednn_configs(deconv_problem(op), 2);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return load_onednn(context, deconv_problem(context.op));
}

}  // namespace

const Tactic& onednn_deconv() {
  static constexpr Tactic tactic{
      .name = "onednn_deconv",
      .op = "Deconv",
      .doc = "Transposed convolution by oneDNN, epilogue included.",
      .supports = supports,
      .configs = configs,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
