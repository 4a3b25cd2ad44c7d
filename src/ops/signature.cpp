// SPDX-License-Identifier: Apache-2.0
#include "ops/signature.h"

#include <algorithm>
#include <set>

#include "custom/names.h"
#include "ops/text.h"

namespace lathe {
namespace {

constexpr size_t kMaxPorts = 64;

// "(x: f32[N], ...)" to ports.
Result<std::vector<Signature::Port>> parse_ports(std::string_view text) {
  text = trimmed(text);
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') {
    return invalid("'{}' is no list (x: f32[N,C], ...)", text.substr(0, 60));
  }
  std::vector<Signature::Port> ports;
  for (std::string_view item : LATHE_TRY(split_top(text.substr(1, text.size() - 2), ','))) {
    const size_t colon = item.find(':');
    const std::string_view name = trimmed(item.substr(0, colon));
    if (colon == item.npos || !is_identifier(name)) {
      return invalid("'{}' is not name: type", item.substr(0, 60));
    }
    const TensorType type = LATHE_TRY(TensorType::parse(trimmed(item.substr(colon + 1))));
    if (type.absent() || !is_computable(type.dtype) || type.layout != Layout::RowMajor) {
      return invalid("'{}' must be a row-major tensor of numbers or bool, not {}", name,
                     type.to_string());
    }
    ports.push_back({std::string(name), type});
  }
  if (ports.empty() || ports.size() > kMaxPorts) {
    return invalid("it lists {} tensors, expected 1 to {}", ports.size(), kMaxPorts);
  }
  return ports;
}

Status check_bound(const Signature& s) {
  const std::vector<std::string> bound = s.symbols();
  std::set<std::string> names;
  for (const auto* ports : {&s.in, &s.out}) {
    for (const Signature::Port& p : *ports) {
      if (!names.insert(p.name).second) return invalid("two tensors are named '{}'", p.name);
      std::set<std::string> used;
      for (const Dim& d : p.type.shape) d.collect_symbols(used);
      for (const std::string& u : used) {
        if (std::find(bound.begin(), bound.end(), u) == bound.end())
          return invalid("'{}': symbol {} is no size of an operand", p.name, u);
      }
    }
  }
  return {};
}

}  // namespace

Result<Signature> Signature::parse(std::string_view text) {
  const size_t arrow = text.find("->");
  auto parse_all = [&]() -> Result<Signature> {
    if (arrow == text.npos) return invalid("expected (operands) -> (results)");
    Signature s;
    s.in = LATHE_TRY(parse_ports(text.substr(0, arrow)));
    s.out = LATHE_TRY(parse_ports(text.substr(arrow + 2)));
    LATHE_TRY(check_bound(s));
    return s;
  };
  Result<Signature> s = parse_all();
  if (!s.ok()) return std::move(s).status().at("signature");
  return s;
}

std::string Signature::to_string() const {
  const auto list = [](const std::vector<Port>& ports) {
    std::string text;
    for (const Port& p : ports)
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", p.name, p.type.to_string());
    return "(" + text + ")";
  };
  return list(in) + " -> " + list(out);
}

std::vector<std::string> Signature::symbols() const {
  std::vector<std::string> found;
  for (const Port& p : in) {
    for (const Dim& d : p.type.shape) {
      if (!d.is_symbol()) continue;
      const std::string name = d.to_string();
      if (std::find(found.begin(), found.end(), name) == found.end()) found.push_back(name);
    }
  }
  return found;
}

Result<DimMap> Signature::match(std::span<const TensorType> operands,
                                std::vector<Equality>* equal) const {
  if (operands.size() != in.size()) {
    return invalid("it has {} operands, its signature {}", operands.size(), in.size());
  }
  DimMap values;
  for (size_t k = 0; k < in.size(); ++k) {
    const TensorType &want = in[k].type, &have = operands[k];
    if (have.dtype != want.dtype || have.rank() != want.rank()) {
      return invalid("operand '{}' is {}, its signature says {}", in[k].name, have.to_string(),
                     want.to_string());
    }
    for (int d = 0; d < want.rank(); ++d) {
      if (want.shape[d].is_symbol()) values.emplace(want.shape[d].to_string(), have.shape[d]);
    }
  }
  for (size_t k = 0; k < in.size(); ++k) {
    for (int d = 0; d < in[k].type.rank(); ++d) {
      const Dim want = in[k].type.shape[d].substitute(values);
      const Dim& have = operands[k].shape[d];
      if (!(have == want))
        equal->push_back({have, want, fmt::format("operand {}, dimension {}", in[k].name, d)});
    }
  }
  return values;
}

std::vector<TensorType> Signature::results(const DimMap& values) const {
  std::vector<TensorType> types;
  for (const Port& p : out) {
    TensorType t = p.type;
    for (int d = 0; d < t.rank(); ++d) t.shape[d] = t.shape[d].substitute(values);
    types.push_back(std::move(t));
  }
  return types;
}

}  // namespace lathe
