// SPDX-License-Identifier: Apache-2.0
#include "onnx/model_import.h"

#include <set>

#include "custom/operators.h"
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

std::string node_name(const NodeProto& node) {
  if (!node.name().empty()) return node.name();
  return node.output_size() > 0 ? node.output(0) : "";
}

bool holds_graphs(std::string_view type) {
  return type == "If" || type == "Loop" || type == "Scan";
}

std::string where(const NodeProto& node) {
  return fmt::format("node '{}' ({})", printable(node_name(node)), printable(node.op_type()));
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

void ModelImport::reserve_names() {
  const auto& graph = model_.graph();
  for (const auto& tensor : graph.initializer()) names_[tensor.name()] = 1;
  for (const auto& input : graph.input()) names_[input.name()] = 1;
  for (const NodeProto& node : graph.node()) {
    for (const std::string& name : node.output()) names_[name] = 1;
  }
}

std::string ModelImport::value_name(const std::string& name, const Scope& scope) {
  if (scope.depth == 0) return name;
  if (names_.emplace(name, 1).second) return name;
  std::string unique;
  do {
    unique = fmt::format("{}_{}", name, ++names_[name]);
  } while (!names_.emplace(unique, 1).second);
  return unique;
}

Status ModelImport::define(std::string_view name, int value, Scope& scope) {
  if (scope.values.emplace(name, value).second) return {};
  return invalid("the value '{}' is defined twice", printable(name));
}

Status ModelImport::add_initializers(Scope& scope) {
  for (auto& tensor : *model_.mutable_graph()->mutable_initializer()) {
    LATHE_TRY(tensor_proto_type(tensor));
    LATHE_TRY(add_initializer(tensor.name(), take_tensor_proto(tensor, external_), scope));
  }
  if (model_.graph().sparse_initializer_size() > 0) {
    return unsupported("sparse initializers are not implemented");
  }
  return {};
}

// Once for each message: a function's body is read by every call.
Status ModelImport::add_graph_initializers(const lathe_onnx::GraphProto& graph, Scope& scope) {
  for (const auto& tensor : graph.initializer()) {
    auto known = tensors_.find(&tensor);
    if (known == tensors_.end())
      known = tensors_.emplace(&tensor, copy_tensor_proto(tensor, external_)).first;
    LATHE_TRY(add_initializer(tensor.name(), known->second, scope));
  }
  if (graph.sparse_initializer_size() == 0) return {};
  return unsupported("sparse initializers are not implemented");
}

Status ModelImport::add_initializer(const std::string& name, Result<HostTensor> tensor,
                                    Scope& scope) {
  const int v = draft_.add_constant(value_name(name, scope), tensor.ok() ? *tensor : HostTensor());
  draft_.value(v).unreadable = std::move(tensor).status();
  draft_.value(v).inner = scope.graphs > 0;
  if (scope.values.emplace(name, v).second) return {};
  return invalid("the initializer '{}' is defined twice", printable(name));
}

Status ModelImport::add_inputs(Scope& scope) {
  for (const auto& input : model_.graph().input()) {
    auto known = scope.values.find(input.name());
    if (known != scope.values.end() &&
        draft_.value(known->second).kind == DraftValue::Kind::Constant) {
      continue;  // a constant with a default value
    }
    TypeClaim claim = LATHE_TRY(read_type(input.type(), input.name(), draft_.symbols));
    const int v =
        draft_.add_input(input.name(), claim.dtype, claim.has_shape, std::move(claim.shape));
    if (auto said = claims_.find(input.name()); said != claims_.end()) {
      draft_.value(v).claim = said->second;
    }
    LATHE_TRY(define(input.name(), v, scope));
  }
  return {};
}

Status ModelImport::add_outputs(Scope& scope) {
  for (const auto& output : model_.graph().output()) {
    for (const DraftPort& port : draft_.outputs) {
      if (port.name == output.name()) {
        return invalid("the output '{}' is listed twice", printable(output.name()));
      }
    }
    Result<int> v = lookup(output.name(), scope);
    if (!v.ok()) return std::move(v).status().at("graph outputs");
    draft_.outputs.push_back({output.name(), *v, read_rank(output.type())});
  }
  return {};
}

Result<int> ModelImport::lookup(std::string_view name, const Scope& scope) const {
  for (const Scope* s = &scope; s != nullptr; s = s->outer) {
    if (auto it = s->values.find(name); it != s->values.end()) return it->second;
  }
  return invalid("the value '{}' is not defined before it is read", printable(name));
}

Result<std::vector<int>> ModelImport::operands_of(const NodeProto& node, const Scope& scope) const {
  std::vector<int> operands;
  for (const std::string& name : node.input()) {
    operands.push_back(name.empty() ? -1 : LATHE_TRY(lookup(name, scope)));
  }
  while (!operands.empty() && operands.back() < 0) operands.pop_back();
  return operands;
}

// Once for each message: a function's body is read by every call.
std::shared_ptr<const OnnxAttribute> ModelImport::decode(const AttributeProto& attribute) {
  auto& known = decoded_[&attribute];
  if (!known) known = std::make_shared<OnnxAttribute>(read_attribute(attribute, external_));
  return known;
}

Result<AttributeMap> ModelImport::attributes_of(const NodeProto& node, const Scope& scope) {
  AttributeMap out;
  for (const AttributeProto& a : node.attribute()) {
    std::shared_ptr<const OnnxAttribute> value;
    if (a.ref_attr_name().empty()) {
      value = decode(a);
    } else if (auto it = scope.attributes.find(a.ref_attr_name()); it != scope.attributes.end()) {
      value = it->second;
    } else {
      continue;  // not given to the call: absent here too
    }
    if (!out.emplace(a.name(), std::move(value)).second) {
      return invalid("attribute '{}' is given twice", printable(a.name()));
    }
  }
  return out;
}

Status ModelImport::add_graph_inputs(const lathe_onnx::GraphProto& graph, Scope& scope,
                                     DraftGraph& made) {
  for (const auto& input : graph.input()) {
    LATHE_TRY(check_tensor_type(input.type(), input.name()));
    made.inputs.push_back(
        draft_.add_graph_input(value_name(input.name(), scope), read_rank(input.type())));
    LATHE_TRY(define(input.name(), made.inputs.back(), scope));
  }
  return {};
}

Result<DraftGraph> ModelImport::add_graph(const AttributeProto& attribute, const Scope& scope) {
  const lathe_onnx::GraphProto& graph = attribute.g();
  DraftGraph made;
  made.name = printable(attribute.name());
  Scope inner;
  inner.outer = &scope;
  inner.nodes = &made.nodes;
  inner.attributes = scope.attributes;
  inner.opsets = scope.opsets;
  inner.depth = scope.depth + 1;
  inner.graphs = scope.graphs + 1;
  if (inner.graphs > kMaxRegionDepth)
    return invalid("graphs inside nodes are nested deeper than {}", kMaxRegionDepth);
  LATHE_TRY(add_graph_inputs(graph, inner, made));
  LATHE_TRY(add_graph_initializers(graph, inner));
  for (int i : LATHE_TRY(node_order(graph))) LATHE_TRY(add_node(graph.node(i), inner));
  for (const auto& output : graph.output()) {
    made.results.push_back(LATHE_TRY(lookup(output.name(), inner)));
  }
  return made;
}

Status ModelImport::add_graphs(const NodeProto& node, const Scope& scope, DraftNode& made) {
  const int outside = draft_.value_count();
  made.own_operands = made.operands.size();
  std::set<int> known;
  const auto read = [&](int v) {
    if (v >= 0 && v < outside && known.insert(v).second) made.operands.push_back(v);
  };
  for (const AttributeProto& a : node.attribute()) {
    if (!a.has_g()) continue;
    Result<DraftGraph> graph = add_graph(a, scope);
    if (!graph.ok()) return std::move(graph).status().at(printable(a.name()));
    made.graphs.push_back(*std::move(graph));
    for (int n : made.graphs.back().nodes) {
      for (int v : draft_.node(n).operands) read(v);
    }
    for (int v : made.graphs.back().results) read(v);
  }
  // Results that nobody wants count, too: the graphs give as many.
  made.results.resize(static_cast<size_t>(node.output_size()), -1);
  return {};
}

Status ModelImport::add_operator(const NodeProto& node, Scope& scope, AttributeMap attributes) {
  const std::string_view domain = canonical_domain(node.domain());
  auto opset = scope.opsets.find(domain);
  const bool custom = is_custom(draft_.custom.get(), domain, node.op_type());
  if (opset == scope.opsets.end() && !custom) {
    return invalid("the domain '{}' is not among the model's opsets", printable(domain));
  }
  DraftNode made;
  made.type = node.op_type();
  made.domain = domain;
  made.opset = opset == scope.opsets.end() ? 0 : opset->second;
  if (auto own = scope.opsets.find(""); own != scope.opsets.end()) made.onnx_opset = own->second;
  made.name = node_name(node);
  made.within = scope.within;
  made.operands = LATHE_TRY(operands_of(node, scope));
  made.attributes = std::move(attributes);
  if (domain.empty() && holds_graphs(made.type)) LATHE_TRY(add_graphs(node, scope, made));
  const int n = draft_.add_node(std::move(made), scope.nodes);
  for (int k = 0; k < node.output_size(); ++k) {
    const std::string& name = node.output(k);
    if (name.empty()) continue;
    const int v = draft_.add_result(n, static_cast<size_t>(k), value_name(name, scope));
    LATHE_TRY(define(name, v, scope));
    if (scope.depth > 0) continue;
    if (auto said = claims_.find(name); said != claims_.end()) draft_.value(v).claim = said->second;
  }
  return {};
}

Status ModelImport::add_call(const NodeProto& node, const FunctionProto& function, Scope& scope,
                             const AttributeMap& attributes) {
  Scope inner;
  inner.nodes = scope.nodes;
  inner.depth = scope.depth + 1;
  inner.graphs = scope.graphs;
  if (inner.depth - inner.graphs > kMaxCallDepth) return invalid("functions are nested too deep");
  inner.within = scope.within + (scope.within.empty() ? "" : ": ") + where(node);
  inner.opsets = LATHE_TRY(read_opsets(function.opset_import()));
  for (const auto& [domain, version] : scope.opsets) inner.opsets.emplace(domain, version);
  inner.attributes = attributes;
  for (const AttributeProto& a : function.attribute_proto()) {
    inner.attributes.emplace(a.name(), decode(a));
  }
  const std::vector<int> operands = LATHE_TRY(operands_of(node, scope));
  if (operands.size() > static_cast<size_t>(function.input_size())) {
    return invalid("{} operands for a function of {}", operands.size(), function.input_size());
  }
  for (int k = 0; k < function.input_size(); ++k) {
    const auto at = static_cast<size_t>(k);
    if (!inner.values.emplace(function.input(k), at < operands.size() ? operands[at] : -1).second) {
      return invalid("the function's input '{}' is listed twice", printable(function.input(k)));
    }
  }
  const int first = draft_.node_count();
  for (const NodeProto& n : function.node()) LATHE_TRY(add_node(n, inner));
  for (int k = 0; k < node.output_size(); ++k) {
    const std::string& name = node.output(k);
    if (name.empty()) continue;
    auto it =
        k < function.output_size() ? inner.values.find(function.output(k)) : inner.values.end();
    if (it == inner.values.end() || it->second < 0) {
      return unsupported("output {} is not implemented", k);
    }
    LATHE_TRY(define(name, it->second, scope));
    DraftValue& v = draft_.value(it->second);
    if (v.producer >= first) v.name = value_name(name, scope);  // the caller's name says more
  }
  return {};
}

Status ModelImport::add_node(const NodeProto& node, Scope& scope) {
  const auto add = [&]() -> Status {
    AttributeMap attributes = LATHE_TRY(attributes_of(node, scope));
    const FunctionProto* function = functions_.find(node);
    const bool known = canonical_domain(node.domain()).empty() && find_importer(node.op_type());
    const bool custom =
        is_custom(draft_.custom.get(), canonical_domain(node.domain()), node.op_type());
    return function && !known && !custom ? add_call(node, *function, scope, attributes)
                                         : add_operator(node, scope, std::move(attributes));
  };
  Status s = add();
  return s.ok() ? s : std::move(s).at(where(node));
}

Result<Draft> ModelImport::run() {
  LATHE_TRY(check_header());
  Scope scope;
  scope.opsets = LATHE_TRY(read_opsets(model_.opset_import()));
  for (const auto& info : model_.graph().value_info()) {
    claims_.emplace(info.name(), read_rank(info.type()));
  }
  draft_.name = model_.graph().name();
  reserve_names();
  LATHE_TRY(add_initializers(scope));
  LATHE_TRY(add_inputs(scope));
  for (int i : LATHE_TRY(node_order(model_.graph()))) {
    LATHE_TRY(add_node(model_.graph().node(i), scope));
  }
  LATHE_TRY(add_outputs(scope));
  return std::move(draft_);
}

}  // namespace lathe
