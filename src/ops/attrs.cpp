// SPDX-License-Identifier: Apache-2.0
#include "ops/attrs.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "base/hash.h"
#include "ops/text.h"

namespace lathe {
namespace {

constexpr std::string_view kKindNames[] = {"an integer", "a number",      "text",
                                           "integers",   "numbers",       "an element type",
                                           "dimensions", "an expression", "a tensor"};
// Longer tensors print as a hash where the value itself is not asked for.
constexpr int64_t kShortTensor = 16;
constexpr size_t kShortText = 240;  // the same of texts: sources of kernels

bool same_double(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

struct Same {
  template <class T>
  bool operator()(const T& a, const T& b) const {
    return a == b;
  }
  bool operator()(double a, double b) const { return same_double(a, b); }
  bool operator()(const Floats& a, const Floats& b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_double);
  }
  template <class T, class U>
  bool operator()(const T&, const U&) const {
    return false;
  }
};

struct AttrPrinter {
  bool full_tensors;

  template <class T>
  std::string list(const std::vector<T>& values) const {
    return fmt::format("[{}]", fmt::join(values, ", "));
  }
  std::string operator()(int64_t v) const { return fmt::format("{}", v); }
  std::string operator()(double v) const { return fmt::format("{}", v); }
  std::string operator()(const std::string& v) const {
    if (full_tensors || v.size() <= kShortText) return lathe::quoted(v);
    return fmt::format("\"... {} characters, hash {:016x}\"", v.size(), hash64(v));
  }
  std::string operator()(const Ints& v) const { return list(v); }
  std::string operator()(const Floats& v) const { return list(v); }
  std::string operator()(DType v) const { return std::string(lathe::to_string(v)); }
  std::string operator()(const Dims& v) const {
    std::vector<std::string> dims;
    for (const Dim& d : v) dims.push_back(d.to_string());
    return "dims" + list(dims);
  }
  std::string operator()(const Expr& v) const { return lathe::quoted(v.to_string()); }
  std::string operator()(const HostTensor& v) const {
    if (full_tensors || v.elements() <= kShortTensor) return v.to_string(true);
    return fmt::format("{} {{hash {:016x}}}", v.type().to_string(), v.hash());
  }
};

Result<int64_t> parse_int(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid("'{}' is not an integer", text.substr(0, 40));
  }
  return value;
}

Result<double> parse_number(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid("'{}' is not a number", text.substr(0, 40));
  }
  return value;
}

// The items of "[a, b]" after `prefix`.
Result<std::vector<std::string_view>> parse_list(std::string_view text, std::string_view prefix) {
  bool ok = text.starts_with(prefix) && text.size() >= prefix.size() + 2 &&
            text[prefix.size()] == '[' && text.back() == ']';
  if (!ok) return invalid("'{}' is not a list {}[...]", text.substr(0, 40), prefix);
  return split_top(text.substr(prefix.size() + 1, text.size() - prefix.size() - 2), ',');
}

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

Result<std::string> parse_text(std::string_view text) {
  if (is_word(text)) return std::string(text);
  return unquoted(text);
}

Result<AttrValue> parse_ints(std::string_view text) {
  Ints out;
  for (std::string_view item : LATHE_TRY(parse_list(text, ""))) {
    out.push_back(LATHE_TRY(parse_int(item)));
  }
  return AttrValue(std::move(out));
}

Result<AttrValue> parse_floats(std::string_view text) {
  Floats out;
  for (std::string_view item : LATHE_TRY(parse_list(text, ""))) {
    out.push_back(LATHE_TRY(parse_number(item)));
  }
  return AttrValue(std::move(out));
}

// dims[N, 3], or [N, 3] where the kind is known.
Result<AttrValue> parse_dims(std::string_view text) {
  Dims out;
  std::string_view prefix = text.starts_with("dims") ? "dims" : "";
  for (std::string_view item : LATHE_TRY(parse_list(text, prefix))) {
    out.push_back(LATHE_TRY(Dim::parse(item)));
  }
  return AttrValue(std::move(out));
}

Result<AttrValue> parse_expr(std::string_view text) {
  return AttrValue(LATHE_TRY(Expr::parse(LATHE_TRY(unquoted(text)))).canonical());
}

template <class T>
const T& get(const Attrs& attrs, std::string_view name) {
  const AttrValue* value = attrs.find(name);
  LATHE_CHECK(value != nullptr && std::holds_alternative<T>(*value));
  return *std::get_if<T>(value);
}

}  // namespace

std::string_view to_string(AttrKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

Result<AttrValue> parse_attr(AttrKind kind, std::string_view text) {
  switch (kind) {
    case AttrKind::Int: return AttrValue(LATHE_TRY(parse_int(text)));
    case AttrKind::Float: return AttrValue(LATHE_TRY(parse_number(text)));
    case AttrKind::Text: return AttrValue(LATHE_TRY(parse_text(text)));
    case AttrKind::Ints: return parse_ints(text);
    case AttrKind::Floats: return parse_floats(text);
    case AttrKind::DType: return AttrValue(LATHE_TRY(parse_dtype(text)));
    case AttrKind::Dims: return parse_dims(text);
    case AttrKind::Expr: return parse_expr(text);
    case AttrKind::Tensor: return AttrValue(LATHE_TRY(HostTensor::parse(text)));
  }
  return internal("no such kind of attribute");
}

Attrs& Attrs::set(std::string_view name, AttrValue value) {
  if (Expr* expr = std::get_if<Expr>(&value)) *expr = expr->canonical();
  auto at = std::lower_bound(items_.begin(), items_.end(), name,
                             [](const auto& item, std::string_view n) { return item.first < n; });
  if (at != items_.end() && at->first == name) {
    at->second = std::move(value);
  } else {
    items_.emplace(at, std::string(name), std::move(value));
  }
  return *this;
}

const AttrValue* Attrs::find(std::string_view name) const {
  for (const auto& [key, value] : items_) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Attrs::erase(std::string_view name) {
  std::erase_if(items_, [&](const auto& item) { return item.first == name; });
}

int64_t Attrs::i(std::string_view name) const { return get<int64_t>(*this, name); }
double Attrs::f(std::string_view name) const { return get<double>(*this, name); }
const std::string& Attrs::text(std::string_view name) const {
  return get<std::string>(*this, name);
}
const Ints& Attrs::ints(std::string_view name) const { return get<Ints>(*this, name); }
const Floats& Attrs::floats(std::string_view name) const { return get<Floats>(*this, name); }
DType Attrs::dtype(std::string_view name) const { return get<DType>(*this, name); }
const Dims& Attrs::dims(std::string_view name) const { return get<Dims>(*this, name); }
const Expr& Attrs::expr(std::string_view name) const { return get<Expr>(*this, name); }
const HostTensor& Attrs::tensor(std::string_view name) const {
  return get<HostTensor>(*this, name);
}

bool operator==(const Attrs& a, const Attrs& b) {
  return std::equal(a.items_.begin(), a.items_.end(), b.items_.begin(), b.items_.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && std::visit(Same(), x.second, y.second);
                    });
}

std::string Attrs::to_string(bool full_tensors) const {
  if (items_.empty()) return "";
  std::string out = "{";
  for (const auto& [name, value] : items_) {
    if (out.size() > 1) out += ", ";
    out += name + "=" + std::visit(AttrPrinter{full_tensors}, value);
  }
  return out + "}";
}

Result<Attrs> Attrs::parse(std::string_view text, std::span<const AttrDef> schema) {
  Attrs out;
  text = trimmed(text);
  if (text.empty()) return out;
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') {
    return invalid("attributes must stand in {{...}}");
  }
  for (std::string_view item : LATHE_TRY(split_top(text.substr(1, text.size() - 2), ','))) {
    size_t equals = item.find('=');
    if (equals == item.npos) return invalid("'{}' is not name=value", item.substr(0, 40));
    std::string_view name = trimmed(item.substr(0, equals));
    auto def = std::ranges::find(schema, name, &AttrDef::name);
    if (def == schema.end()) return invalid("unknown attribute '{}'", name.substr(0, 40));
    if (out.has(name)) return invalid("attribute '{}' is given twice", name);
    Result<AttrValue> value = parse_attr(def->kind, trimmed(item.substr(equals + 1)));
    if (!value.ok()) return std::move(value).status().at(fmt::format("attribute '{}'", name));
    out.set(name, *std::move(value));
  }
  return out;
}

}  // namespace lathe
