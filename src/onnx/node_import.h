// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an importer sees of one ONNX node: its operands as Values, its attributes, and the means to
// emit Lathe's operators in its place. An importer is one function, listed in importers.def.
//
//   Status import_lrn(NodeImport& n) {
//     Value* x = LATHE_TRY(n.need(0, "X"));
//     return n.result(LATHE_TRY(n.add("Lrn", {x}, Attrs().set("alpha", n.f("alpha", 1e-4)))));
//   }
//
// Attribute readers return the default when the attribute is absent or has another type; in the
// second case the import of the node fails at the next add() or result().
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "graph/graph.h"

namespace lathe {

class NodeGraphs;
struct NodeState;

class NodeImport {
 public:
  explicit NodeImport(NodeState& state) : state_(state) {}

  std::string_view type() const;  // "Gemm"
  int opset() const;              // of the node's domain
  size_t operand_count() const;   // absent ones at the end not counted
  size_t output_count() const;    // unnamed ones at the end not counted
  bool wants(size_t output) const;
  Value* in(size_t k) const;  // null: absent
  Result<Value*> need(size_t k, std::string_view what) const;

  bool has(std::string_view attribute) const;
  int64_t i(std::string_view attribute, int64_t fallback) const;
  double f(std::string_view attribute, double fallback) const;
  std::string s(std::string_view attribute, std::string_view fallback) const;
  Ints ints(std::string_view attribute, Ints fallback = {}) const;
  Floats floats(std::string_view attribute, Floats fallback = {}) const;
  std::vector<std::string> strings(std::string_view attribute) const;
  Result<HostTensor> tensor(std::string_view attribute) const;
  // An attribute that holds a TensorProto.DataType.
  Result<DType> dtype(std::string_view attribute, DType fallback) const;

  // The graphs inside an If, Loop or Scan (import_graphs.h).
  Result<NodeGraphs*> graphs() const;

  // Says that these attributes change nothing here, as they are of training or of a type that is
  // not narrowed. Any other that the importer never asks for is warned of.
  void without_effect(std::initializer_list<std::string_view> names) const;

  // Elements of an integer operand known before the model runs: as dimension expressions, as
  // numbers, and any operand that folds to a tensor. `what` names it in the error.
  Result<Dims> dims_of(size_t k, std::string_view what) const;
  // The same where they are sizes, so that they compare equal with the sizes that inference finds:
  // a division is a floor, and its numerator may not be negative when the model runs.
  Result<Dims> sizes_of(size_t k, std::string_view what) const;
  Result<Ints> ints_of(size_t k, std::string_view what) const;
  Result<HostTensor> constant_of(size_t k, std::string_view what) const;
  std::optional<HostTensor> fold(const Value* value) const;

  // Output 0 of a new node, or the node.
  Result<Value*> add(std::string_view op, std::vector<Value*> operands, Attrs attrs = {});
  Result<Node*> add_node(std::string_view op, std::vector<Value*> operands, Attrs attrs = {});
  Value* constant(HostTensor value);
  // A scalar of a number type.
  Value* scalar(DType type, double value);
  Value* ints_constant(const Ints& values);
  // The tensor of these dimension expressions: a constant where all are, else Dims.
  Result<Value*> dims_value(Dims values, Shape shape, DType type = DType::I64);

  // Elementwise: `body` is the text of an Expr in which %0, %1, .. stand for the operands and $ for
  // the element type of operand 0: "max(%0, 0:$)".
  Result<Value*> pointwise(std::string_view body, std::vector<Value*> operands);
  // The same, with F16 and BF16 operands widened to F32 first and the result narrowed: for
  // formulas of several steps, which would lose digits at each.
  Result<Value*> wide_pointwise(std::string_view body, std::vector<Value*> operands);
  Result<Value*> cast(Value* x, DType to);
  Result<Value*> reshape(Value* x, Dims shape);
  Result<Value*> transpose(Value* x, Ints perm);

  Status result(Value* value, size_t output = 0);
  // The Status of this node's attributes so far.
  Status attributes() const;

 private:
  NodeState& state_;
};

using Importer = Status (*)(NodeImport&);
// The importer of an operator of the default domain, or null.
Importer find_importer(std::string_view type);
// Every ONNX operator that importers.def lists, in its order.
std::vector<std::string_view> imported_operators();

}  // namespace lathe
