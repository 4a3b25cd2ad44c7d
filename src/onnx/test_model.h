// SPDX-License-Identifier: Apache-2.0
#pragma once
// Builds small ONNX models in tests, and loads them.
//
//   TestModel m(17);
//   m.input("x", 1, {2, 3}).node("Relu", {"x"}, {"y"}).output("y");
//   Result<Graph> g = m.load();
#include <initializer_list>
#include <string>
#include <vector>

#include "base/budget.h"
#include "graph/interpret.h"
#include "onnx/load.h"
#include "onnx/onnx.pb.h"

namespace lathe {

class TestModel {
 public:
  explicit TestModel(int64_t opset) {
    proto.set_ir_version(8);
    proto.add_opset_import()->set_version(opset);
    proto.mutable_graph()->set_name("test");
  }

  // Element types are ONNX's codes: 1 float, 7 int64. Negative sizes are dim_param "N", "M", ...
  TestModel& input(const std::string& name, int type, const std::vector<int64_t>& sizes) {
    auto* value = proto.mutable_graph()->add_input();
    value->set_name(name);
    auto* tensor = value->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    tensor->mutable_shape();
    for (int64_t s : sizes) {
      auto* dim = tensor->mutable_shape()->add_dim();
      if (s >= 0)
        dim->set_dim_value(s);
      else
        dim->set_dim_param(std::string(1, static_cast<char>('N' - s - 1)));
    }
    return *this;
  }
  TestModel& output(const std::string& name) {
    proto.mutable_graph()->add_output()->set_name(name);
    return *this;
  }
  lathe_onnx::TensorProto& tensor(const std::string& name, int type,
                                  const std::vector<int64_t>& sizes) {
    auto* t = proto.mutable_graph()->add_initializer();
    t->set_name(name);
    t->set_data_type(type);
    for (int64_t s : sizes) t->add_dims(s);
    return *t;
  }
  TestModel& ints(const std::string& name, const std::vector<int64_t>& values) {
    auto& t = tensor(name, 7, {static_cast<int64_t>(values.size())});
    for (int64_t v : values) t.add_int64_data(v);
    return *this;
  }
  TestModel& floats(const std::string& name, const std::vector<int64_t>& sizes,
                    const std::vector<float>& values) {
    auto& t = tensor(name, 1, sizes);
    for (float v : values) t.add_float_data(v);
    return *this;
  }
  TestModel& node(const std::string& type, const std::vector<std::string>& in,
                  const std::vector<std::string>& out) {
    auto* n = proto.mutable_graph()->add_node();
    n->set_op_type(type);
    n->set_name("my_" + type);
    for (const auto& name : in) n->add_input(name);
    for (const auto& name : out) n->add_output(name);
    return *this;
  }
  // Attributes of the node added last.
  lathe_onnx::AttributeProto& attribute(const std::string& name, int type) {
    auto* g = proto.mutable_graph();
    auto* a = g->mutable_node(g->node_size() - 1)->add_attribute();
    a->set_name(name);
    a->set_type(type);
    return *a;
  }
  TestModel& attr(const std::string& name, int64_t value) {
    attribute(name, 2).set_i(value);
    return *this;
  }
  TestModel& attr_ints(const std::string& name, const std::vector<int64_t>& values) {
    auto& a = attribute(name, 7);
    for (int64_t v : values) a.add_ints(v);
    return *this;
  }

  Result<Graph> load(const LoadOptions& options = {}, BudgetLimits limits = {}) const {
    const std::string bytes = proto.SerializeAsString();
    Budget budget(limits);
    return load_onnx(std::as_bytes(std::span<const char>(bytes)), nullptr, budget, options);
  }
  // The message of the failure, or "loaded".
  std::string error() const {
    Result<Graph> g = load();
    return g.ok() ? "loaded" : g.status().message();
  }

  lathe_onnx::ModelProto proto;
};

}  // namespace lathe
