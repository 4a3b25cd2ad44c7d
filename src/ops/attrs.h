// SPDX-License-Identifier: Apache-2.0
#pragma once
// Attributes of an operator instance: a small sorted list of named values, checked against the
// operator's schema before anything reads it, so the readers below need no error path.
//
//   Attrs a;
//   a.set("axis", int64_t{1}).set("pads", std::vector<int64_t>{1, 1, 1, 1});
//   a.ints("pads")[0]                                // 1
//
// Text form: {axis=1, pads=[1, 1, 1, 1], mode="max", shape=dims[N, 3], value=f32[2] {1, 2}};
// an expression stands in quotes.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "ops/expr.h"
#include "tensor/host_tensor.h"

namespace lathe {

using Ints = std::vector<int64_t>;
using Floats = std::vector<double>;
using Dims = std::vector<Dim>;

// The order of alternatives is the order of AttrKind.
using AttrValue =
    std::variant<int64_t, double, std::string, Ints, Floats, DType, Dims, Expr, HostTensor>;
enum class AttrKind : uint8_t { Int, Float, Text, Ints, Floats, DType, Dims, Expr, Tensor };
std::string_view to_string(AttrKind kind);

struct AttrDef {
  std::string_view name;
  AttrKind kind;
  std::string_view default_text;  // text form; empty: required
  std::string_view doc;
};

// A value in the text form above. Text may stand without quotes when it is one word, dims without
// the word dims.
Result<AttrValue> parse_attr(AttrKind kind, std::string_view text);

class Attrs {
 public:
  Attrs& set(std::string_view name, AttrValue value);
  const AttrValue* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  void erase(std::string_view name);

  // LATHE_CHECK presence and kind: a verified OpInstance has every attribute of its schema.
  int64_t i(std::string_view name) const;
  double f(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  const Ints& ints(std::string_view name) const;
  const Floats& floats(std::string_view name) const;
  DType dtype(std::string_view name) const;
  const Dims& dims(std::string_view name) const;
  const Expr& expr(std::string_view name) const;
  const HostTensor& tensor(std::string_view name) const;

  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  bool empty() const { return items_.empty(); }
  friend bool operator==(const Attrs& a, const Attrs& b);

  std::string to_string(bool full_tensors = true) const;  // "{axis=1}" or ""
  // Kinds come from the schema where the text alone is ambiguous.
  static Result<Attrs> parse(std::string_view text, std::span<const AttrDef> schema);

 private:
  std::vector<std::pair<std::string, AttrValue>> items_;  // sorted by name
};

}  // namespace lathe
