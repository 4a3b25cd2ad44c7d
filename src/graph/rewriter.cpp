// SPDX-License-Identifier: Apache-2.0
#include "graph/rewriter.h"

#include <algorithm>

#include "graph/graph_state.h"

namespace lathe {

Result<Node*> Rewriter::add_node(std::string_view op, std::vector<Value*> operands, Attrs attrs,
                                 std::string_view node_name) {
  return graph_.append(op, std::move(operands), std::move(attrs), node_name, at_);
}

Result<Value*> Rewriter::add(std::string_view op, std::vector<Value*> operands, Attrs attrs,
                             std::string_view node_name) {
  return LATHE_TRY(add_node(op, std::move(operands), std::move(attrs), node_name))->out();
}

Value* Rewriter::constant(HostTensor value, std::string_view name) {
  return graph_.constant(std::move(value), name, at_);
}

Result<Value*> Rewriter::pointwise(Expr expr, std::vector<Value*> operands,
                                   std::string_view node_name) {
  return add("Pointwise", std::move(operands), Attrs().set("expr", std::move(expr)), node_name);
}

Result<Value*> Rewriter::pointwise(std::string_view text, std::vector<Value*> operands,
                                   std::string_view node_name) {
  return pointwise(LATHE_TRY(Expr::parse(text)), std::move(operands), node_name);
}

void Rewriter::replace(Value* old_value, Value* new_value) {
  if (old_value == new_value) return;
  LATHE_CHECK(old_value->type == new_value->type);
  ++changes_;
  for (Node* reader : std::exchange(old_value->readers, {})) {
    // A node that reads twice stands twice in the list; its first visit moves both slots.
    for (Value*& operand : reader->operands) {
      if (operand != old_value) continue;
      operand = new_value;
      Graph::State::add_reader(new_value, reader);
    }
    reader->op.constant_in = constant_mask(*reader);
  }
  for (GraphPort& port : graph_.outputs) {
    if (port.value == old_value) port.value = new_value;
  }
  new_value->output_uses += std::exchange(old_value->output_uses, 0);
  if (!new_value->contents) new_value->contents = old_value->contents;
  if (is_made_up(new_value->name) && new_value->producer && !is_made_up(old_value->name)) {
    std::string name = old_value->name;
    graph_.rename(old_value, "");
    graph_.rename(new_value, name);
  }
}

void Rewriter::set_operand(Node* node, size_t k, Value* value) {
  Value*& operand = node->operands[k];
  if (operand == value) return;
  LATHE_CHECK(operand && value && operand->type == value->type);
  ++changes_;
  Graph::State::remove_reader(operand, node);
  operand = value;
  Graph::State::add_reader(value, node);
  node->op.constant_in = constant_mask(*node);
}

void Rewriter::erase(Node* node) {
  for (const Value* v : node->outputs) LATHE_CHECK(v->readers.empty() && v->output_uses == 0);
  ++changes_;
  if (at_ == node) at_ = slot(node)->next;
  for (Value* v : node->operands) Graph::State::remove_reader(v, node);
  graph_.state_->unlink_and_delete(slot(node));
}

void Rewriter::erase_unread_captures(Node* node) {
  const size_t first = node->first_capture();
  for (size_t k = node->operands.size(); k-- > first;) {
    const size_t from_end = node->operands.size() - k;
    const bool unread = std::all_of(node->regions.begin(), node->regions.end(), [&](auto& region) {
      const Value* v = region->inputs[region->inputs.size() - from_end].value;
      return v->readers.empty() && v->output_uses == 0;
    });
    if (!unread) continue;
    ++changes_;
    for (auto& region : node->regions) region->erase_input(region->inputs.size() - from_end);
    Graph::State::remove_reader(node->operands[k], node);
    node->operands.erase(node->operands.begin() + static_cast<long>(k));
    node->op.in.erase(node->op.in.begin() + static_cast<long>(k));
    node->op.constant_in = constant_mask(*node);
  }
}

// Last to first: a node's readers come after it, so one walk finds all.
bool Rewriter::erase_dead() {
  const int before = changes_;
  for (NodeSlot* n = graph_.state_->tail; n;) {
    NodeSlot* prev = n->prev;
    const bool dead = std::all_of(n->outputs.begin(), n->outputs.end(), [](const Value* v) {
      return v->readers.empty() && v->output_uses == 0;
    });
    if (dead) {
      erase(n);
    } else if (!n->regions.empty()) {
      erase_unread_captures(n);
    }
    n = prev;
  }
  return changes_ != before;
}

}  // namespace lathe
