// SPDX-License-Identifier: Apache-2.0
// Nodes that the user defined (--op, --plugin). A definition without a kernel becomes the operators
// that it is made of; one with a kernel, or with a plugin behind it, becomes a Custom node.
#include "custom/operators.h"
#include "onnx/composition.h"
#include "onnx/custom_use.h"
#include "onnx/function_table.h"
#include "onnx/names.h"
#include "onnx/node_lowering.h"
#include "ops/plugin_problem.h"
#include "ops/program.h"

namespace lathe {
namespace {

std::vector<TensorType> types_of(const std::vector<Value*>& values) {
  std::vector<TensorType> types;
  types.reserve(values.size());
  for (const Value* v : values) types.push_back(v == nullptr ? TensorType() : v->type);
  return types;
}

// A result as the signature promises it; sizes that cannot be compared are checked when they are
// known.
Status check_result(const Signature::Port& port, const TensorType& want, const TensorType& have,
                    Graph& graph) {
  const auto refuse = [&] {
    return invalid("the twin's result '{}' is {}, the signature says {}", port.name,
                   have.to_string(), want.to_string());
  };
  if (have.dtype != want.dtype || have.rank() != want.rank()) return refuse();
  for (int d = 0; d < want.rank(); ++d) {
    if (have.shape[d] == want.shape[d]) continue;
    if ((have.shape[d] - want.shape[d]).is_constant()) return refuse();
    graph.add_constraint({Constraint::Kind::Equal, have.shape[d], want.shape[d],
                          fmt::format("result {}, dimension {}", port.name, d)});
  }
  return {};
}

Status check_results(const Signature& signature, const DimMap& sizes,
                     const std::vector<Value*>& results, Graph& graph) {
  if (results.size() != signature.out.size())
    return invalid("the twin has {} results, the signature {}", results.size(),
                   signature.out.size());
  const std::vector<TensorType> want = signature.results(sizes);
  for (size_t k = 0; k < want.size(); ++k) {
    const Signature::Port& port = signature.out[k];
    if (results[k] == nullptr) return invalid("the twin never makes '{}'", port.name);
    LATHE_TRY(check_result(port, want[k], results[k]->type, graph));
  }
  return {};
}

// The graph's nodes as the lines of a program whose operands are the graph's inputs.
Program program_of(const Graph& graph, const std::vector<Value*>& results) {
  Program p;
  std::map<const Value*, int> numbers;
  for (const GraphPort& in : graph.inputs) numbers[in.value] = p.operands++;
  int next = p.operands;
  for (const Node* node : graph.nodes()) {
    Program::Line line{node->op.def, node->op.attrs, {}, {}};
    for (const Value* v : node->operands) line.in.push_back(v == nullptr ? -1 : numbers.at(v));
    for (const Value* v : node->outputs) line.out.push_back(numbers[v] = next++);
    p.lines.push_back(std::move(line));
  }
  for (const Value* v : results) p.results.push_back(numbers.at(v));
  return p;
}

}  // namespace

// The composition's nodes in the graph under construction, one after another.
Result<std::vector<Value*>> NodeLowering::run_composition(const CustomUse& use,
                                                          const DraftNode& node,
                                                          const Values& operands) {
  if (depth_ >= kMaxCallDepth) return invalid("definitions are nested too deep");
  const std::vector<CompositionNode> body = LATHE_TRY(parse_composition(use));
  std::map<std::string, Value*, std::less<>> values;
  for (size_t k = 0; k < operands.size(); ++k) values[use.signature.in[k].name] = operands[k];
  const int64_t opset = use.definition.opset > 0 ? use.definition.opset : node.onnx_opset;
  const auto run_line = [&](const CompositionNode& line) -> Status {
    Values in;
    for (const std::string& name : line.operands) {
      const auto known = values.find(name);
      if (!name.empty() && known == values.end())
        return invalid("the value '{}' is not defined before it is read", name);
      in.push_back(name.empty() ? nullptr : known->second);
    }
    while (!in.empty() && in.back() == nullptr) in.pop_back();
    DraftNode inner;
    inner.type = line.type;
    inner.domain = line.domain;
    inner.opset = inner.onnx_opset = opset;
    inner.name = line.results.front();
    inner.attributes = line.attributes;
    Result<Values> out = run(inner, std::move(in), std::vector<bool>(line.results.size(), true));
    if (!out.ok()) {
      Status s = std::move(out).status();
      return s.message().starts_with("node '") ? s : std::move(s).at(inner.where());
    }
    for (size_t k = 0; k < line.results.size(); ++k) {
      if (k >= out->size() || (*out)[k] == nullptr)
        return unsupported("output {} is not implemented", k).at(inner.where());
      if (!values.emplace(line.results[k], (*out)[k]).second)
        return invalid("the value '{}' is defined twice", line.results[k]);
    }
    return {};
  };
  ++depth_;
  Status s;
  for (size_t k = 0; k < body.size() && s.ok(); ++k) {
    s = run_line(body[k]);
    if (!s.ok()) s = std::move(s).at(fmt::format("composition, line {}", k + 1));
  }
  --depth_;
  LATHE_TRY(std::move(s));
  Values results;
  for (const Signature::Port& p : use.signature.out) {
    const auto known = values.find(p.name);
    results.push_back(known == values.end() ? nullptr : known->second);
  }
  return results;
}

// The twin's nodes in the graph under construction.
Result<std::vector<Value*>> NodeLowering::run_twin(const CustomUse& use, const DraftNode& node,
                                                   const Values& operands) {
  if (!use.definition.expression.empty()) {
    Expr expr = LATHE_TRY(Expr::parse(LATHE_TRY(use.expression())));
    Node* n = LATHE_TRY(state_.append("Pointwise", operands, Attrs().set("expr", std::move(expr)),
                                      printable(node.name)));
    return n->outputs;
  }
  return run_composition(use, node, operands);
}

// The twin's nodes in a graph of their own, as text over the signature's symbols. What they demand
// of sizes is demanded of the operands'.
Result<std::string> NodeLowering::twin_text(const CustomUse& use, const DraftNode& node,
                                            const DimMap& sizes) {
  Graph outer = std::exchange(state_.graph, Graph());
  const bool was_inside = std::exchange(inside_twin_, true);
  auto make = [&]() -> Result<std::string> {
    Values operands;
    for (const Signature::Port& p : use.signature.in)
      operands.push_back(state_.graph.add_input(p.name, p.type));
    const Values results = LATHE_TRY(run_twin(use, node, operands));
    DimMap same;
    for (const std::string& s : use.signature.symbols()) same.emplace(s, Dim::symbol(s));
    LATHE_TRY(check_results(use.signature, same, results, state_.graph));
    return program_of(state_.graph, results).to_string();
  };
  Result<std::string> text = make();
  const std::vector<Constraint> demanded = state_.graph.constraints;
  state_.graph = std::move(outer);
  inside_twin_ = was_inside;
  for (Constraint c : demanded) {
    c.a = c.a.substitute(sizes);
    c.b = c.b.substitute(sizes);
    state_.graph.add_constraint(std::move(c));
  }
  return text;
}

Result<std::vector<Value*>> NodeLowering::run_definition(const CustomDefinition& definition,
                                                         const DraftNode& node,
                                                         const Values& operands) {
  const std::vector<TensorType> types = types_of(operands);
  const CustomUse use = LATHE_TRY(CustomUse::make(definition, node.attributes, types));
  std::vector<Signature::Equality> equal;
  const DimMap sizes = LATHE_TRY(use.signature.match(types, &equal));
  if (!definition.cuda || inside_twin_) {
    for (Signature::Equality& e : equal) {
      if ((e.have - e.want).is_constant())
        return invalid("{} is {}, expected {}", e.what, e.have.to_string(), e.want.to_string());
      state_.graph.add_constraint({Constraint::Kind::Equal, e.have, e.want, e.what});
    }
    Values results = LATHE_TRY(run_twin(use, node, operands));
    LATHE_TRY(check_results(use.signature, sizes, results, state_.graph));
    return results;
  }
  const CustomKernel& kernel = *definition.cuda;
  Attrs attrs;
  attrs.set("name", definition.name).set("signature", use.signature.to_string());
  attrs.set("twin", LATHE_TRY(twin_text(use, node, sizes)));
  attrs.set("cuda", LATHE_TRY(use.kernel_source())).set("kernel", kernel.function);
  attrs.set("grid", LATHE_TRY(use.launch_sizes("grid", kernel.grid)));
  attrs.set("block", LATHE_TRY(use.launch_sizes("block", kernel.block)));
  attrs.set("shared", LATHE_TRY(use.launch_sizes("shared", {kernel.shared})));
  attrs.set("arguments", LATHE_TRY(use.launch_sizes("arguments", kernel.arguments)));
  attrs.set("tolerance", definition.tolerance);
  Node* n = LATHE_TRY(state_.append("Custom", operands, std::move(attrs), printable(node.name)));
  return n->outputs;
}

Result<std::vector<Value*>> NodeLowering::run_plugin(const PluginOperator& plugin,
                                                     const DraftNode& node,
                                                     const Values& operands) {
  if (inside_twin_) return unsupported("a twin is made of operators without plugins");
  for (const Value* v : operands) {
    if (v == nullptr) return unsupported("operands of plugins cannot be left out");
  }
  Attrs fields;
  const std::vector<AttrDef> schema = fields_of(*plugin.op);
  for (const auto& [name, value] : node.attributes) {
    const auto field = std::ranges::find(schema, name, &AttrDef::name);
    if (field == schema.end())
      return invalid("plugin {} has no field '{}' there", plugin.library->identity(),
                     printable(name));
    const auto kind = static_cast<size_t>(plugin.op->fields[field - schema.begin()].kind);
    std::visit([&](auto&& v) { fields.set(field->name, AttrValue(v)); },
               LATHE_TRY(custom_value(name, *value, kind)));
  }
  fields = LATHE_TRY(complete_fields(*plugin.op, std::move(fields)));
  Attrs attrs;
  attrs.set("name", std::string(plugin.op->name));
  attrs.set("signature", LATHE_TRY(plugin_signature(plugin, fields, types_of(operands))));
  attrs.set("plugin", plugin.library->identity()).set("fields", fields.to_string());
  if (plugin.op->tolerance > 0) attrs.set("tolerance", plugin.op->tolerance);
  Node* n = LATHE_TRY(state_.append("Custom", operands, std::move(attrs), printable(node.name)));
  return n->outputs;
}

Result<std::vector<Value*>> NodeLowering::run_custom(const DraftNode& node,
                                                     const Values& operands) {
  const std::string name = custom_name(node.domain, node.type);
  if (const CustomDefinition* definition = custom_->definition(name))
    return run_definition(*definition, node, operands);
  return run_plugin(*custom_->plugin(name), node, operands);
}

}  // namespace lathe
