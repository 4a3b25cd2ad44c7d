// SPDX-License-Identifier: Apache-2.0
#include "graph/interpret.h"

#include <unordered_map>

#include "graph/interpret_regions.h"

namespace lathe {
namespace {

struct Live {
  HostTensor tensor;
  size_t uses_left = 0;
};

struct Interpreter {
  Bindings bindings;  // more of them where a run decides sizes
  std::unordered_map<const Value*, Live> live;

  void define(const Value* v, HostTensor tensor) {
    const size_t uses = v->readers.size() + static_cast<size_t>(v->output_uses);
    if (uses > 0) live.emplace(v, Live{std::move(tensor), uses});
  }
  HostTensor read(const Value* v) {
    auto it = live.find(v);
    LATHE_CHECK(it != live.end());
    if (--it->second.uses_left > 0) return it->second.tensor;
    HostTensor last = std::move(it->second.tensor);
    live.erase(it);
    return last;
  }
  Status run(const Node& node);
};

Status Interpreter::run(const Node& node) {
  std::vector<HostTensor> in;
  for (const Value* v : node.operands) in.push_back(v ? read(v) : HostTensor());
  if (node.is("Constant")) {
    define(node.out(), *node.out()->constant());
    return {};
  }
  std::vector<HostTensor> out;
  if (node.regions.empty()) {
    out = LATHE_TRY(run_reference(LATHE_TRY(node.op.evaluate(bindings)), in));
  } else {
    out = LATHE_TRY(run_regions(node, in, bindings));
  }
  if (out.size() != node.outputs.size())
    return internal("the reference gives {} outputs", out.size());
  for (size_t k = 0; k < out.size(); ++k) define(node.outputs[k], std::move(out[k]));
  return {};
}

bool is_known(const Dim& dim, const Bindings& bindings) { return dim.evaluate(bindings).ok(); }

Status bind_dim(const Dim& dim, int64_t size, Bindings& bindings) {
  if (!dim.is_symbol()) return {};
  auto [it, added] = bindings.emplace(dim.to_string(), size);
  if (added || it->second == size) return {};
  return invalid("{} is {} and {}", it->first, it->second, size);
}

}  // namespace

Result<Bindings> bind_inputs(const Graph& graph, std::span<const HostTensor> inputs,
                             const Bindings& given) {
  Bindings bindings = given;
  if (inputs.size() != graph.inputs.size()) {
    return invalid("{} inputs expected, {} given", graph.inputs.size(), inputs.size());
  }
  for (size_t k = 0; k < inputs.size(); ++k) {
    const TensorType &want = graph.inputs[k].value->type, &have = inputs[k].type();
    const std::string where = fmt::format("input '{}'", graph.inputs[k].name);
    if (want.dtype != have.dtype || want.rank() != have.rank()) {
      return invalid("{}: expected {}, got {}", where, want.to_string(), have.to_string());
    }
    for (int d = 0; d < want.rank(); ++d) {
      Status s = bind_dim(want.shape[d], have.shape[d].value(), bindings);
      if (!s.ok()) return std::move(s).at(where);
    }
  }
  for (size_t k = 0; k < inputs.size(); ++k) {
    Result<Shape> want = graph.inputs[k].value->type.shape.evaluate(bindings);
    const std::string where = fmt::format("input '{}'", graph.inputs[k].name);
    if (!want.ok()) return std::move(want).status().at(where);
    if (*want != inputs[k].shape()) {
      return invalid("{}: expected shape {}, got {}", where, want->to_string(),
                     inputs[k].shape().to_string());
    }
  }
  return bindings;
}

Result<std::vector<HostTensor>> interpret(const Graph& graph, std::span<const HostTensor> inputs,
                                          const Bindings& given) {
  const Bindings bindings = LATHE_TRY(bind_inputs(graph, inputs, given));
  std::vector<const Constraint*> later;  // about sizes that the run decides
  for (const Constraint& c : graph.constraints) {
    if (is_known(c.a, bindings) && is_known(c.b, bindings)) {
      LATHE_TRY(c.check(bindings));
    } else {
      later.push_back(&c);
    }
  }
  Interpreter run{bindings, {}};
  for (size_t k = 0; k < inputs.size(); ++k) run.define(graph.inputs[k].value, inputs[k]);
  for (const Node* node : graph.nodes()) {
    if (Status s = run.run(*node); !s.ok()) {
      return std::move(s).at(fmt::format("node '{}' ({})", node->name, node->op.def->name));
    }
  }
  for (const Constraint* c : later) LATHE_TRY(c->check(run.bindings));
  std::vector<HostTensor> outputs;
  for (const GraphPort& port : graph.outputs) outputs.push_back(run.read(port.value));
  return outputs;
}

}  // namespace lathe
