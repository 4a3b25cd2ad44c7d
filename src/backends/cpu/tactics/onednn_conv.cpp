// SPDX-License-Identifier: Apache-2.0
// onednn_conv: convolution by oneDNN, in NHWC, nChw16c or row-major, with the epilogue as its
// post-operations. Winograd, which oneDNN has in the blocked layout only, is one of the configs.
#include "backends/cpu/dnnl/conv_problem.h"
#include "backends/cpu/dnnl/dnnl_shim.h"

namespace lathe::cpu {
namespace {

constexpr std::string_view kWinograd = "algorithm=winograd";

bool is_winograd_shape(const OpInstance& op) {
  const ConvSpec s = std::get<ConvSpec>(conv_problem(op).spec);
  const std::vector<int64_t>& w = s.weights.dims;
  return s.src.blocked && s.dst.blocked && w.size() == 4 && w[2] == 3 && w[3] == 3;
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  return onednn_support(conv_problem(op));
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo&) {
  std::vector<Config> list = onednn_configs(conv_problem(op), 2);
  if (!is_winograd_shape(op)) return list;
  if (!implementations(conv_problem(op, true).spec, 1).empty()) list.emplace_back(kWinograd);
  return list;
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  if (context.config == kWinograd) {
    Result<std::unique_ptr<Prepared>> made = load_onednn(context, conv_problem(context.op, true));
    if (made.ok()) return made;
  }
  return load_onednn(context, conv_problem(context.op));
}

}  // namespace

const Tactic& onednn_conv() {
  static constexpr Tactic tactic{
      .name = "onednn_conv",
      .op = "Conv",
      .doc = "Convolution by oneDNN in any layout that it is fast in, epilogue included.",
      .supports = supports,
      .configs = configs,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
