// SPDX-License-Identifier: Apache-2.0
#include "onnx/composition.h"

#include <algorithm>
#include <charconv>

#include "custom/names.h"
#include "onnx/function_table.h"
#include "ops/text.h"

namespace lathe {
namespace {

// 3, 0.5, 1e-6, inf.
Result<CustomValue> parse_number(std::string_view text) {
  const char *begin = text.data(), *end = begin + text.size();
  int64_t i = 0;
  if (auto r = std::from_chars(begin, end, i); r.ec == std::errc() && r.ptr == end)
    return CustomValue(i);
  double f = 0;
  if (auto r = std::from_chars(begin, end, f); r.ec == std::errc() && r.ptr == end)
    return CustomValue(f);
  return invalid("'{}' is neither a number, quoted text, a list of numbers nor @name",
                 text.substr(0, 40));
}

Result<CustomValue> parse_value(std::string_view text) {
  if (text.starts_with('"')) return CustomValue(LATHE_TRY(unquoted(text)));
  if (!text.starts_with('[') || !text.ends_with(']')) return parse_number(text);
  std::vector<int64_t> ints;
  std::vector<double> floats;
  for (std::string_view item : LATHE_TRY(split_top(text.substr(1, text.size() - 2), ','))) {
    const CustomValue v = LATHE_TRY(parse_number(item));
    const auto* i = std::get_if<int64_t>(&v);
    if (i != nullptr) ints.push_back(*i);
    floats.push_back(i != nullptr ? static_cast<double>(*i) : std::get<double>(v));
  }
  if (ints.size() == floats.size()) return CustomValue(std::move(ints));
  return CustomValue(std::move(floats));
}

Status set_attribute(std::string_view name, const CustomValue& value, CompositionNode& node) {
  auto attribute =
      std::visit([](const auto& v) { return std::make_shared<const OnnxAttribute>(v); }, value);
  if (node.attributes.emplace(std::string(name), std::move(attribute)).second) return {};
  return invalid("attribute '{}' is given twice", name);
}

Status parse_attribute(std::string_view item, const CustomUse& use, CompositionNode& node) {
  const size_t equals = item.find('=');
  const std::string_view name = trimmed(item.substr(0, equals));
  if (equals == item.npos || !is_identifier(name))
    return invalid("'{}' is not name=value", item.substr(0, 40));
  const std::string_view value = trimmed(item.substr(equals + 1));
  if (!value.starts_with('@')) {
    return set_attribute(name, LATHE_TRY(parse_value(value)), node);
  }
  const auto it = use.values.find(value.substr(1));
  if (it == use.values.end()) return invalid("'{}' is no attribute", value);
  return set_attribute(name, it->second, node);
}

// The first character outside quotes that is one of `stops`.
size_t find_outside(std::string_view text, std::string_view stops) {
  bool in_quotes = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_quotes && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_quotes = !in_quotes;
    } else if (!in_quotes && stops.find(text[i]) != stops.npos) {
      return i;
    }
  }
  return text.npos;
}

Status parse_line(std::string_view line, const CustomUse& use, CompositionNode& node) {
  const size_t equals = line.find('=');
  if (equals == line.npos) return invalid("expected y = Op{{attributes}}(operands)");
  for (std::string_view name : LATHE_TRY(split_top(line.substr(0, equals), ','))) {
    if (!is_identifier(name)) return invalid("'{}' is no name", name.substr(0, 40));
    node.results.emplace_back(name);
  }
  std::string_view call = trimmed(line.substr(equals + 1));
  const size_t head = find_outside(call, "{(");
  if (head == call.npos || node.results.empty())
    return invalid("expected y = Op{{attributes}}(operands)");
  const std::string_view op = trimmed(call.substr(0, head));
  const size_t domain = op.rfind("::");
  node.type = domain == op.npos ? op : op.substr(domain + 2);
  if (domain != op.npos) node.domain = canonical_domain(op.substr(0, domain));
  call.remove_prefix(head);
  if (call.front() == '{') {
    const size_t close = find_outside(call, "}");
    if (close == call.npos) return invalid("'}}' is missing");
    for (std::string_view item : LATHE_TRY(split_top(call.substr(1, close - 1), ',')))
      LATHE_TRY(parse_attribute(item, use, node));
    call = trimmed(call.substr(close + 1));
  }
  if (call.size() < 2 || call.front() != '(' || call.back() != ')')
    return invalid("expected (operands)");
  for (std::string_view name : LATHE_TRY(split_top(call.substr(1, call.size() - 2), ','))) {
    if (!name.empty() && !is_identifier(name))
      return invalid("'{}' is no name", name.substr(0, 40));
    node.operands.emplace_back(name);
  }
  return {};
}

}  // namespace

Result<std::vector<CompositionNode>> parse_composition(const CustomUse& use) {
  std::vector<CompositionNode> nodes(use.definition.composition.size());
  for (size_t k = 0; k < nodes.size(); ++k) {
    Status s = parse_line(use.definition.composition[k], use, nodes[k]);
    if (!s.ok()) return std::move(s).at(fmt::format("composition, line {}", k + 1));
  }
  return nodes;
}

}  // namespace lathe
