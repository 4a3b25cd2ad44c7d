// SPDX-License-Identifier: Apache-2.0
// A graph as text (graph.h has the form).
#include <algorithm>

#include "graph/graph.h"
#include "graph/text_words.h"

namespace lathe {

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c < ' ' || c > '~') {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string quote_if_needed(std::string_view name) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), is_name_char);
  return plain ? std::string(name) : quote(name);
}

namespace {

constexpr size_t kTypeColumn = 64;  // where the comment with the types stands

struct Printer {
  std::string& out;
  bool full_tensors;

  void print(const Graph& graph, const std::string& indent);
  void print_node(const Node& node, const std::string& indent);
  void print_ports(const std::vector<GraphPort>& ports, bool with_types);
};

std::string reference(const Value* v) { return v ? "%" + quote_if_needed(v->name) : "_"; }

std::string print_constraint(const Constraint& c) {
  std::string line = "require ";
  for (auto [kind, word] : kConstraintWords) {
    if (kind == c.kind) line += word;
  }
  line += "(" + c.a.to_string();
  if (has_two_sides(c.kind)) line += ", " + c.b.to_string();
  return line + ") " + quote(c.message);
}

// "name=%value", or "%value" alone for an input whose value has its name.
void Printer::print_ports(const std::vector<GraphPort>& ports, bool with_types) {
  for (size_t k = 0; k < ports.size(); ++k) {
    const GraphPort& port = ports[k];
    if (k > 0) out += ", ";
    if (!with_types || port.name != port.value->name) out += quote_if_needed(port.name) + "=";
    out += reference(port.value);
    if (with_types) out += ": " + port.value->type.to_string();
  }
}

void Printer::print_node(const Node& node, const std::string& indent) {
  std::string line = indent, types;
  for (size_t k = 0; k < node.outputs.size(); ++k) {
    line += (k ? ", " : "") + reference(node.outputs[k]);
    types += (k ? ", " : "") + node.outputs[k]->type.to_string();
  }
  line += fmt::format(" = {}{}(", node.op.def->name, node.op.attrs.to_string(full_tensors));
  for (size_t k = 0; k < node.operands.size(); ++k) {
    line += (k ? ", " : "") + reference(node.operands[k]);
  }
  line += ")";
  if (!node.name.empty()) line += " " + quote(node.name);
  if (!node.regions.empty()) line += " {";
  if (line.size() < kTypeColumn) line.resize(kTypeColumn, ' ');
  out += line + "  # " + types + "\n";
  if (node.regions.empty()) return;
  for (const auto& region : node.regions) print(*region, indent + "  ");
  out += indent + "}\n";
}

void Printer::print(const Graph& graph, const std::string& indent) {
  out += indent + "graph " + quote_if_needed(graph.name) + "(";
  print_ports(graph.inputs, true);
  out += ") {\n";
  const std::string inner = indent + "  ";
  for (const Constraint& c : graph.constraints) out += inner + print_constraint(c) + "\n";
  for (const Node* node : graph.nodes()) print_node(*node, inner);
  out += inner + "return";
  if (!graph.outputs.empty()) out += " ";
  print_ports(graph.outputs, false);
  out += "\n" + indent + "}\n";
}

}  // namespace

std::string to_string(const Graph& graph, bool full_tensors) {
  std::string out;
  Printer{out, full_tensors}.print(graph, "");
  return out;
}

}  // namespace lathe
