// SPDX-License-Identifier: Apache-2.0
#include "ops/control_flow.h"

namespace lathe {
namespace {

constexpr size_t kLoopOwn =
    2;  // trips and cond; the body's iteration and cond; its cond among results

// What the body collects, stacked along a new first dimension.
Result<TensorType> collected(const InferContext& c, size_t output, size_t result) {
  const RegionType& body = c.regions[0];
  const TensorType& each = body.out[output];
  const Dims& trips = c.attrs.dims("trips");
  TensorType y{each.dtype, {}, each.layout};
  y.shape.push_back(trips.empty() ? LATHE_TRY(fresh_size(c, result, 0)) : trips[0]);
  for (int d = 0; d < each.rank(); ++d)
    y.shape.push_back(LATHE_TRY(outer_size(c, each.shape[d], body, result, d + 1)));
  return y;
}

Status infer_loop(InferContext& c) {
  const int64_t stated = c.attrs.i("carried");
  const RegionType& body = c.regions[0];
  if (stated < 0 || stated > c.operands() - static_cast<int>(kLoopOwn))
    return invalid("carried is {}, and {} operands are given", stated, c.operands());
  const auto carried = static_cast<size_t>(stated);
  LATHE_TRY(check_symbols(c));
  if (c.attrs.dims("trips").size() > 1) return invalid("trips holds one number or none");
  if (c.has(0)) LATHE_TRY(require_one(c, 0, DType::I64, "the trip count"));
  if (c.has(1)) LATHE_TRY(require_one(c, 1, DType::Bool, "the condition"));
  LATHE_TRY(check_captures(c, body, kLoopOwn + carried, kLoopOwn + carried, "body"));
  LATHE_TRY(check_one(body.in[0], DType::I64, "body: input 0, the iteration's number,"));
  LATHE_TRY(check_one(body.in[1], DType::Bool, "body: input 1, the condition,"));
  if (body.out.size() < 1 + carried)
    return invalid("body gives {} results, expected {} or more", body.out.size(), 1 + carried);
  LATHE_TRY(check_one(body.out[0], DType::Bool, "body: result 0, the condition,"));
  for (size_t k = 0; k < carried; ++k)
    c.out.push_back(LATHE_TRY(carry(c, {kLoopOwn + k, kLoopOwn + k, 1 + k, k})));
  for (size_t k = 1 + carried; k < body.out.size(); ++k)
    c.out.push_back(LATHE_TRY(collected(c, k, k - 1)));
  return c.require(!c.out.empty(), "the loop gives nothing");
}

size_t own_of_loop(const Attrs& attrs) {
  return kLoopOwn + static_cast<size_t>(attrs.i("carried"));
}

}  // namespace

const OpDef& op_loop() {
  static constexpr AttrDef attrs[] = {
      {"carried", AttrKind::Int, "", "how many values go round"},
      {"trips", AttrKind::Dims, "[]", "how often the body runs, where that is known"},
      {"symbols", AttrKind::Text, "\"\"", kSymbolsDoc},
  };
  static constexpr OpDef def{
      .name = "Loop",
      .doc =
          "cond, values..., collected... = body(iteration, cond, values..., captures...) again and "
          "again, at most `trips` times (absent: no limit) and while cond holds (absent: true at "
          "first). y... = the values at last, then each collected tensor of every iteration, "
          "stacked "
          "along a new first dimension. A value keeps its element type and rank; a size of it that "
          "changes is a symbol of the node. ONNX Loop.",
      .operands = "[trips] [cond] [values]...",
      .results = "y...",
      .attrs = attrs,
      .flags = kNone,
      .infer = infer_loop,
      .regions = "body",
      .own_operands = own_of_loop,
  };
  return def;
}

}  // namespace lathe
