// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_import.h"

#include <algorithm>

#include "onnx/external_data.h"
#include "onnx/import_state.h"
#include "onnx/names.h"
#include "onnx/tensor_proto.h"

namespace lathe {
namespace {

using lathe_onnx::AttributeProto;

// AttributeProto.AttributeType, as published.
enum AttributeKind {
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kFloats = 6,
  kInts = 7,
  kStrings = 8
};

const char* kind_name(int kind) {
  switch (kind) {
    case kFloat: return "a float";
    case kInt: return "an integer";
    case kString: return "a string";
    case kTensor: return "a tensor";
    case kFloats: return "a list of floats";
    case kInts: return "a list of integers";
    case kStrings: return "a list of strings";
    default: return "another kind of value";
  }
}

// Old files leave the type out: then the field that is set says it.
int kind_of(const AttributeProto& a) {
  if (a.type() != 0) return a.type();
  if (a.has_f()) return kFloat;
  if (a.has_i()) return kInt;
  if (a.has_s()) return kString;
  if (a.has_t()) return kTensor;
  if (a.floats_size() > 0) return kFloats;
  if (a.ints_size() > 0) return kInts;
  return a.strings_size() > 0 ? kStrings : 0;
}

// The attribute when it has this kind; one of another kind is recorded as the node's error.
const AttributeProto* find(NodeState& n, std::string_view name, int kind) {
  auto it = n.attributes.find(name);
  if (it == n.attributes.end()) return nullptr;
  const AttributeProto& a = *it->second;
  const int have = kind_of(a);
  // A list that is empty may come without a type.
  if (have == kind || (have == 0 && kind >= kFloats)) return &a;
  if (n.bad_attribute.ok()) {
    n.bad_attribute =
        invalid("attribute '{}' is {}, not {}", name, kind_name(have), kind_name(kind));
  }
  return nullptr;
}

}  // namespace

std::string_view NodeImport::type() const { return state_.type; }
int NodeImport::opset() const { return state_.opset; }
size_t NodeImport::operand_count() const { return state_.operands.size(); }
size_t NodeImport::output_count() const { return state_.wanted.size(); }
bool NodeImport::wants(size_t k) const { return k < state_.wanted.size() && state_.wanted[k]; }

Value* NodeImport::in(size_t k) const {
  return k < state_.operands.size() ? state_.operands[k] : nullptr;
}

Result<Value*> NodeImport::need(size_t k, std::string_view what) const {
  if (Value* v = in(k)) return v;
  return invalid("operand {} ({}) is missing", k, what);
}

bool NodeImport::has(std::string_view name) const { return state_.attributes.contains(name); }

int64_t NodeImport::i(std::string_view name, int64_t fallback) const {
  const AttributeProto* a = find(state_, name, kInt);
  return a ? a->i() : fallback;
}

double NodeImport::f(std::string_view name, double fallback) const {
  const AttributeProto* a = find(state_, name, kFloat);
  return a ? static_cast<double>(a->f()) : fallback;
}

std::string NodeImport::s(std::string_view name, std::string_view fallback) const {
  const AttributeProto* a = find(state_, name, kString);
  return a ? a->s() : std::string(fallback);
}

Ints NodeImport::ints(std::string_view name, Ints fallback) const {
  const AttributeProto* a = find(state_, name, kInts);
  return a ? Ints(a->ints().begin(), a->ints().end()) : fallback;
}

Floats NodeImport::floats(std::string_view name, Floats fallback) const {
  const AttributeProto* a = find(state_, name, kFloats);
  return a ? Floats(a->floats().begin(), a->floats().end()) : fallback;
}

std::vector<std::string> NodeImport::strings(std::string_view name) const {
  const AttributeProto* a = find(state_, name, kStrings);
  if (!a) return {};
  return {a->strings().begin(), a->strings().end()};
}

Result<HostTensor> NodeImport::tensor(std::string_view name) const {
  const AttributeProto* a = find(state_, name, kTensor);
  if (!a) return invalid("attribute '{}' is missing", name);
  return copy_tensor_proto(a->t(), state_.import.external);
}

Result<DType> NodeImport::dtype(std::string_view name, DType fallback) const {
  const AttributeProto* a = find(state_, name, kInt);
  if (!a || a->i() == 0) return fallback;
  return dtype_from_onnx(a->i());
}

Status NodeImport::attributes() const { return state_.bad_attribute; }

Result<Node*> NodeImport::add_node(std::string_view op, std::vector<Value*> operands, Attrs attrs) {
  LATHE_TRY(attributes());
  Result<Node*> node = state_.import.append(op, std::move(operands), std::move(attrs), state_.name);
  if (!node.ok()) state_.located = true;
  return node;
}

Result<Value*> NodeImport::add(std::string_view op, std::vector<Value*> operands, Attrs attrs) {
  return LATHE_TRY(add_node(op, std::move(operands), std::move(attrs)))->out();
}

Value* NodeImport::constant(HostTensor value) {
  return state_.import.graph.constant(std::move(value));
}

Value* NodeImport::scalar(DType type, double value) {
  HostTensor t = *HostTensor::make({type, {}});
  t.set_f64(0, value);
  return constant(std::move(t));
}

Value* NodeImport::ints_constant(const Ints& values) {
  return constant(HostTensor::of<int64_t>({static_cast<int64_t>(values.size())},
                                          std::span<const int64_t>(values)));
}

Result<Value*> NodeImport::dims_value(Dims values, Shape shape, DType type) {
  const bool known =
      std::all_of(values.begin(), values.end(), [](const Dim& d) { return d.is_constant(); });
  if (!known) {
    return add(
        "Dims", {},
        Attrs().set("values", std::move(values)).set("shape", shape.sizes()).set("dtype", type));
  }
  HostTensor t = LATHE_TRY(HostTensor::make({type, std::move(shape)}));
  for (size_t k = 0; k < values.size(); ++k) t.set_i64(static_cast<int64_t>(k), values[k].value());
  return constant(std::move(t));
}

Result<Value*> NodeImport::cast(Value* x, DType to) {
  if (x->type.dtype == to) return x;
  return pointwise(fmt::format("cast(%0, {})", to_string(to)), {x});
}

Result<Value*> NodeImport::reshape(Value* x, Dims shape) {
  if (x->type.shape == Shape(shape)) return x;
  return add("Reshape", {x}, Attrs().set("shape", std::move(shape)));
}

Result<Value*> NodeImport::transpose(Value* x, Ints perm) {
  if (std::is_sorted(perm.begin(), perm.end())) return x;
  return add("Transpose", {x}, Attrs().set("perm", std::move(perm)));
}

Status NodeImport::result(Value* value, size_t output) {
  LATHE_TRY(attributes());
  if (state_.results.size() <= output) state_.results.resize(output + 1);
  state_.results[output] = value;
  return {};
}

}  // namespace lathe
