// SPDX-License-Identifier: Apache-2.0
// infer(): the schema of an operator applied to operands and attributes; what InferContext and
// Constraint do.
#include <algorithm>
#include <set>

#include "ops/op.h"
#include "ops/text.h"

namespace lathe {
namespace {

// "x w [b]" taken apart.
struct OperandList {
  std::vector<std::string_view> names;
  size_t required = 0;
  bool repeated = false;  // the last one, once or more
};

OperandList parse_operands(std::string_view spec) {
  OperandList out;
  for (size_t at = 0; at < spec.size();) {
    size_t end = std::min(spec.find(' ', at), spec.size());
    std::string_view name = spec.substr(at, end - at);
    at = end + 1;
    if (name.empty()) continue;
    if (name.ends_with("...")) {
      out.repeated = true;
      name.remove_suffix(3);
    }
    if (name.front() == '[') {
      name = name.substr(1, name.size() - 2);
    } else {
      ++out.required;
    }
    out.names.push_back(name);
  }
  return out;
}

Status check_operands(const OpDef& def, std::span<const TensorType> in) {
  OperandList list = parse_operands(def.operands);
  size_t most = list.names.size();
  if (in.size() < list.required || (in.size() > most && !list.repeated)) {
    std::string expected = list.repeated           ? fmt::format("{} or more", list.required)
                           : list.required == most ? fmt::format("{}", most)
                                                   : fmt::format("{} to {}", list.required, most);
    return invalid("expected {} operands ({}), got {}", expected, def.operands, in.size());
  }
  for (size_t k = 0; k < in.size(); ++k) {
    bool required = k < list.required || k >= most;
    if (in[k].absent() && required) {
      return invalid("operand {} is missing", list.names[std::min(k, most - 1)]);
    }
    for (const Dim& d : in[k].shape) {
      if (d.is_constant() && d.value() < 0) {
        return invalid("operand {} has a negative size: {}", list.names[std::min(k, most - 1)],
                       in[k].to_string());
      }
    }
  }
  return {};
}

Status check_attrs(const OpDef& def, Attrs& attrs) {
  for (const auto& [name, value] : attrs) {
    auto known = std::ranges::find(def.attrs, std::string_view(name), &AttrDef::name);
    if (known == def.attrs.end()) return invalid("unknown attribute '{}'", name);
    if (value.index() != static_cast<size_t>(known->kind)) {
      return invalid("attribute '{}' must be {}, not {}", name, to_string(known->kind),
                     to_string(static_cast<AttrKind>(value.index())));
    }
    if (const Expr* expr = std::get_if<Expr>(&value)) {
      LATHE_TRY(expr->verify().at(fmt::format("attribute '{}'", name)));
    }
  }
  for (const AttrDef& a : def.attrs) {
    if (attrs.has(a.name)) continue;
    if (a.default_text.empty()) return invalid("attribute '{}' is missing", a.name);
    Result<AttrValue> value = parse_attr(a.kind, a.default_text);
    if (!value.ok()) return internal("attribute '{}': default '{}'", a.name, a.default_text);
    attrs.set(a.name, *std::move(value));
  }
  return {};
}

// Arithmetic that overflowed or divided by zero left an expression of no symbols.
Status check_dims(const Shape& shape) {
  for (const Dim& d : shape) {
    if (d.is_constant()) continue;
    std::set<std::string> symbols;
    d.collect_symbols(symbols);
    if (symbols.empty()) LATHE_TRY(d.evaluate({}).status());
  }
  return {};
}

// Sizes that are known must be legal: everything later multiplies them unchecked.
Status check_outputs(const InferContext& context) {
  for (const TensorType& t : context.out) {
    LATHE_TRY(check_dims(t.shape));
    bool negative =
        std::ranges::any_of(t.shape, [](const Dim& d) { return d.is_constant() && d.value() < 0; });
    if (negative) return invalid("the result would have shape {}", t.shape.to_string());
    if (!t.shape.is_concrete()) continue;
    LATHE_TRY(t.shape.evaluate({}).status());
    if (t.dtype != DType::String) LATHE_TRY(storage_bytes(t).status());
  }
  return {};
}

Status check_regions(const OpDef& def, size_t given) {
  const auto expected =
      static_cast<size_t>(std::ranges::count(def.regions, ' ')) + (def.regions.empty() ? 0 : 1);
  if (given == expected) return {};
  if (expected == 0) return invalid("it holds no graphs, got {}", given);
  return invalid("expected {} graphs ({}), got {}", expected, def.regions, given);
}

Result<Inferred> infer_checked(const OpDef& def, std::vector<TensorType> in, Attrs attrs,
                               std::span<const std::optional<Contents>> contents,
                               std::span<const RegionType> regions) {
  LATHE_TRY(check_operands(def, in));
  LATHE_TRY(check_attrs(def, attrs));
  LATHE_TRY(check_regions(def, regions.size()));
  InferContext context(attrs, in, contents, regions);
  LATHE_TRY(def.infer(context));
  LATHE_TRY(check_outputs(context));
  context.out_contents.resize(context.out.size());
  Inferred result;
  result.contents = std::move(context.out_contents);
  result.constraints = std::move(context.constraints);
  result.op.def = &def;
  result.op.out = std::move(context.out);
  result.op.in = std::move(in);
  result.op.attrs = std::move(attrs);
  return result;
}

std::string described(const Dim& d, int64_t value) {
  return d.is_constant() ? fmt::format("{}", value) : fmt::format("{} = {}", d.to_string(), value);
}

}  // namespace

InferContext::InferContext(const Attrs& attrs_, std::span<const TensorType> in_,
                           std::span<const std::optional<Contents>> contents,
                           std::span<const RegionType> regions_)
    : attrs(attrs_), in(in_), regions(regions_), contents_(contents) {}

const Contents* InferContext::contents(int k) const {
  size_t i = static_cast<size_t>(k);
  return i < contents_.size() && contents_[i] ? &*contents_[i] : nullptr;
}

void InferContext::add_contents(size_t output, Contents values) {
  if (values.size() > static_cast<size_t>(kMaxContents)) return;
  if (out_contents.size() <= output) out_contents.resize(output + 1);
  out_contents[output] = std::move(values);
}

Status InferContext::require_equal(const Dim& a, const Dim& b, std::string_view what) {
  if (a == b) return {};
  Dim difference = a - b;
  if (difference.is_constant() || difference.provably_positive() || (b - a).provably_positive()) {
    return invalid("{}: {} and {} must be equal", what, a.to_string(), b.to_string());
  }
  constraints.push_back({Constraint::Kind::Equal, a, b, std::string(what)});
  return {};
}

Result<Shape> InferContext::broadcast(const Shape& a, const Shape& b) {
  std::vector<std::pair<Dim, Dim>> unproved;
  Shape out = LATHE_TRY(lathe::broadcast(a, b, &unproved));
  for (auto& [x, y] : unproved) {
    constraints.push_back(
        {Constraint::Kind::Broadcastable, std::move(x), std::move(y), "dimensions"});
  }
  return out;
}

Status InferContext::require(bool condition, std::string_view message) const {
  if (condition) return {};
  return invalid("{}", message);
}

Status Constraint::check(const Bindings& values) const {
  auto evaluate = [&](const Dim& d) -> Result<int64_t> {
    Result<int64_t> v = d.evaluate(values);
    if (!v.ok()) return std::move(v).status().at(message);
    return v;
  };
  int64_t x = LATHE_TRY(evaluate(a));
  switch (kind) {
    case Kind::Nonnegative:
      if (x >= 0) return {};
      return invalid("{}: {} must not be negative", message, described(a, x));
    case Kind::Positive:
      if (x > 0) return {};
      return invalid("{}: {} must be positive", message, described(a, x));
    case Kind::Equal:
    case Kind::Broadcastable: break;
  }
  int64_t y = LATHE_TRY(evaluate(b));
  bool ok = x == y || (kind == Kind::Broadcastable && (x == 1 || y == 1));
  if (ok) return {};
  std::string_view rule = kind == Kind::Equal ? "must be equal" : "do not broadcast";
  return invalid("{}: {} and {} {}", message, described(a, x), described(b, y), rule);
}

Result<Inferred> infer(const OpDef& def, std::vector<TensorType> in, Attrs attrs,
                       std::span<const std::optional<Contents>> contents,
                       std::span<const RegionType> regions) {
  Result<Inferred> result = infer_checked(def, std::move(in), std::move(attrs), contents, regions);
  if (!result.ok()) return std::move(result).status().at(def.name);
  return result;
}

}  // namespace lathe
