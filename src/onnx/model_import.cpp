// SPDX-License-Identifier: Apache-2.0
#include "onnx/model_import.h"

#include <algorithm>

#include "onnx/names.h"
#include "onnx/node_import.h"
#include "onnx/node_order.h"
#include "onnx/tensor_proto.h"

namespace lathe {
namespace {

using lathe_onnx::AttributeProto;
using lathe_onnx::FunctionProto;
using lathe_onnx::NodeProto;

constexpr int64_t kNewestIr = 64;  // far beyond any that exists
constexpr int64_t kOldestOpset = 6;
constexpr int64_t kNewestOpset = 1000;  // operators change by opset; unknown ones fail by name

bool is_made_up(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string node_name(const NodeProto& node) {
  if (!node.name().empty()) return printable(node.name());
  return node.output_size() > 0 ? printable(node.output(0)) : "";
}

Status at_node(Status s, const NodeProto& node) {
  return std::move(s).at(fmt::format("node '{}' ({})", node_name(node), printable(node.op_type())));
}

// The attributes of a node; those that refer to the enclosing function's are looked up there.
Result<AttributeMap> resolve(const NodeProto& node, const AttributeMap& outer) {
  AttributeMap out;
  for (const AttributeProto& a : node.attribute()) {
    const AttributeProto* value = &a;
    if (!a.ref_attr_name().empty()) {
      auto it = outer.find(a.ref_attr_name());
      if (it == outer.end()) continue;  // not given to the call: absent here too
      value = it->second;
    }
    if (!out.emplace(a.name(), value).second) {
      return invalid("attribute '{}' is given twice", printable(a.name()));
    }
  }
  return out;
}

// A file's claim about an inner value, checked against what was inferred.
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

}  // namespace

Status ModelImport::check_header() {
  if (!model_.has_graph()) return invalid("not an ONNX model: there is no graph");
  if (model_.ir_version() < 1 || model_.ir_version() > kNewestIr) {
    return invalid("IR version {} is not one of ONNX", model_.ir_version());
  }
  if (model_.opset_import_size() == 0) return invalid("the model imports no opset");
  if (model_.graph().output_size() == 0) return invalid("the graph has no outputs");
  return functions_.fill(model_);
}

Status ModelImport::define(std::string_view name, Value* value, Scope& scope) {
  if (scope.initializers.contains(name) || !scope.values.emplace(name, value).second) {
    return invalid("the value '{}' is defined twice", printable(name));
  }
  auto claim = scope.claims.find(name);
  if (claim == scope.claims.end()) return {};
  Status s = check_claim(claim->second, *value);
  return s.ok() ? Status() : std::move(s).at(fmt::format("value '{}'", printable(name)));
}

Status ModelImport::add_initializers(Scope& scope) {
  for (auto& tensor : *model_.mutable_graph()->mutable_initializer()) {
    LATHE_TRY(tensor_proto_type(tensor));
    if (!scope.initializers.emplace(tensor.name(), &tensor).second) {
      return invalid("the initializer '{}' is defined twice", printable(tensor.name()));
    }
  }
  if (model_.graph().sparse_initializer_size() > 0) {
    return unsupported("sparse initializers are not implemented");
  }
  return {};
}

Result<Value*> ModelImport::fixed_input(const std::string& name, const TensorType& type,
                                        const HostTensor& value) {
  if (value.dtype() != type.dtype || value.shape().rank() != type.rank()) {
    return invalid("the input '{}' is {}, and the value given for it is {}", printable(name),
                   type.to_string(), value.type().to_string());
  }
  Value* v = LATHE_TRY(state_.constant(value, printable(name)));
  state_.graph.rename(v, printable(name));
  return v;
}

Status ModelImport::add_inputs(Scope& scope) {
  for (const auto& input : model_.graph().input()) {
    if (scope.initializers.contains(input.name())) continue;  // a constant with a default value
    TypeClaim claim = LATHE_TRY(read_type(input.type(), input.name(), state_.symbols));
    if (claim.dtype == DType::None) {
      return invalid("the input '{}' has no element type", printable(input.name()));
    }
    auto given = options_.input_shapes.find(input.name());
    if (given != options_.input_shapes.end()) {
      if (claim.has_shape && claim.shape.rank() != given->second.rank()) {
        return invalid("the input '{}' has rank {}, and the shape {} was given",
                       printable(input.name()), claim.shape.rank(), given->second.to_string());
      }
      claim.shape = given->second;
    } else if (!claim.has_shape) {
      return invalid("the input '{}' has no shape", printable(input.name()))
          .with_cure(fmt::format("give one: --shapes {}:...", printable(input.name())));
    }
    const TensorType type{claim.dtype, std::move(claim.shape)};
    Value* v = nullptr;
    if (auto fixed = options_.input_values.find(input.name());
        fixed != options_.input_values.end()) {
      v = LATHE_TRY(fixed_input(input.name(), type, fixed->second));
    } else {
      v = state_.graph.add_input(input.name(), type);
    }
    LATHE_TRY(define(input.name(), v, scope));
  }
  return {};
}

Status ModelImport::add_outputs(Scope& scope) {
  for (const auto& output : model_.graph().output()) {
    for (const GraphPort& port : state_.graph.outputs) {
      if (port.name == output.name()) {
        return invalid("the output '{}' is listed twice", printable(output.name()));
      }
    }
    Result<Value*> v = lookup(output.name(), scope);
    if (!v.ok()) return std::move(v).status().at("graph outputs");
    Status s = check_claim(read_rank(output.type()), **v);
    if (!s.ok()) return std::move(s).at(fmt::format("output '{}'", printable(output.name())));
    state_.graph.add_output(output.name(), *v);
  }
  return {};
}

Result<Value*> ModelImport::lookup(std::string_view name, Scope& scope) {
  if (auto it = scope.values.find(name); it != scope.values.end()) return it->second;
  auto it = scope.initializers.find(name);
  if (it == scope.initializers.end()) {
    return invalid("the value '{}' is not defined before it is read", printable(name));
  }
  HostTensor t = LATHE_TRY(take_tensor_proto(*it->second, state_.external));
  Value* v = LATHE_TRY(state_.constant(std::move(t), printable(name)));
  state_.graph.rename(v, printable(name));
  scope.values.emplace(name, v);
  return v;
}

Result<std::vector<Value*>> ModelImport::operands_of(const NodeProto& node, Scope& scope) {
  std::vector<Value*> operands;
  for (const std::string& name : node.input()) {
    operands.push_back(name.empty() ? nullptr : LATHE_TRY(lookup(name, scope)));
  }
  while (!operands.empty() && !operands.back()) operands.pop_back();
  return operands;
}

Status ModelImport::import_operator(const NodeProto& node, Scope& scope,
                                    const AttributeMap& attributes, std::vector<Value*>& results) {
  const std::string_view domain = canonical_domain(node.domain());
  auto opset = scope.opsets.find(domain);
  if (opset == scope.opsets.end()) {
    return invalid("the domain '{}' is not among the model's opsets", printable(domain));
  }
  Importer importer = domain.empty() ? find_importer(node.op_type()) : nullptr;
  if (!importer) {
    return unsupported("the operator {} of domain '{}', opset {}, is not implemented",
                       printable(node.op_type()), printable(domain), opset->second);
  }
  if (opset->second < kOldestOpset || opset->second > kNewestOpset) {
    return unsupported("opset {} is not implemented; {} is the oldest", opset->second,
                       kOldestOpset);
  }
  NodeState state{.import = state_,
                  .type = printable(node.op_type()),
                  .name = node_name(node),
                  .opset = static_cast<int>(opset->second),
                  .operands = LATHE_TRY(operands_of(node, scope)),
                  .wanted = {},
                  .attributes = attributes,
                  .results = {},
                  .bad_attribute = {}};
  for (const std::string& name : node.output()) state.wanted.push_back(!name.empty());
  while (!state.wanted.empty() && !state.wanted.back()) state.wanted.pop_back();
  NodeImport n(state);
  Status s = importer(n);
  if (s.ok()) s = n.attributes();
  if (!s.ok()) return state.located ? s : std::move(s).at(state.where());
  results = std::move(state.results);
  return {};
}

Status ModelImport::import_call(const NodeProto& node, const FunctionProto& function, Scope& scope,
                                const AttributeMap& attributes, std::vector<Value*>& results) {
  Scope inner;
  inner.depth = scope.depth + 1;
  if (inner.depth > kMaxCallDepth) return invalid("functions are nested too deep");
  inner.opsets = LATHE_TRY(read_opsets(function.opset_import()));
  for (const auto& [domain, version] : scope.opsets) inner.opsets.emplace(domain, version);
  inner.attributes = attributes;
  for (const AttributeProto& a : function.attribute_proto()) inner.attributes.emplace(a.name(), &a);
  std::vector<Value*> operands = LATHE_TRY(operands_of(node, scope));
  if (operands.size() > static_cast<size_t>(function.input_size())) {
    return invalid("{} operands for a function of {}", operands.size(), function.input_size());
  }
  for (int k = 0; k < function.input_size(); ++k) {
    Value* v =
        static_cast<size_t>(k) < operands.size() ? operands[static_cast<size_t>(k)] : nullptr;
    if (!inner.values.emplace(function.input(k), v).second) {
      return invalid("the function's input '{}' is listed twice", printable(function.input(k)));
    }
  }
  for (const NodeProto& n : function.node()) LATHE_TRY(import_node(n, inner));
  for (const std::string& name : function.output()) {
    auto it = inner.values.find(name);
    results.push_back(it == inner.values.end() ? nullptr : it->second);
  }
  return {};
}

Status ModelImport::import_node(const NodeProto& node, Scope& scope) {
  Result<AttributeMap> attributes = resolve(node, scope.attributes);
  if (!attributes.ok()) return at_node(std::move(attributes).status(), node);
  std::vector<Value*> results;
  const FunctionProto* function = functions_.find(node);
  const bool known = canonical_domain(node.domain()).empty() && find_importer(node.op_type());
  if (function && !known) {
    Status s = import_call(node, *function, scope, *attributes, results);
    if (!s.ok()) return at_node(std::move(s), node);
  } else {
    Status s = import_operator(node, scope, *attributes, results);
    if (!s.ok()) return s.message().starts_with("node '") ? s : at_node(std::move(s), node);
  }
  for (int k = 0; k < node.output_size(); ++k) {
    const std::string& name = node.output(k);
    if (name.empty()) continue;
    Value* v = static_cast<size_t>(k) < results.size() ? results[static_cast<size_t>(k)] : nullptr;
    if (!v) return at_node(unsupported("output {} is not implemented", k), node);
    if (is_made_up(v->name)) state_.graph.rename(v, printable(name));
    Status s = define(name, v, scope);
    if (!s.ok()) return at_node(std::move(s), node);
  }
  return {};
}

Result<Graph> ModelImport::run() {
  LATHE_TRY(check_header());
  Scope scope;
  scope.opsets = LATHE_TRY(read_opsets(model_.opset_import()));
  for (const auto& info : model_.graph().value_info()) {
    scope.claims.emplace(info.name(), read_rank(info.type()));
  }
  state_.graph.name = printable(model_.graph().name());
  LATHE_TRY(add_initializers(scope));
  LATHE_TRY(add_inputs(scope));
  for (int i : LATHE_TRY(node_order(model_.graph()))) {
    LATHE_TRY(import_node(model_.graph().node(i), scope));
  }
  LATHE_TRY(add_outputs(scope));
  return std::move(state_.graph);
}

}  // namespace lathe
