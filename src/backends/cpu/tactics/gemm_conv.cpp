// SPDX-License-Identifier: Apache-2.0
// gemm_conv: convolutions in NHWC without groups as products by our own kernels. A block of windows
// is gathered while it is in cache; bias and epilogue follow there, too.
#include "backends/cpu/gemm/conv_gemm.h"

namespace lathe::cpu {
namespace {

Support supports(const OpInstance& op, const DeviceInfo&) {
  const GemmProblem problem = conv_gemm(op);
  return problem.ok() ? Support::yes() : Support::no(problem.why);
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  return gemm_configs(conv_gemm(op), device);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return load_gemm(context, conv_gemm(context.op));
}

}  // namespace

const Tactic& gemm_conv() {
  static constexpr Tactic tactic{
      .name = "gemm_conv",
      .op = "Conv",
      .doc =
          "Windows of NHWC pictures times packed weights, f32; any prologue of one pixel, any "
          "epilogue.",
      .supports = supports,
      .configs = configs,
      .load = load,
      .version = 3,
  };
  return tactic;
}

}  // namespace lathe::cpu
