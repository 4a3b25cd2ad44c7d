// SPDX-License-Identifier: Apache-2.0
// tile_matmul: products by constant weights in BF16, by tiles of our own.
#include "backends/cpu/gemm/matmul_gemm.h"
#include "backends/cpu/gemm/tile_gemm.h"

namespace lathe::cpu {
namespace {

Support supports(const OpInstance& op, const DeviceInfo& device) {
  std::string why = refuse_tiles(matmul_gemm(op, DType::BF16), device);
  return why.empty() ? Support::yes() : Support::no(std::move(why));
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  return tile_configs(matmul_gemm(op, DType::BF16), device);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return load_tiles(context, matmul_gemm(context.op, DType::BF16));
}

}  // namespace

const Tactic& tile_matmul() {
  static constexpr Tactic tactic{
      .name = "tile_matmul",
      .op = "MatMul",
      .doc =
          "Rows times packed constant weights, bf16, in AMX's tiles or by AVX-512; any prologue "
          "and epilogue.",
      .supports = supports,
      .configs = configs,
      .load = load,
      .version = 2,
  };
  return tactic;
}

}  // namespace lathe::cpu
