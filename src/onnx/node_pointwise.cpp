// SPDX-License-Identifier: Apache-2.0
// Pointwise nodes from the short texts of importers: %0 becomes the operand's name, $ the type.
#include "onnx/import_state.h"
#include "onnx/node_import.h"

namespace lathe {
namespace {

// a, b, ... z, a1, ...: the names that Expr gives to its inputs.
std::string input_name(size_t k) {
  std::string name(1, static_cast<char>('a' + k % 26));
  if (k >= 26) name += std::to_string(k / 26);
  return name;
}

std::string header(const std::vector<Value*>& operands) {
  std::string text = "(";
  for (size_t k = 0; k < operands.size(); ++k) {
    if (k > 0) text += ", ";
    text += input_name(k) + ":";
    text += to_string(operands[k]->type.dtype);
  }
  return text + ") -> ";
}

bool is_narrow(DType t) { return t == DType::F16 || t == DType::BF16; }

// `body` with its placeholders filled in.
std::string expand(std::string_view body, const std::vector<Value*>& operands, bool wide) {
  const DType type = operands[0]->type.dtype;
  std::string out;
  for (size_t at = 0; at < body.size(); ++at) {
    if (body[at] == '$') {
      out += to_string(wide ? DType::F32 : type);
    } else if (body[at] == '%') {
      size_t k = 0;
      while (at + 1 < body.size() && body[at + 1] >= '0' && body[at + 1] <= '9') {
        k = k * 10 + static_cast<size_t>(body[++at] - '0');
      }
      const bool widen = wide && is_narrow(operands[k]->type.dtype);
      out += widen ? fmt::format("cast({}, f32)", input_name(k)) : input_name(k);
    } else {
      out += body[at];
    }
  }
  return out;
}

}  // namespace

static Result<Expr> parse_cached(ImportState& import, std::string text) {
  auto it = import.expressions.find(text);
  if (it == import.expressions.end()) {
    Expr parsed = LATHE_TRY(Expr::parse(text));
    it = import.expressions.emplace(std::move(text), std::move(parsed)).first;
  }
  return it->second;
}

Result<Value*> NodeImport::pointwise(std::string_view body, std::vector<Value*> operands) {
  for (const Value* v : operands) {
    if (!is_computable(v->type.dtype)) {
      return unsupported("arithmetic on {} is not implemented", to_string(v->type.dtype));
    }
  }
  Expr expr =
      LATHE_TRY(parse_cached(state_.import, header(operands) + expand(body, operands, false)));
  return add("Pointwise", std::move(operands), Attrs().set("expr", std::move(expr)));
}

Result<Value*> NodeImport::wide_pointwise(std::string_view body, std::vector<Value*> operands) {
  const DType type = operands[0]->type.dtype;
  if (!is_narrow(type)) return pointwise(body, std::move(operands));
  std::string text = fmt::format("{}cast({}, {})", header(operands), expand(body, operands, true),
                                 to_string(type));
  Expr expr = LATHE_TRY(parse_cached(state_.import, std::move(text)));
  return add("Pointwise", std::move(operands), Attrs().set("expr", std::move(expr)));
}

}  // namespace lathe
