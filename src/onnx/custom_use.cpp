// SPDX-License-Identifier: Apache-2.0
#include "onnx/custom_use.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "onnx/names.h"
#include "ops/text.h"

namespace lathe {
namespace {

using Values = std::map<std::string, CustomValue, std::less<>>;

// `text` with every word (an identifier, with the character before it where that is '@') replaced
// by what `replace` gives; nullopt: kept.
template <class F>
Result<std::string> replace_words(std::string_view text, F&& replace) {
  std::string out;
  const auto in_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (size_t at = 0; at < text.size();) {
    if (!in_word(text[at]) && text[at] != '@') {
      out += text[at++];
      continue;
    }
    size_t end = at + 1;
    while (end < text.size() && in_word(text[end])) ++end;
    const std::string_view word = text.substr(at, end - at);
    const std::optional<std::string> other = LATHE_TRY(replace(word));
    out += other ? *other : std::string(word);
    at = end;
  }
  return out;
}

Result<Values> values_of(const CustomDefinition& d, const AttributeMap& attributes) {
  Values values;
  for (const auto& [name, value] : attributes) {
    const auto known = std::ranges::find(d.attributes, name, &CustomAttribute::name);
    if (known == d.attributes.end())
      return invalid("its definition in {} has no attribute '{}'", d.origin, printable(name));
    values[known->name] = LATHE_TRY(custom_value(name, *value, known->kind));
  }
  for (const CustomAttribute& a : d.attributes) {
    if (values.contains(a.name)) continue;
    if (!a.by_default) return invalid("attribute '{}' is missing", a.name);
    values[a.name] = *a.by_default;
  }
  return values;
}

// One tensor of the signature as written: "x: T[...,C]".
struct PortText {
  std::string_view name, type;
  std::vector<std::string_view> sizes;
  bool has_rest() const { return std::count(sizes.begin(), sizes.end(), "...") > 0; }
};

Result<std::vector<PortText>> split_ports(std::string_view text) {
  text = trimmed(text);
  std::vector<PortText> ports;
  if (text.size() < 2 || text.front() != '(' || text.back() != ')')
    return invalid("'{}' is no list (x: f32[N,C], ...)", text.substr(0, 60));
  for (std::string_view item : LATHE_TRY(split_top(text.substr(1, text.size() - 2), ','))) {
    const size_t colon = item.find(':'), open = item.find('[');
    if (colon == item.npos || open == item.npos || open < colon || item.back() != ']')
      return invalid("'{}' is not name: type[sizes]", item.substr(0, 60));
    PortText p{
        trimmed(item.substr(0, colon)), trimmed(item.substr(colon + 1, open - colon - 1)), {}};
    p.sizes = LATHE_TRY(split_top(item.substr(open + 1, item.size() - open - 2), ','));
    if (std::count(p.sizes.begin(), p.sizes.end(), "...") > 1)
      return invalid("'{}' has ... twice", p.name);
    ports.push_back(std::move(p));
  }
  return ports;
}

class Specialiser {
 public:
  Specialiser(CustomUse& use, std::span<const TensorType> operands)
      : use_(use), operands_(operands) {}

  Status run() {
    const std::string_view text = use_.definition.signature;
    const size_t arrow = text.find("->");
    if (arrow == text.npos) return invalid("expected (operands) -> (results)");
    const std::vector<PortText> in = LATHE_TRY(split_ports(text.substr(0, arrow))),
                                out = LATHE_TRY(split_ports(text.substr(arrow + 2)));
    if (in.size() != operands_.size())
      return invalid("it lists {} operands, the node has {}", in.size(), operands_.size());
    for (size_t k = 0; k < in.size(); ++k) LATHE_TRY(bind(in[k], operands_[k]));
    const std::string made = "(" + LATHE_TRY(ports(in)) + ") -> (" + LATHE_TRY(ports(out)) + ")";
    use_.signature = LATHE_TRY(Signature::parse(made));
    return {};
  }

 private:
  // What the node's operand says of type variables and of the number of sizes behind "...".
  Status bind(const PortText& p, const TensorType& type) {
    if (p.has_rest()) {
      const int rest = type.rank() - static_cast<int>(p.sizes.size()) + 1;
      if (rest < 0 || (rest_ >= 0 && rest != rest_))
        return invalid("operand '{}' is {}, which does not fit", p.name, type.to_string());
      rest_ = rest;
    }
    const auto& variables = use_.definition.types;
    const auto variable = std::find_if(variables.begin(), variables.end(),
                                       [&](const auto& v) { return v.first == p.type; });
    if (variable == variables.end()) return {};
    const std::string have(to_string(type.dtype));
    const auto& allowed = variable->second;
    if (std::find(allowed.begin(), allowed.end(), have) == allowed.end())
      return invalid("operand '{}' is {}, expected {}", p.name, type.to_string(),
                     fmt::join(allowed, " or "));
    const auto [known, fresh] = use_.types.emplace(p.type, have);
    if (!fresh && known->second != have)
      return invalid("operand '{}' is {}, and {} is {} already", p.name, type.to_string(), p.type,
                     known->second);
    use_.type_port.emplace(p.type, p.name);
    return {};
  }

  Result<std::string> ports(const std::vector<PortText>& all) const {
    std::vector<std::string> texts;
    for (const PortText& p : all) {
      std::vector<std::string> sizes;
      for (std::string_view s : p.sizes) {
        if (s != "...") {
          sizes.push_back(LATHE_TRY(use_.sizes(s)));
          continue;
        }
        if (rest_ < 0) return invalid("'{}' has ..., and no operand has", p.name);
        for (int k = 0; k < rest_; ++k) sizes.push_back(fmt::format("rest{}", k));
      }
      const auto known = use_.types.find(p.type);
      texts.push_back(fmt::format("{}: {}[{}]", p.name,
                                  known == use_.types.end() ? p.type : known->second,
                                  fmt::join(sizes, ",")));
    }
    return fmt::format("{}", fmt::join(texts, ", "));
  }

  CustomUse& use_;
  std::span<const TensorType> operands_;
  int rest_ = -1;  // sizes behind "..."; -1: nobody said
};

std::string float_text(double v) {
  std::string text = fmt::format("{}", v);
  if (text.find_first_of(".en") == text.npos) text += ".0";
  return text;
}

struct ConstantText {
  std::string_view name;
  template <class T>
  Result<std::string> list(std::string_view type, const std::vector<T>& v) const {
    std::string text = fmt::format("constexpr i64 {}_count = {}; ", name, v.size());
    if (v.empty()) return text;
    return text +
           fmt::format("__device__ constexpr {} {}[] = {{{}}}; ", type, name, fmt::join(v, ", "));
  }
  Result<std::string> operator()(int64_t v) const {
    return fmt::format("constexpr i64 {} = {}; ", name, v);
  }
  Result<std::string> operator()(double v) const {
    if (!std::isfinite(v)) return unsupported("attribute '{}' is {} in a CUDA kernel", name, v);
    return fmt::format("constexpr double {} = {}; ", name, float_text(v));
  }
  Result<std::string> operator()(const std::string&) const {
    return unsupported("attribute '{}' is text, which CUDA kernels do not get", name);
  }
  Result<std::string> operator()(const std::vector<int64_t>& v) const { return list("i64", v); }
  Result<std::string> operator()(const std::vector<double>& v) const { return list("double", v); }
};

// "@alpha" as a literal of an expression.
Result<std::optional<std::string>> literal(std::string_view word, const Values& values) {
  const auto it = values.find(word.substr(1));
  if (it == values.end()) return invalid("'{}' is no attribute", word);
  if (const auto* i = std::get_if<int64_t>(&it->second)) return std::optional(std::to_string(*i));
  if (const auto* f = std::get_if<double>(&it->second)) return std::optional(float_text(*f));
  return invalid("attribute '{}' is no number", word.substr(1));
}

}  // namespace

Result<CustomUse> CustomUse::make(const CustomDefinition& definition,
                                  const AttributeMap& attributes,
                                  std::span<const TensorType> operands) {
  CustomUse use{definition, {}, {}, {}, {}};
  use.values = LATHE_TRY(values_of(definition, attributes));
  Status s = Specialiser(use, operands).run();
  if (!s.ok()) return std::move(s).at(fmt::format("signature {}", definition.signature));
  return use;
}

Result<std::string> CustomUse::expression() const {
  std::string inputs;
  for (const Signature::Port& p : signature.in)
    inputs += fmt::format("{}{}:{}", inputs.empty() ? "" : ", ", p.name, to_string(p.type.dtype));
  const std::string body = LATHE_TRY(replace_words(
      definition.expression, [&](std::string_view w) -> Result<std::optional<std::string>> {
        if (w.starts_with('@')) return literal(w, values);
        const auto it = types.find(w);
        return it == types.end() ? std::nullopt : std::optional(it->second);
      }));
  return "(" + inputs + ") -> " + body;
}

Result<std::string> CustomUse::sizes(std::string_view text) const {
  std::vector<std::string> out;
  for (std::string_view item : LATHE_TRY(split_top(text, ','))) {
    std::string expanded(item);
    for (const Signature::Port& p : signature.in) {
      const std::string call = fmt::format("count({})", p.name);
      for (size_t at; (at = expanded.find(call)) != expanded.npos;)
        expanded.replace(at, call.size(), "(" + p.type.shape.count().to_string() + ")");
    }
    DimMap numbers;
    for (const auto& [name, value] : values) {
      if (const auto* i = std::get_if<int64_t>(&value)) numbers.emplace(name, Dim(*i));
    }
    out.push_back(LATHE_TRY(Dim::parse(expanded)).substitute(numbers).to_string());
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

Result<std::string> CustomUse::launch_sizes(std::string_view what,
                                            const std::vector<std::string>& texts) const {
  const std::vector<std::string> bound = signature.symbols();
  Result<std::string> text = sizes(fmt::format("{}", fmt::join(texts, ", ")));
  if (!text.ok()) return std::move(text).status().at(what);
  for (std::string_view item : LATHE_TRY(split_top(*text, ','))) {
    std::set<std::string> used;
    LATHE_TRY(Dim::parse(item)).collect_symbols(used);
    for (const std::string& symbol : used) {
      if (std::find(bound.begin(), bound.end(), symbol) == bound.end())
        return invalid("{}: {} is neither a size of an operand nor an attribute", what, symbol);
    }
  }
  return text;
}

Result<std::string> CustomUse::kernel_source() const {
  std::string text;
  for (const auto& [variable, port] : type_port)
    text += fmt::format("typedef {}_t {}; ", port, variable);
  for (const auto& [name, value] : values) {
    if (!std::holds_alternative<std::string>(value))
      text += LATHE_TRY(std::visit(ConstantText{name}, value));
  }
  // The compiler's messages count the user's lines.
  return text + fmt::format("\n#line 1 \"{}\"\n", definition.name) + definition.cuda->source + "\n";
}

Result<CustomValue> custom_value(std::string_view name, const OnnxAttribute& a, size_t kind) {
  constexpr const char* kNames[] = {"an integer", "a float", "a string", "integers", "floats"};
  const bool empty = std::holds_alternative<std::monostate>(a);
  if (const auto* i = std::get_if<int64_t>(&a); i != nullptr && kind == 0) return CustomValue(*i);
  if (const auto* f = std::get_if<double>(&a); f != nullptr && kind == 1) return CustomValue(*f);
  if (const auto* s = std::get_if<std::string>(&a); s != nullptr && kind == 2)
    return CustomValue(*s);
  if (const auto* i = std::get_if<Ints>(&a); kind == 3 && (i != nullptr || empty))
    return CustomValue(empty ? Ints() : *i);
  if (const auto* f = std::get_if<Floats>(&a); kind == 4 && (f != nullptr || empty))
    return CustomValue(empty ? Floats() : *f);
  return invalid("attribute '{}' must be {}", printable(name), kNames[kind]);
}

}  // namespace lathe
