// SPDX-License-Identifier: Apache-2.0
// Attention (opset 23): heads split off, keys and values of the past joined, groups of queries that
// share a key spread, then Lathe's Attention.
#include <cmath>

#include "onnx/import_axes.h"

namespace lathe {
namespace {

// [B, S, H*D] to [B, H, S, D]; a tensor of rank 4 is that already.
Result<Value*> split_heads(NodeImport& n, Value* x, int64_t heads) {
  if (x->type.rank() == 4) return x;
  const Shape& s = x->type.shape;
  if (s.rank() != 3) return invalid("an operand has the shape {}", s.to_string());
  const std::optional<Dim> size = heads > 0 ? s[2].exact_div(heads) : std::nullopt;
  if (!size) return invalid("{} channels in {} heads", s[2].to_string(), heads);
  Value* y = LATHE_TRY(n.reshape(x, {s[0], s[1], heads, *size}));
  return n.transpose(y, {0, 2, 1, 3});
}

Result<Value*> join_heads(NodeImport& n, Value* y) {
  const Shape s = y->type.shape;
  y = LATHE_TRY(n.transpose(y, {0, 2, 1, 3}));
  return n.reshape(y, {s[0], s[2], s[1] * s[3]});
}

// Repeats each head of k so that there are as many as q has.
Result<Value*> spread_heads(NodeImport& n, Value* k, const Dim& heads) {
  const Shape s = k->type.shape;
  if (s[1] == heads) return k;
  const std::optional<Dim> group = s[1].is(0) ? std::nullopt : heads.exact_div(s[1]);
  if (!group)
    return invalid("{} heads of keys for {} of queries", s[1].to_string(), heads.to_string());
  Value* y = LATHE_TRY(n.reshape(k, {s[0], s[1], 1, s[2], s[3]}));
  y = LATHE_TRY(n.add("Expand", {y}, Attrs().set("shape", Dims{s[0], s[1], *group, s[2], s[3]})));
  return n.reshape(y, {s[0], heads, s[2], s[3]});
}

Result<Value*> with_past(NodeImport& n, Value* x, size_t past, size_t present) {
  if (n.in(past)) {
    x = LATHE_TRY(n.add("Concat", {n.in(past), x}, Attrs().set("axis", int64_t{2})));
  }
  if (n.wants(present)) LATHE_TRY(n.result(x, present));
  return x;
}

Status check_simple(NodeImport& n) {
  // The first is of the output that is refused; the softmax is never narrower than F32.
  n.without_effect({"qk_matmul_output_mode", "softmax_precision"});
  if (n.f("softcap", 0) != 0) return unsupported("softcap is not implemented");
  for (const char* side : {"left_window_size", "right_window_size"}) {
    if (n.i(side, -1) != -1) return unsupported("{} is not implemented", side);
  }
  if (n.in(6)) return unsupported("nonpad_kv_seqlen is not implemented");
  if (n.wants(3)) return unsupported("qk_matmul_output is not implemented");
  if (n.i("is_causal", 0) != 0 && n.in(4)) {
    return unsupported("is_causal with past keys is not implemented");
  }
  return {};
}

}  // namespace

Status import_attention(NodeImport& n) {
  LATHE_TRY(check_simple(n));
  Value* q = LATHE_TRY(n.need(0, "Q"));
  Value* k = LATHE_TRY(n.need(1, "K"));
  Value* v = LATHE_TRY(n.need(2, "V"));
  const bool flat = q->type.rank() == 3;
  q = LATHE_TRY(split_heads(n, q, n.i("q_num_heads", 0)));
  k = LATHE_TRY(split_heads(n, k, n.i("kv_num_heads", 0)));
  v = LATHE_TRY(split_heads(n, v, n.i("kv_num_heads", 0)));
  k = LATHE_TRY(with_past(n, k, 4, 1));
  v = LATHE_TRY(with_past(n, v, 5, 2));
  const Dim heads = q->type.shape[1], size = q->type.shape[3];
  if (!size.is_constant() && !n.has("scale"))
    return unsupported("a symbolic head size is not implemented");
  const double scale =
      n.has("scale") ? n.f("scale", 1.0) : 1 / std::sqrt(static_cast<double>(size.value()));
  k = LATHE_TRY(spread_heads(n, k, heads));
  v = LATHE_TRY(spread_heads(n, v, heads));
  std::vector<Value*> operands{q, k, v};
  if (n.in(3)) operands.push_back(n.in(3));
  Attrs attrs;
  attrs.set("scale", scale).set("causal", int64_t{n.i("is_causal", 0) != 0});
  Value* y = LATHE_TRY(n.add("Attention", std::move(operands), std::move(attrs)));
  return n.result(flat ? LATHE_TRY(join_heads(n, y)) : y);
}

}  // namespace lathe
