// SPDX-License-Identifier: Apache-2.0
// sink_transposes: a transpose in front of a product with a matrix, or of an expression of one
// operand, commutes with it. It goes behind where it meets another one and both together become
// fewer.
//   Transpose(MatMul(Transpose(x), w))  ->  MatMul(x, w)     rows in another order
#include <algorithm>

#include "passes/match.h"
#include "passes/movement.h"
#include "passes/pass.h"

namespace lathe {
namespace {

// A product whose rows are independent of each other.
bool is_row_wise(const Node& n) {
  return n.is("MatMul") && n.in(1)->type.rank() == 2 && n.op.attrs.i("transpose_a") == 0 &&
         (!n.in(2) || n.in(2)->type.rank() <= 1);
}

std::optional<Movement> movement_of(const std::vector<Node*>& chain) {
  Movement m(chain.front()->in(0)->type.shape);
  const bool all = std::all_of(chain.begin(), chain.end(), [&](Node* n) { return follow(*n, m); });
  return all ? std::optional(std::move(m)) : std::nullopt;
}

struct Site {
  Node* node;
  std::vector<Node*> front, back;
  Value* source() const { return front.front()->in(0); }
  Node* last() const { return back.back(); }
  int price() const { return count_transposes(front) + count_transposes(back); }
};

// back after the order of rows, from a tensor of `from`.
std::optional<Movement> behind(const Site& s, const Shape& from, const std::vector<int64_t>& perm) {
  Movement m(from);
  m.transpose(perm);
  if (!m.reshape(s.node->out()->type.shape)) return {};
  const bool all =
      std::all_of(s.back.begin(), s.back.end(), [&](Node* n) { return follow(*n, m); });
  return all ? std::optional(std::move(m)) : std::nullopt;
}

int price_of(const Movement& m) { return m.plan().is_reshape() ? 0 : 1; }

Status sink_rows(Rewriter& rw, const Site& s) {
  std::optional<Movement> front = movement_of(s.front);
  if (!front) return {};
  const std::vector<int64_t> perm = front->sort_rows();
  const Shape in = front->shape();
  if (in.rank() < 2) return {};
  Shape out = in;
  out[out.rank() - 1] = s.node->out()->type.shape[s.node->out()->type.rank() - 1];
  const std::optional<Movement> back = behind(s, out, perm);
  if (!back || price_of(*front) + price_of(*back) >= s.price()) return {};
  rw.before(s.last());
  Value* x = LATHE_TRY(add_movement(rw, s.source(), front->plan(), in, s.node->name));
  std::vector<Value*> operands = s.node->operands;
  operands[0] = x;
  Value* y = LATHE_TRY(rw.add("MatMul", std::move(operands), s.node->op.attrs, s.node->name));
  const Shape to = s.last()->out()->type.shape;
  rw.replace(s.last()->out(), LATHE_TRY(add_movement(rw, y, back->plan(), to, s.last()->name)));
  return {};
}

Status sink_elements(Rewriter& rw, const Site& s) {
  std::vector<Node*> whole = s.front;
  whole.insert(whole.end(), s.back.begin(), s.back.end());
  const std::optional<Movement> m = movement_of(whole);
  if (!m || price_of(*m) >= s.price()) return {};
  rw.before(s.last());
  Value* y = LATHE_TRY(rw.add("Pointwise", {s.source()}, s.node->op.attrs, s.node->name));
  const Shape to = s.last()->out()->type.shape;
  rw.replace(s.last()->out(), LATHE_TRY(add_movement(rw, y, m->plan(), to, s.last()->name)));
  return {};
}

Result<bool> run_sink_transposes(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) {
    const bool rows = is_row_wise(*node),
               elements = pointwise_expr(node) && node->operands.size() == 1;
    if ((!rows && !elements) || is_dead(*node)) continue;
    const Site site{node, chain_to(node->in(0)), chain_from(node->out())};
    if (site.front.empty() || site.back.empty()) continue;
    LATHE_TRY(rows ? sink_rows(rw, site) : sink_elements(rw, site));
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_sink_transposes() {
  static constexpr Pass pass{
      .name = "sink_transposes",
      .doc =
          "A transpose of the rows in front of a product with a matrix, or in front of an "
          "expression, goes behind it where it and the transposes there become fewer.",
      .run = run_sink_transposes};
  return pass;
}

}  // namespace lathe
