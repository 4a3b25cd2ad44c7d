// SPDX-License-Identifier: Apache-2.0
// Functions of two elements.
#include "onnx/node_import.h"

namespace lathe {
namespace {

struct Binary {
  std::string_view onnx, body;
};

constexpr Binary kTable[] = {
    {"Add", "add(%0, %1)"},           {"Sub", "sub(%0, %1)"},
    {"Mul", "mul(%0, %1)"},           {"Div", "div(%0, %1)"},
    {"And", "and(%0, %1)"},           {"Or", "or(%0, %1)"},
    {"Xor", "xor(%0, %1)"},           {"Equal", "eq(%0, %1)"},
    {"Less", "lt(%0, %1)"},           {"LessOrEqual", "le(%0, %1)"},
    {"Greater", "gt(%0, %1)"},        {"GreaterOrEqual", "ge(%0, %1)"},
    {"BitwiseAnd", "bitand(%0, %1)"}, {"BitwiseOr", "bitor(%0, %1)"},
    {"BitwiseXor", "bitxor(%0, %1)"}, {"PRelu", "select(lt(%0, 0:$), mul(%0, %1), %0)"},
};

Result<std::string> bit_shift(NodeImport& n) {
  const std::string direction = n.s("direction", "");
  if (direction == "LEFT") return std::string("shl(%0, %1)");
  if (direction == "RIGHT") return std::string("shr(%0, %1)");
  return invalid("direction is '{}', not LEFT or RIGHT", direction);
}

Result<std::string> binary_body(NodeImport& n) {
  if (n.type() == "Mod") return std::string(n.i("fmod", 0) != 0 ? "fmod(%0, %1)" : "mod(%0, %1)");
  if (n.type() == "BitShift") return bit_shift(n);
  for (const Binary& b : kTable) {
    if (b.onnx == n.type()) return std::string(b.body);
  }
  return internal("{} has no expression", n.type());
}

// Opset 6 lines B up with the dimensions of A from `axis` on; PRelu's slopes are A's channels.
Result<Value*> aligned(NodeImport& n, const Value* a, Value* b) {
  const int rank = a->type.rank(), own = b->type.rank();
  const bool slopes = n.type() == "PRelu" && own == 1 && rank > 1 && !b->type.shape[0].is(1);
  const int64_t axis = slopes ? 1 : n.i("axis", rank - own);
  if (own == 0 || own > rank || axis < 0 || axis + own >= rank) return b;
  Dims shape(b->type.shape.begin(), b->type.shape.end());
  shape.insert(shape.end(), static_cast<size_t>(rank - own - axis), 1);
  return n.reshape(b, std::move(shape));
}

}  // namespace

Status import_binary(NodeImport& n) {
  Value* a = LATHE_TRY(n.need(0, "A"));
  Value* b = LATHE_TRY(n.need(1, "B"));
  if (a->type.dtype != b->type.dtype) {
    return invalid("the operands are {} and {}; they must have one type", to_string(a->type.dtype),
                   to_string(b->type.dtype));
  }
  n.without_effect({"broadcast"});  // the shapes say it
  if (n.opset() < 7) b = LATHE_TRY(aligned(n, a, b));
  return n.result(LATHE_TRY(n.pointwise(LATHE_TRY(binary_body(n)), {a, b})));
}

}  // namespace lathe
