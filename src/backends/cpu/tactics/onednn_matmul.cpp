// SPDX-License-Identifier: Apache-2.0
// onednn_matmul: products by oneDNN, constant weights packed once, with the epilogue as its
// post-operations. Its two primitives differ in speed by shape, so both are configs.
#include "backends/cpu/dnnl/matmul_problem.h"

namespace lathe::cpu {
namespace {

constexpr std::string_view kInnerProduct = "primitive=inner_product";

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (Support s = onednn_support(matmul_problem(op)); s || !op.is_constant(1)) return s;
  return onednn_support(inner_product_problem(op));
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo&) {
  std::vector<Config> list = onednn_configs(matmul_problem(op), 2);
  if (onednn_support(inner_product_problem(op))) list.emplace_back(kInnerProduct);
  return list;
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  if (context.config == kInnerProduct) {
    Result<std::unique_ptr<Prepared>> made =
        load_onednn(context, inner_product_problem(context.op));
    if (made.ok()) return made;
  }
  return load_onednn(context, matmul_problem(context.op));
}

}  // namespace

const Tactic& onednn_matmul() {
  static constexpr Tactic tactic{
      .name = "onednn_matmul",
      .op = "MatMul",
      .doc = "Products by oneDNN, weights packed once, epilogue included.",
      .supports = supports,
      .configs = configs,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
