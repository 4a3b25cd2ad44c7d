// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_import.h"

#include <algorithm>

#include "onnx/import_state.h"
#include "onnx/names.h"
#include "onnx/tensor_proto.h"

namespace lathe {
namespace {

// The attribute when it is a T; one of another kind is recorded as the node's error.
template <class T>
const T* find(NodeState& n, std::string_view name) {
  static const T kEmpty{};
  n.asked_for.emplace(name);
  auto it = n.attributes.find(name);
  if (it == n.attributes.end()) return nullptr;
  const OnnxAttribute& a = *it->second;
  if (const T* value = std::get_if<T>(&a)) return value;
  constexpr bool kList = std::is_same_v<T, Ints> || std::is_same_v<T, Floats> ||
                         std::is_same_v<T, std::vector<std::string>>;
  if (kList && std::holds_alternative<std::monostate>(a)) return &kEmpty;
  if (n.bad_attribute.ok()) {
    n.bad_attribute =
        invalid("attribute '{}' is {}, not {}", name, kind_name(a), kind_name(T(kEmpty)));
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

bool NodeImport::has(std::string_view name) const {
  state_.asked_for.emplace(name);
  return state_.attributes.contains(name);
}

int64_t NodeImport::i(std::string_view name, int64_t fallback) const {
  const int64_t* a = find<int64_t>(state_, name);
  return a ? *a : fallback;
}

double NodeImport::f(std::string_view name, double fallback) const {
  const double* a = find<double>(state_, name);
  return a ? *a : fallback;
}

std::string NodeImport::s(std::string_view name, std::string_view fallback) const {
  const std::string* a = find<std::string>(state_, name);
  return a ? *a : std::string(fallback);
}

Ints NodeImport::ints(std::string_view name, Ints fallback) const {
  const Ints* a = find<Ints>(state_, name);
  return a ? *a : fallback;
}

Floats NodeImport::floats(std::string_view name, Floats fallback) const {
  const Floats* a = find<Floats>(state_, name);
  return a ? *a : fallback;
}

std::vector<std::string> NodeImport::strings(std::string_view name) const {
  const auto* a = find<std::vector<std::string>>(state_, name);
  return a ? *a : std::vector<std::string>();
}

Result<HostTensor> NodeImport::tensor(std::string_view name) const {
  state_.asked_for.emplace(name);
  auto it = state_.attributes.find(name);
  if (it == state_.attributes.end()) return invalid("attribute '{}' is missing", name);
  const auto* unread = std::get_if<UnreadAttribute>(it->second.get());
  if (unread && !unread->why.ok()) return unread->why;
  const HostTensor* a = find<HostTensor>(state_, name);
  return a ? Result<HostTensor>(*a) : state_.bad_attribute;
}

Result<DType> NodeImport::dtype(std::string_view name, DType fallback) const {
  const int64_t* a = find<int64_t>(state_, name);
  if (!a || *a == 0) return fallback;
  return dtype_from_onnx(*a);
}

Result<NodeGraphs*> NodeImport::graphs() const {
  if (state_.graphs != nullptr) return state_.graphs;
  return unsupported("it has no graphs inside");
}

void NodeImport::without_effect(std::initializer_list<std::string_view> names) const {
  for (std::string_view name : names) state_.asked_for.emplace(name);
}

Status NodeImport::attributes() const { return state_.bad_attribute; }

Result<Node*> NodeImport::add_node(std::string_view op, std::vector<Value*> operands, Attrs attrs) {
  LATHE_TRY(attributes());
  return state_.import.append(op, std::move(operands), std::move(attrs), state_.name);
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
