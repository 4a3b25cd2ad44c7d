// SPDX-License-Identifier: Apache-2.0
// compose_movements: chains of Reshape and Transpose, which exporters write to split heads, swap
// them and merge them again, become at most one Transpose, often none.
//   Transpose(Transpose(x))  ->  Transpose(x);   Reshape(Reshape(x))  ->  Reshape(x)
//   Reshape(Transpose(Reshape(x)))  ->  Reshape(x)    where no element changes its place
#include <algorithm>

#include "passes/match.h"
#include "passes/movement.h"
#include "passes/pass.h"

namespace lathe {
namespace {

// The end of a chain is where nobody can go on with it.
bool ends_chain(const Node& n) {
  const Value* y = n.out();
  if (y->output_uses > 0) return true;
  return !std::all_of(y->readers.begin(), y->readers.end(), is_movement);
}

// Transposes cost a pass over memory, Reshapes nothing.
struct Price {
  int transposes = 0, nodes = 0;
  friend auto operator<=>(const Price&, const Price&) = default;
};

struct Chain {
  std::vector<Node*> nodes;  // first to last
  Value* source() const { return nodes.front()->in(0); }
};

// The price of what the rewritten chain lets go: nodes that nothing else reads.
Price dying(const Chain& c) {
  Price p;
  for (size_t k = c.nodes.size(); k-- > 0;) {
    if (k + 1 < c.nodes.size() && !c.nodes[k]->out()->read_once()) break;
    p.transposes += c.nodes[k]->is("Transpose");
    ++p.nodes;
  }
  return p;
}

Price price_of_plan(const Movement::Plan& plan, const Shape& from, const Shape& to) {
  if (plan.is_reshape()) return {0, from == to ? 0 : 1};
  Shape moved;
  for (int64_t p : plan.perm) moved.push_back(plan.factors[static_cast<int>(p)]);
  return {1, 1 + (plan.factors == from ? 0 : 1) + (moved == to ? 0 : 1)};
}

// The longest chain that ends at `last` and is cheaper rewritten.
Status compose(Rewriter& rw, Node* last) {
  Chain chain{{last}};
  std::optional<Chain> best;
  std::optional<Movement::Plan> best_plan;
  constexpr size_t kMaxChain = 32;
  for (;;) {
    Movement m(chain.source()->type.shape);
    if (!std::all_of(chain.nodes.begin(), chain.nodes.end(),
                     [&](const Node* n) { return follow(*n, m); })) {
      break;
    }
    Movement::Plan plan = m.plan();
    const Price after = price_of_plan(plan, chain.source()->type.shape, last->out()->type.shape);
    if (after < dying(chain)) best = chain, best_plan = std::move(plan);
    Node* previous = chain.source()->producer;
    if (!is_movement(previous) || chain.nodes.size() == kMaxChain) break;
    chain.nodes.insert(chain.nodes.begin(), previous);
  }
  if (!best) return {};
  rw.before(last);
  rw.replace(last->out(), LATHE_TRY(add_movement(rw, best->source(), *best_plan,
                                                 last->out()->type.shape, last->name)));
  return {};
}

Result<bool> run_compose_movements(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* n : graph.nodes()) {
    if (is_movement(n) && !is_dead(*n) && ends_chain(*n)) LATHE_TRY(compose(rw, n));
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_compose_movements() {
  static constexpr Pass pass{
      .name = "compose_movements",
      .doc =
          "A chain of Reshape and Transpose becomes at most Reshape, Transpose, Reshape, and "
          "only a Reshape (or nothing) where no element changes its place.",
      .run = run_compose_movements};
  return pass;
}

}  // namespace lathe
