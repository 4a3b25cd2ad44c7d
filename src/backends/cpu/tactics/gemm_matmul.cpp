// SPDX-License-Identifier: Apache-2.0
// gemm_matmul: products by constant weights, packed once, by our own kernels; prologue, bias and
// epilogue while a block is in cache.
#include "backends/cpu/gemm/matmul_gemm.h"

namespace lathe::cpu {
namespace {

Support supports(const OpInstance& op, const DeviceInfo&) {
  const GemmProblem problem = matmul_gemm(op);
  return problem.ok() ? Support::yes() : Support::no(problem.why);
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  return gemm_configs(matmul_gemm(op), device);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return load_gemm(context, matmul_gemm(context.op));
}

}  // namespace

const Tactic& gemm_matmul() {
  static constexpr Tactic tactic{
      .name = "gemm_matmul",
      .op = "MatMul",
      .doc = "Rows times packed constant weights, f32; any prologue and epilogue.",
      .supports = supports,
      .configs = configs,
      .load = load,
      .version = 3,
  };
  return tactic;
}

}  // namespace lathe::cpu
