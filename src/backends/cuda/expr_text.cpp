// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/expr_text.h"

#include <bit>

namespace lathe::cuda {
namespace {

std::string literal(const ExprNode& n) {
  if (n.dtype == DType::F64) {
    return fmt::format("__longlong_as_double(0x{:016x}ll)", std::bit_cast<uint64_t>(n.value));
  }
  if (is_float(n.dtype)) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(n.value));
    return fmt::format("__int_as_float(0x{:08x})", bits);
  }
  if (n.dtype == DType::Bool) return n.integer != 0 ? "true" : "false";
  return fmt::format("({})0x{:x}ull", compute_name(n.dtype), static_cast<uint64_t>(n.integer));
}

std::string_view operator_of(ScalarOp op) {
  switch (op) {
    case ScalarOp::Equal: return "==";
    case ScalarOp::NotEqual: return "!=";
    case ScalarOp::Less: return "<";
    case ScalarOp::LessEqual: return "<=";
    case ScalarOp::Greater: return ">";
    case ScalarOp::GreaterEqual: return ">=";
    default: return "";
  }
}

std::string cast(DType from, DType to, bool saturate, const std::string& a) {
  if (to == DType::Bool) return fmt::format("({} != 0)", a);
  if (is_float(to)) {
    if (is_float(from)) return fmt::format("rounded<{}>({})", storage_name(to), a);
    // Integers reach narrow types through double, as the reference does.
    if (to == DType::F32) return fmt::format("(float){}", a);
    return fmt::format("rounded<{}>((double){})", storage_name(to), a);
  }
  const std::string_view type = compute_name(to);
  if (is_float(from)) return fmt::format("float_to_int<{}>({})", type, a);
  if (saturate && from != DType::Bool) return fmt::format("saturate_int<{}>({})", type, a);
  return fmt::format("({}){}", type, a);
}

// Results of these are elements of the type already.
bool needs_rounding(ScalarOp op) {
  switch (op) {
    case ScalarOp::Min:
    case ScalarOp::Max:
    case ScalarOp::Neg:
    case ScalarOp::Abs: return false;
    default: return true;
  }
}

std::string call(const ExprNode& n, DType from, const std::string* a) {
  if (n.op == ScalarOp::Select) return fmt::format("({} ? {} : {})", a[0], a[1], a[2]);
  if (n.op == ScalarOp::Not) return fmt::format("!{}", a[0]);
  if (const std::string_view o = operator_of(n.op); !o.empty()) {
    return fmt::format("({} {} {})", a[0], o, a[1]);
  }
  const char kind = is_float(from) ? 'f' : 'i';
  std::string_view name = to_string(n.op);
  if (n.op == ScalarOp::BitAnd) name = "and";
  if (n.op == ScalarOp::BitOr) name = "or";
  if (n.op == ScalarOp::BitXor) name = "xor";
  std::string text = fmt::format("{}_{}({}", kind, name, a[0]);
  for (int k = 1; k < arity(n.op); ++k) text += ", " + a[k];
  text += ")";
  const bool narrow = n.dtype == DType::F16 || n.dtype == DType::BF16;
  if (!narrow || !needs_rounding(n.op)) return text;
  return fmt::format("rounded<{}>({})", storage_name(n.dtype), text);
}

std::string value_text(const ExprNode& n, DType from, const std::string* args) {
  switch (n.op) {
    case ScalarOp::Literal: return literal(n);
    case ScalarOp::Cast: return cast(from, n.dtype, false, args[0]);
    case ScalarOp::CastSaturate: return cast(from, n.dtype, true, args[0]);
    default: return call(n, from, args);
  }
}

}  // namespace

std::string_view storage_name(DType t) {
  switch (t) {
    case DType::F16: return "f16";
    case DType::BF16: return "bf16";
    default: return compute_name(t);
  }
}

std::string_view compute_name(DType t) {
  switch (t) {
    case DType::F64: return "double";
    case DType::I8: return "i8";
    case DType::I16: return "i16";
    case DType::I32: return "int";
    case DType::I64: return "i64";
    case DType::U8: return "u8";
    case DType::U16: return "u16";
    case DType::U32: return "u32";
    case DType::U64: return "u64";
    case DType::Bool: return "bool";
    default: return "float";
  }
}

std::string expr_text(const Expr& expr, std::span<const std::string> inputs,
                      std::string_view prefix, std::vector<std::string>* results) {
  std::string text;
  std::vector<std::string> names;
  for (const ExprNode& n : expr.nodes()) {
    if (n.op == ScalarOp::Input) {
      names.push_back(inputs[static_cast<size_t>(n.input)]);
      continue;
    }
    std::string args[3];
    DType from = DType::None;
    for (int k = 0; k < 3 && n.args[k] >= 0; ++k) {
      args[k] = names[static_cast<size_t>(n.args[k])];
      from = expr.nodes()[static_cast<size_t>(n.args[k])].dtype;
    }
    std::string name = fmt::format("{}{}", prefix, names.size());
    text += fmt::format("  const {} {} = {};\n", compute_name(n.dtype), name,
                        value_text(n, from, args));
    names.push_back(std::move(name));
  }
  results->clear();
  for (int32_t o : expr.outputs()) results->push_back(names[static_cast<size_t>(o)]);
  return text;
}

}  // namespace lathe::cuda
