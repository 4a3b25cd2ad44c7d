// SPDX-License-Identifier: Apache-2.0
// tile_conv: convolutions in BF16 and NHWC without groups as products, by tiles of our own. Windows
// of several pixels are gathered a block at a time.
#include "backends/cpu/gemm/conv_gemm.h"
#include "backends/cpu/gemm/tile_gemm.h"

namespace lathe::cpu {
namespace {

Support supports(const OpInstance& op, const DeviceInfo& device) {
  std::string why = refuse_tiles(conv_gemm(op, DType::BF16), device);
  return why.empty() ? Support::yes() : Support::no(std::move(why));
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  return tile_configs(conv_gemm(op, DType::BF16), device);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return load_tiles(context, conv_gemm(context.op, DType::BF16));
}

}  // namespace

const Tactic& tile_conv() {
  static constexpr Tactic tactic{
      .name = "tile_conv",
      .op = "Conv",
      .doc =
          "Windows of NHWC pictures times packed weights, bf16, in AMX's tiles or by AVX-512; any "
          "prologue of one pixel, any epilogue.",
      .supports = supports,
      .configs = configs,
      .load = load,
      .version = 2,
  };
  return tactic;
}

}  // namespace lathe::cpu
