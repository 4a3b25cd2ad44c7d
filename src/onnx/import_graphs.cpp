// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_graphs.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/budget.h"
#include "graph/rewriter.h"
#include "onnx/import_state.h"
#include "onnx/lowering.h"
#include "onnx/names.h"
#include "ops/control_flow.h"

namespace lathe {

Result<const DraftGraph*> NodeGraphs::find(const NodeImport& n, std::string_view attribute,
                                           size_t inputs, size_t results) const {
  n.without_effect({attribute});  // no other way reads it
  const auto it = std::ranges::find(node_.graphs, attribute, &DraftGraph::name);
  if (it == node_.graphs.end()) return invalid("{}: the graph is missing", attribute);
  if (it->inputs.size() != inputs)
    return invalid("{}: {} inputs, expected {}", attribute, it->inputs.size(), inputs);
  if (it->results.size() == results) return &*it;
  return invalid("{}: {} outputs, expected {}", attribute, it->results.size(), results);
}

const RankClaim& NodeGraphs::claim(const DraftGraph& graph, size_t input) const {
  return draft_.value(graph.inputs[input]).claim;
}

std::string NodeGraphs::symbols() {
  std::string stem = node_.type;
  for (char& c : stem) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string name;
  do {
    name = fmt::format("{}{}", stem, ++state_.named_nodes);
  } while (draft_.symbols.has_beginning(name + "."));
  return name;
}

Result<std::vector<Value*>> NodeGraphs::in_place(const DraftGraph& graph) {
  const auto run = [&]() -> Result<std::vector<Value*>> {
    for (int n : graph.nodes) LATHE_TRY(lowering_.run(draft_, n));
    std::vector<Value*> results;
    for (int v : graph.results) results.push_back(LATHE_TRY(lowering_.value(draft_, v)));
    return results;
  };
  Result<std::vector<Value*>> results = run();
  if (results.ok()) return results;
  return std::move(results).status().at(graph.name);
}

Status NodeGraphs::find_captures() {
  if (captures_) return {};
  captures_.emplace();
  for (size_t k = node_.own_operands; k < node_.operands.size(); ++k) {
    const int v = node_.operands[k];
    // Constants of the file are made where they are read.
    if (v < 0 || draft_.value(v).kind == DraftValue::Kind::Constant) continue;
    Value* outer = LATHE_TRY(lowering_.value(draft_, v));
    Capture capture{v, outer};
    const HostTensor* constant = capture.outer->constant();
    capture.tensor = constant ? std::optional(*constant) : fold_value(capture.outer);
    capture.dims = !capture.tensor && capture.outer->contents &&
                   capture.outer->type.shape.is_concrete() &&
                   capture.outer->type.layout == Layout::RowMajor;
    captures_->push_back(std::move(capture));
  }
  return {};
}

Status NodeGraphs::add_inputs(const DraftGraph& graph, std::span<const RegionInput> inputs) {
  Graph& region = lowering_.graph();
  for (size_t k = 0; k < inputs.size(); ++k) {
    const int v = graph.inputs[k];
    const std::string name = region.unique_name(printable(draft_.value(v).name));
    Value* value = region.add_input(name, inputs[k].type);
    value->contents = inputs[k].contents;
    if (inputs[k].value) value = LATHE_TRY(state_.constant(*inputs[k].value, ""));
    LATHE_TRY(lowering_.define(draft_, v, value));
  }
  return {};
}

Status NodeGraphs::add_captures() {
  Graph& region = lowering_.graph();
  for (const Capture& c : *captures_) {
    const std::string name = region.unique_name(c.outer->name);
    Value* value = nullptr;
    if (c.tensor) {
      value = LATHE_TRY(state_.constant(*c.tensor, name));
      region.rename(value, name);
    } else if (c.dims) {
      Attrs attrs;
      attrs.set("values", Dims(*c.outer->contents)).set("dtype", c.outer->type.dtype);
      attrs.set("shape", Ints(c.outer->type.shape.sizes()));
      value = LATHE_TRY(state_.append("Dims", {}, std::move(attrs), ""))->out();
      region.rename(value, name);
    } else {
      value = region.add_input(name, c.outer->type);
    }
    LATHE_TRY(lowering_.define(draft_, c.v, value));
  }
  return {};
}

namespace {

bool mentions(const Contents& contents, const std::string& symbol) {
  std::set<std::string> names;
  for (const Dim& d : contents) d.collect_symbols(names);
  return names.contains(symbol);
}

// What was known of the number of an iteration: the graph computes with the tensor.
void forget_contents(Graph& region, const std::string& symbol) {
  const auto forget = [&](Value* v) {
    if (v->contents && mentions(*v->contents, symbol)) v->contents.reset();
  };
  for (const GraphPort& port : region.inputs) forget(port.value);
  for (Node* n : region.nodes()) {
    if (!n->is("Dims")) std::ranges::for_each(n->outputs, forget);
  }
}

std::string unique_port(const Graph& region, std::string name) {
  const auto taken = [&](const std::string& n) {
    return std::ranges::any_of(region.outputs, [&](const GraphPort& p) { return p.name == n; });
  };
  const std::string stem = name;
  for (int k = 2; taken(name); ++k) name = fmt::format("{}_{}", stem, k);
  return name;
}

}  // namespace

Status NodeGraphs::fill(const DraftGraph& graph, std::span<const RegionInput> inputs) {
  Graph& region = lowering_.graph();
  region.name = graph.name;
  LATHE_TRY(add_inputs(graph, inputs));
  LATHE_TRY(add_captures());
  for (int n : graph.nodes) LATHE_TRY(lowering_.run(draft_, n));
  for (int v : graph.results) {
    Value* value = LATHE_TRY(lowering_.value(draft_, v));
    region.add_output(unique_port(region, printable(draft_.value(v).name)), value);
  }
  Rewriter(region).erase_dead();
  for (const RegionInput& input : inputs) {
    if (input.contents) forget_contents(region, (*input.contents)[0].to_string());
  }
  return {};
}

Result<std::unique_ptr<Graph>> NodeGraphs::region(const DraftGraph& graph,
                                                  std::span<const RegionInput> inputs) {
  LATHE_TRY(find_captures());
  Lowering::Around around = lowering_.open_region();
  Status filled = fill(graph, inputs);
  auto region = std::make_unique<Graph>(lowering_.close_region(std::move(around)));
  if (!filled.ok()) return std::move(filled).at(graph.name);
  return region;
}

Result<std::unique_ptr<Graph>> NodeGraphs::body(const DraftGraph& graph,
                                                std::vector<RegionInput>& inputs, Round round,
                                                std::string_view symbols) {
  for (;;) {
    LATHE_TRY(state_.budget.charge_nodes(static_cast<int64_t>(inputs.size())));
    std::unique_ptr<Graph> made = LATHE_TRY(region(graph, inputs));
    const RegionType type = region_type(*made);
    bool changed = false;
    for (size_t k = 0; k < round.count; ++k) {
      TensorType& in = inputs[round.input + k].type;
      const TensorType& out = type.out[round.result + k];
      if (in.dtype != out.dtype || in.rank() != out.rank()) {
        return invalid(
            "{}: the value '{}' is {} at first, and the body makes {} of it: element type "
            "and rank must stay",
            graph.name, printable(draft_.value(graph.inputs[round.input + k]).name), in.to_string(),
            out.to_string());
      }
      for (int d = 0; d < in.rank(); ++d) {
        const Dim widened = carried_size(symbols, round.input + k, d);
        if (in.shape[d] == widened || in.shape[d] == out.shape[d]) continue;
        in.shape[d] = widened;
        changed = true;
      }
    }
    if (!changed) return made;
  }
}

Result<std::unique_ptr<Graph>> NodeGraphs::around(std::string_view op,
                                                  std::span<const TensorType> inputs, Attrs attrs,
                                                  std::vector<std::unique_ptr<Graph>> regions) {
  Lowering::Around outside = lowering_.open_region();
  const auto make = [&]() -> Status {
    Graph& region = lowering_.graph();
    region.name = "around";
    std::vector<Value*> operands;
    for (const TensorType& type : inputs)
      operands.push_back(region.add_input(region.unique_name("in"), type));
    for (const Capture& c : *captures_) {
      if (c.is_input())
        operands.push_back(region.add_input(region.unique_name(c.outer->name), c.outer->type));
    }
    Node* node = LATHE_TRY(state_.append(op, std::move(operands), std::move(attrs),
                                         printable(node_.name), std::move(regions)));
    Rewriter(region).erase_unread_captures(node);
    for (Value* v : node->outputs) region.add_output(unique_port(region, "out"), v);
    return {};
  };
  Status made = make();
  auto region = std::make_unique<Graph>(lowering_.close_region(std::move(outside)));
  if (!made.ok()) return made;
  return region;
}

Result<Node*> NodeGraphs::add(std::string_view op, std::vector<Value*> operands, Attrs attrs,
                              std::vector<std::unique_ptr<Graph>> regions) {
  for (const Capture& c : *captures_) {
    if (c.is_input()) operands.push_back(c.outer);
  }
  Node* node = LATHE_TRY(state_.append(op, std::move(operands), std::move(attrs),
                                       printable(node_.name), std::move(regions)));
  Rewriter(state_.graph).erase_unread_captures(node);
  return node;
}

}  // namespace lathe
