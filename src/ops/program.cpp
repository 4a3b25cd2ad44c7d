// SPDX-License-Identifier: Apache-2.0
#include "ops/program.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "ops/text.h"

namespace lathe {
namespace {

constexpr size_t kMaxLines = 4096;

Result<int> parse_value(std::string_view text) {
  int number = -1;
  if (text == "_") return number;
  const char* end = text.data() + text.size();
  if (!text.starts_with('%')) return invalid("'{}' is no value", text.substr(0, 40));
  const auto r = std::from_chars(text.data() + 1, end, number);
  if (r.ec != std::errc() || r.ptr != end || number < 0)
    return invalid("'{}' is no value", text.substr(0, 40));
  return number;
}

Result<std::vector<int>> parse_values(std::string_view text) {
  std::vector<int> values;
  for (std::string_view item : LATHE_TRY(split_top(text, ',')))
    values.push_back(LATHE_TRY(parse_value(item)));
  return values;
}

// Where the operands' parenthesis opens: behind the name and the braces of the attributes, in which
// quotes may hold anything.
size_t find_operands(std::string_view text) {
  bool in_quotes = false;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_quotes) {
      if (c == '\\') ++i;
      in_quotes = c != '"';
      continue;
    }
    in_quotes = c == '"';
    if (c == '(' && depth == 0) return i;
    if (c == '{') ++depth;
    if (c == '}') --depth;
  }
  return text.npos;
}

Result<Program::Line> parse_line(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == text.npos) return invalid("'{}' is no line %n = Op(...)", text.substr(0, 60));
  Program::Line line;
  line.out = LATHE_TRY(parse_values(text.substr(0, equals)));
  const std::string_view call = trimmed(text.substr(equals + 1));
  const size_t open = find_operands(call);
  if (open == call.npos || call.back() != ')')
    return invalid("'{}' is no line %n = Op(...)", text.substr(0, 60));
  const std::string_view head = trimmed(call.substr(0, open));
  const size_t brace = std::min(head.find('{'), head.size());
  const std::string_view name = trimmed(head.substr(0, brace));
  line.def = find_op(name);
  if (line.def == nullptr || line.def->is("Custom"))
    return invalid("operator '{}' is unknown here", name.substr(0, 40));
  line.attrs = LATHE_TRY(Attrs::parse(head.substr(brace), line.def->attrs));
  line.in = LATHE_TRY(parse_values(call.substr(open + 1, call.size() - open - 2)));
  return line;
}

std::string value_text(int v) { return v < 0 ? "_" : fmt::format("%{}", v); }

std::string values_text(const std::vector<int>& values) {
  std::string text;
  for (const int v : values) text += (text.empty() ? "" : ", ") + value_text(v);
  return text;
}

Status check_wiring(const Program& p) {
  std::set<int> defined;
  for (int k = 0; k < p.operands; ++k) defined.insert(k);
  for (const Program::Line& line : p.lines) {
    for (const int v : line.in) {
      if (v >= 0 && !defined.contains(v)) return invalid("value %{} is read before it is made", v);
    }
    for (const int v : line.out) {
      if (v < 0 || !defined.insert(v).second) return invalid("value {} is made twice", v);
    }
  }
  for (const int v : p.results) {
    if (!defined.contains(v)) return invalid("result {} is never made", v);
  }
  return p.results.empty() ? invalid("it returns nothing") : Status();
}

Result<Program> parse_program(std::string_view text, int operands) {
  Program p;
  p.operands = operands;
  const std::vector<std::string_view> lines = LATHE_TRY(split_top(text, ';'));
  if (lines.empty() || lines.size() > kMaxLines) return invalid("it has {} lines", lines.size());
  for (size_t k = 0; k + 1 < lines.size(); ++k) p.lines.push_back(LATHE_TRY(parse_line(lines[k])));
  if (!lines.back().starts_with("return ")) return invalid("its last line is no return");
  p.results = LATHE_TRY(parse_values(lines.back().substr(7)));
  LATHE_TRY(check_wiring(p));
  return p;
}

}  // namespace

Result<Program> Program::parse(std::string_view text, int operands) {
  Result<Program> p = parse_program(text, operands);
  if (!p.ok()) return std::move(p).status().at("twin");
  return p;
}

std::string Program::to_string() const {
  std::string text;
  for (const Line& line : lines) {
    text += fmt::format("{} = {}{}({});\n", values_text(line.out), line.def->name,
                        line.attrs.to_string(), values_text(line.in));
  }
  return text + "return " + values_text(results);
}

Result<Attrs> with_dims(const Attrs& attrs, const std::function<Result<Dim>(const Dim&)>& replace) {
  Attrs out = attrs;
  for (const auto& [name, value] : attrs) {
    const Dims* dims = std::get_if<Dims>(&value);
    if (dims == nullptr) continue;
    Dims replaced;
    for (const Dim& d : *dims) replaced.push_back(LATHE_TRY(replace(d)));
    out.set(name, std::move(replaced));
  }
  return out;
}

Result<std::vector<HostTensor>> Program::run(std::span<const HostTensor> in,
                                             const Bindings& bindings) const {
  std::map<int, HostTensor> values;
  for (size_t k = 0; k < in.size(); ++k) values.emplace(static_cast<int>(k), in[k]);
  const auto number = [&](const Dim& d) -> Result<Dim> {
    return Dim(LATHE_TRY(d.evaluate(bindings)));
  };
  for (const Line& line : lines) {
    std::vector<HostTensor> operands_of_line;
    std::vector<TensorType> types;
    for (const int v : line.in) {
      operands_of_line.push_back(v < 0 ? HostTensor() : values.at(v));
      types.push_back(v < 0 ? TensorType() : operands_of_line.back().type());
    }
    Inferred made = LATHE_TRY(infer(*line.def, types, LATHE_TRY(with_dims(line.attrs, number))));
    for (const Constraint& c : made.constraints) LATHE_TRY(c.check(bindings));
    std::vector<HostTensor> out = LATHE_TRY(run_reference(made.op, operands_of_line));
    if (out.size() != line.out.size())
      return invalid("{} gives {} results", line.def->name, out.size());
    for (size_t k = 0; k < out.size(); ++k) values.emplace(line.out[k], std::move(out[k]));
  }
  std::vector<HostTensor> out;
  for (const int v : results) out.push_back(values.at(v));
  return out;
}

}  // namespace lathe
