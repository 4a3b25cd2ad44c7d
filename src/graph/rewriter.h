// SPDX-License-Identifier: Apache-2.0
#pragma once
// The only way to edit a graph. A Rewriter keeps uses, order and names right, and counts changes.
//
//   Rewriter rw(graph);
//   rw.before(conv);                                  // new nodes go in front of conv
//   Value* y = LATHE_TRY(rw.add("Conv", {x, w2, b2}, conv->op.attrs, conv->name));
//   rw.replace(bn->out(), y);                         // readers and graph outputs follow
//   rw.erase_dead();                                  // nodes nobody reads any more
#include "graph/graph.h"

namespace lathe {

class Rewriter {
 public:
  explicit Rewriter(Graph& graph) : graph_(graph) {}

  void before(Node* node) { at_ = node; }  // null: at the end
  // Output 0 of a new node. add_node for operators with several outputs.
  Result<Value*> add(std::string_view op, std::vector<Value*> operands, Attrs attrs = {},
                     std::string_view node_name = "");
  Result<Node*> add_node(std::string_view op, std::vector<Value*> operands, Attrs attrs = {},
                         std::string_view node_name = "");
  Value* constant(HostTensor value, std::string_view name = "");
  // An elementwise node: `text` is an Expr ("(a:f32, b:f32) -> mul(a, b)").
  Result<Value*> pointwise(std::string_view text, std::vector<Value*> operands,
                           std::string_view node_name = "");
  Result<Value*> pointwise(Expr expr, std::vector<Value*> operands,
                           std::string_view node_name = "");

  // All readers and graph outputs of `old_value` read `new_value` instead. Types must be equal.
  // The new value takes the old one's name when that one came from the model.
  void replace(Value* old_value, Value* new_value);
  void set_operand(Node* node, size_t k, Value* value);
  void erase(Node* node);  // LATHE_CHECKs that nobody reads its outputs
  // All unread nodes, transitively, and captures that no region of their node reads.
  bool erase_dead();
  void erase_unread_captures(Node* node);
  int changes() const { return changes_; }
  Graph& graph() { return graph_; }

 private:
  Graph& graph_;
  Node* at_ = nullptr;
  int changes_ = 0;
};

}  // namespace lathe
