// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "compiler/stages.h"

namespace lathe {
namespace {

// Symbols that the inputs' dimensions are, each with its range.
std::vector<SymbolRange> symbol_ranges(const Graph& graph, const CompileOptions& options) {
  std::vector<SymbolRange> ranges;
  for (const GraphPort& port : graph.inputs) {
    const Shape& shape = port.value->type.shape;
    for (int d = 0; d < shape.rank(); ++d) {
      if (!shape[d].is_symbol()) continue;
      const std::string name = shape[d].to_string();
      auto same = [&](const SymbolRange& r) { return r.name == name; };
      if (std::any_of(ranges.begin(), ranges.end(), same)) continue;
      const auto given = std::find_if(options.symbols.begin(), options.symbols.end(), same);
      if (given != options.symbols.end()) {
        ranges.push_back(*given);
        continue;
      }
      // Any size. Tuned at 1 for the first dimension (the batch), at an ordinary size elsewhere.
      constexpr int64_t kPicture = 256, kSequence = 128;
      SymbolRange range;
      range.name = name;
      range.opt = d == 0 ? 1 : shape.rank() >= 4 ? kPicture : kSequence;
      ranges.push_back(range);
    }
  }
  return ranges;
}

class Lowering {
 public:
  explicit Lowering(Plan& plan) : plan_(plan) {}

  Status run(const Graph& graph) {
    for (const GraphPort& p : graph.inputs) plan_.inputs.push_back({p.name, add(*p.value)});
    for (const Node* node : graph.nodes()) LATHE_TRY(lower(*node));
    for (const GraphPort& p : graph.outputs) plan_.outputs.push_back({p.name, at(p.value)});
    return {};
  }

 private:
  TensorId add(const Value& value) {
    const TensorId t = add_tensor(plan_, value.name, value.type);
    ids_[&value] = t;
    return t;
  }
  TensorId at(const Value* value) const { return value == nullptr ? -1 : ids_.at(value); }

  Status lower(const Node& node) {
    if (node.is("Constant")) {
      ids_[node.out()] = add_constant(plan_, node.out()->name, *node.out()->constant());
      return {};
    }
    Step step;
    step.name = node.name.empty() ? node.out()->name : node.name;
    step.op = node.op;
    for (const Value* v : node.operands) step.in.push_back(at(v));
    for (const Value* v : node.outputs) step.out.push_back(add(*v));
    mark_constants(plan_, step);
    plan_.steps.push_back(std::move(step));
    return {};
  }

  Plan& plan_;
  std::map<const Value*, TensorId> ids_;
};

// Nobody said anything of this size.
bool is_free(const SymbolRange& r) { return r.min == 0 && r.max == INT64_MAX; }

// Free sizes that the network names outright: 8 before a product with a matrix of 8 rows.
void set_demanded(const Plan& plan, Bindings& at) {
  for (const Constraint& c : plan.constraints) {
    if (c.kind != Constraint::Kind::Equal && c.kind != Constraint::Kind::Broadcastable) continue;
    const bool is_left = c.a.is_symbol();
    const Dim &symbol = is_left ? c.a : c.b, &size = is_left ? c.b : c.a;
    if (!symbol.is_symbol() || !size.is_constant()) continue;
    for (const SymbolRange& r : plan.symbols) {
      if (is_free(r) && r.name == symbol.to_string()) at[r.name] = size.value();
    }
  }
}

}  // namespace

std::vector<std::string> control_flow(const Graph& graph) {
  std::vector<std::string> found;
  for (const Node* n : graph.nodes()) {
    if (n->regions.empty()) continue;
    const std::string& name = n->name.empty() ? n->out()->name : n->name;
    found.push_back(fmt::format("node '{}' ({})", name, n->op.def->name));
  }
  return found;
}

Result<Plan> lower(const Graph& graph, const CompileOptions& options) {
  if (const std::vector<std::string> found = control_flow(graph); !found.empty())
    return unsupported("{}: control flow cannot be run yet", found[0]);
  Plan plan;
  plan.model = options.model_name;
  plan.symbols = symbol_ranges(graph, options);
  plan.constraints = graph.constraints;
  LATHE_TRY(Lowering(plan).run(graph));
  drop_unused(plan);
  return plan;
}

Result<Bindings> tuned_point(const Plan& plan) {
  Bindings point;
  for (const SymbolRange& r : plan.symbols) point[r.name] = r.opt;
  set_demanded(plan, point);
  const auto holds = [&](const Bindings& at, bool filled) -> Status {
    for (const Constraint& c : plan.constraints) LATHE_TRY(c.check(at));
    for (const PlanTensor& t : plan.tensors) {
      const Shape shape = LATHE_TRY(t.type.shape.evaluate(at));
      if (filled && shape.count().is(0)) return invalid("tensor '{}' is empty", t.name);
    }
    return {};
  };
  const Status first = holds(point, false);
  // Sizes that nobody gave may not suit the network; others that networks are written for may: a
  // second of sound is the last. Better none that leaves nothing to compute.
  for (const bool filled : {true, false}) {
    if (holds(point, filled).ok()) return point;
    for (const int64_t size : {224, 320, 64, 384, 512, 640, 32, 16, 1, 1024, 4096, 16000}) {
      Bindings other = point;
      for (const SymbolRange& r : plan.symbols) {
        if (is_free(r) && r.opt != 1) other[r.name] = size;
      }
      set_demanded(plan, other);
      if (holds(other, filled).ok()) return other;
    }
  }
  return Status(first)
      .at("no sizes to tune at")
      .with_cure("give the sizes with --shapes or --opt-shapes");
}

}  // namespace lathe
