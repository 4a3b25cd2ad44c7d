// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/op.h"

namespace lathe {
namespace {

// Floats are tracked where each is a whole number, because exporters compute sizes in floats too.
std::optional<Contents> whole_numbers(const HostTensor& t) {
  DType type = t.dtype();
  bool tracked = is_computable(type) && type != DType::F16 && type != DType::BF16;
  if (!tracked || t.elements() > kMaxContents) return std::nullopt;
  Contents out;
  for (int64_t k = 0; k < t.elements(); ++k) {
    if (is_float(type)) {
      double v = t.get_f64(k);
      bool whole = std::trunc(v) == v && std::fabs(v) < 0x1p53 && !(v == 0 && std::signbit(v));
      if (!whole) return std::nullopt;
    } else if (type == DType::U64 && t.span<uint64_t>()[static_cast<size_t>(k)] >> 63) {
      return std::nullopt;
    }
    out.push_back(is_float(type) ? static_cast<int64_t>(t.get_f64(k)) : t.get_i64(k));
  }
  return out;
}

Status infer_constant(InferContext& c) {
  const HostTensor& value = c.attrs.tensor("value");
  if (value.empty()) return invalid("the value is no tensor");
  c.add(value.dtype(), value.shape());
  if (auto contents = whole_numbers(value)) c.add_contents(0, *std::move(contents));
  return {};
}

Status reference_constant(const RefArgs& args) {
  const HostTensor& value = args.op.attrs.tensor("value");
  args.out[0] = args.box.is_whole(value.shape()) ? value : LATHE_TRY(cut(value, args.box));
  return {};
}

Cost cost_constant(const OpInstance&) { return {}; }

}  // namespace

const OpDef& op_constant() {
  static constexpr AttrDef attrs[] = {{"value", AttrKind::Tensor, "", "the tensor"}};
  static constexpr OpDef def{
      .name = "Constant",
      .doc = "y = value, of any element type. ONNX Constant and initializers.",
      .operands = "",
      .attrs = attrs,
      .infer = infer_constant,
      .reference = reference_constant,
      .cost = cost_constant,
  };
  return def;
}

}  // namespace lathe
