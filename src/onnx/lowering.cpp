// SPDX-License-Identifier: Apache-2.0
#include "onnx/lowering.h"

#include <algorithm>

#include "graph/rewriter.h"
#include "onnx/import_graphs.h"
#include "onnx/import_state.h"
#include "onnx/names.h"
#include "onnx/node_lowering.h"

namespace lathe {
namespace {

bool is_made_up(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A file's claim about a value, checked against what was inferred.
Status check_claim(const RankClaim& claim, const Value& v) {
  if (claim.dtype != DType::None && claim.dtype != v.type.dtype) {
    return invalid("the model says that it is {}, and it is {}", to_string(claim.dtype),
                   v.type.to_string());
  }
  if (claim.rank >= 0 && claim.rank != v.type.rank()) {
    return invalid("the model says that its rank is {}, and it is {}", claim.rank,
                   v.type.to_string());
  }
  return {};
}

Result<TensorType> input_type(const DraftValue& input, const LoadOptions& options) {
  if (input.dtype == DType::None) {
    return invalid("the input '{}' has no element type", printable(input.name));
  }
  auto given = options.input_shapes.find(input.name);
  if (given == options.input_shapes.end()) {
    if (input.has_shape) return TensorType{input.dtype, input.shape};
    return invalid("the input '{}' has no shape", printable(input.name))
        .with_cure(fmt::format("give one: --shapes {}:...", printable(input.name)));
  }
  if (input.has_shape && input.shape.rank() != given->second.rank()) {
    return invalid("the input '{}' has rank {}, and the shape {} was given", printable(input.name),
                   input.shape.rank(), given->second.to_string());
  }
  return TensorType{input.dtype, given->second};
}

Result<Value*> fixed_input(ImportState& state, const DraftValue& input, const TensorType& type,
                           const HostTensor& value) {
  const std::string name = printable(input.name);
  if (value.dtype() != type.dtype || value.shape().rank() != type.rank()) {
    return invalid("the input '{}' is {}, and the value given for it is {}", name, type.to_string(),
                   value.type().to_string());
  }
  Value* v = LATHE_TRY(state.constant(value, name));
  state.graph.rename(v, name);
  return v;
}

}  // namespace

Lowering::Lowering(Budget& budget) : state_(std::make_unique<ImportState>(budget)) {}
Lowering::~Lowering() = default;
Lowering::Lowering(Lowering&&) noexcept = default;
Lowering& Lowering::operator=(Lowering&&) noexcept = default;

Graph& Lowering::graph() { return state_->graph; }

Value* Lowering::find(int v) const {
  const auto it = values_.find(v);
  return it == values_.end() ? nullptr : it->second;
}

Status Lowering::put(const Draft& draft, int v, Value* value) {
  values_[v] = value;
  Status s = check_claim(draft.value(v).claim, *value);
  if (s.ok()) return s;
  return std::move(s).at(fmt::format("value '{}'", printable(draft.value(v).name)));
}

Status Lowering::define(const Draft& draft, int v, Value* value) {
  defined_.push_back(v);
  return put(draft, v, value);
}

Result<Value*> Lowering::value(const Draft& draft, int v) {
  if (Value* known = find(v)) return known;
  const DraftValue& d = draft.value(v);
  const std::string name = printable(d.name);
  if (d.kind != DraftValue::Kind::Constant) return invalid("the value '{}' is not computed", name);
  LATHE_TRY(Status(d.unreadable));
  Value* value = LATHE_TRY(state_->constant(d.tensor, name));
  state_->graph.rename(value, name);
  LATHE_TRY(define(draft, v, value));
  return value;
}

Status Lowering::add_input(const Draft& draft, int v, const LoadOptions& options) {
  const DraftValue& input = draft.value(v);
  TensorType type = LATHE_TRY(input_type(input, options));
  if (input.has_shape) fix_sizes(input.shape, type.shape);
  auto fixed = options.input_values.find(input.name);
  Value* value = fixed == options.input_values.end()
                     ? state_->graph.add_input(input.name, std::move(type))
                     : LATHE_TRY(fixed_input(*state_, input, type, fixed->second));
  return put(draft, v, value);
}

void Lowering::fix_sizes(const Shape& declared, const Shape& given) {
  for (int d = 0; d < declared.rank(); ++d) {
    if (declared[d].is_symbol() && given[d].is_constant())
      sizes_.emplace(declared[d].to_string(), given[d]);
  }
}

Attrs Lowering::with_sizes(Attrs attrs) const {
  if (sizes_.empty()) return attrs;
  const Attrs written = attrs;
  for (const auto& [name, value] : written) {
    const auto* dims = std::get_if<Dims>(&value);
    if (dims == nullptr) continue;
    Dims fixed;
    for (const Dim& d : *dims) fixed.push_back(d.substitute(sizes_));
    attrs.set(name, std::move(fixed));
  }
  return attrs;
}

Status Lowering::define_results(const Draft& draft, const DraftNode& node,
                                const std::vector<Value*>& results) {
  for (size_t k = 0; k < node.results.size(); ++k) {
    if (node.results[k] < 0) continue;
    if (k >= results.size() || !results[k]) return unsupported("output {} is not implemented", k);
    const std::string name = printable(draft.value(node.results[k]).name);
    if (is_made_up(results[k]->name)) state_->graph.rename(results[k], name);
    LATHE_TRY(define(draft, node.results[k], results[k]));
  }
  return {};
}

Lowering::Around Lowering::open_region() {
  return {std::exchange(state_->graph, Graph()), std::exchange(values_, {}),
          std::exchange(defined_, {})};
}

Graph Lowering::close_region(Around around) {
  values_ = std::move(around.values);
  defined_ = std::move(around.defined);
  return std::exchange(state_->graph, std::move(around.graph));
}

Result<std::vector<Value*>> Lowering::run(const Draft& draft, int n) {
  const DraftNode& node = draft.node(n);
  const Mark before = mark();
  const auto work = [&]() -> Result<std::vector<Value*>> {
    std::span<const int> own = node.operands;
    if (!node.graphs.empty()) own = own.first(std::min(own.size(), node.own_operands));
    std::vector<Value*> operands;
    for (int v : own) operands.push_back(v < 0 ? nullptr : LATHE_TRY(value(draft, v)));
    std::vector<Value*> results;
    if (node.own) {
      Node* made = LATHE_TRY(state_->append(node.own->name, std::move(operands),
                                            with_sizes(node.attrs), printable(node.name)));
      results = made->outputs;
    } else {
      std::vector<bool> wanted;
      for (int v : node.results) wanted.push_back(v >= 0);
      NodeLowering lowering(*state_, draft.custom.get());
      NodeGraphs graphs(*this, *state_, draft, node);
      results = LATHE_TRY(lowering.run(node, std::move(operands), wanted, &graphs));
    }
    LATHE_TRY(define_results(draft, node, results));
    return results;
  };
  Result<std::vector<Value*>> results = work();
  if (results.ok()) return results;
  rewind(before);
  // What Graph::append refuses names the node already.
  Status s = std::move(results).status();
  if (!s.message().starts_with("node '")) return std::move(s).at(node.where());
  return node.within.empty() ? s : std::move(s).at(node.within);
}

Lowering::Mark Lowering::mark() const { return {state_->graph.node_count(), defined_.size()}; }

void Lowering::rewind(Mark to) {
  while (defined_.size() > to.defined) {
    values_.erase(defined_.back());
    defined_.pop_back();
  }
  std::vector<Node*> nodes = state_->graph.nodes();
  Rewriter rewriter(state_->graph);
  while (nodes.size() > to.nodes) {
    rewriter.erase(nodes.back());
    nodes.pop_back();
  }
}

Result<Graph> lower(const Draft& draft, Budget& budget, const LoadOptions& options) {
  Lowering lowering(budget);
  lowering.graph().name = printable(draft.name);
  for (int v : draft.inputs) LATHE_TRY(lowering.add_input(draft, v, options));
  for (int n : draft.order()) LATHE_TRY(lowering.run(draft, n));
  for (const DraftPort& port : draft.outputs) {
    Result<Value*> v = lowering.value(draft, port.value);
    if (!v.ok()) return std::move(v).status().at("graph outputs");
    Status s = check_claim(port.claim, **v);
    if (!s.ok()) return std::move(s).at(fmt::format("output '{}'", printable(port.name)));
    lowering.graph().add_output(port.name, *v);
  }
  return std::move(lowering.graph());
}

}  // namespace lathe
