// SPDX-License-Identifier: Apache-2.0
#include "runtime/shape_plan.h"

#include <algorithm>

namespace lathe {
namespace {

// The pairs that may share memory with the tactics that are loaded: at other sizes another tactic
// may run, and a plan from a stranger may claim anything.
std::vector<std::pair<int8_t, int8_t>> allowed_pairs(const Step& step, const OpInstance& concrete,
                                                     const Tactic& tactic) {
  std::vector<std::pair<int8_t, int8_t>> pairs;
  if (tactic.may_alias == nullptr) return pairs;
  for (const auto& [o, i] : step.in_place) {
    const bool given = step.in[static_cast<size_t>(i)] >= 0;
    if (given && tactic.may_alias(concrete, i, o)) pairs.emplace_back(o, i);
  }
  return pairs;
}

}  // namespace

Result<std::unique_ptr<ShapePlan>> resolve(LoadedEngine::State& engine, std::vector<Shape> inputs,
                                           int threads) {
  const Plan& plan = engine.plan;
  auto shape = std::make_unique<ShapePlan>();
  const Bindings symbols = LATHE_TRY(bind_symbols(plan, inputs));
  for (const Constraint& c : plan.constraints) LATHE_TRY(c.check(symbols));
  shape->inputs = std::move(inputs);
  InPlacePairs in_place;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const std::string where = fmt::format("step '{}'", plan.steps[s].name);
    Result<OpInstance> concrete = plan.steps[s].op.evaluate(symbols);
    if (!concrete.ok()) return std::move(concrete).status().at(where);
    Result<PreparedStep> p = engine.prepare(static_cast<int>(s), *concrete, threads);
    if (!p.ok()) return std::move(p).status().at(where);
    shape->workspace =
        std::max(shape->workspace, static_cast<int64_t>(p->prepared->workspace_bytes));
    shape->capturable = shape->capturable && p->prepared->capturable && !plan.steps[s].on_host;
    shape->in.emplace_back(plan.steps[s].in.size(), nullptr);
    shape->out.emplace_back(plan.steps[s].out.size(), nullptr);
    in_place.push_back(allowed_pairs(plan.steps[s], *concrete, *p->tactic));
    shape->steps.push_back(*std::move(p));
  }
  shape->memory = LATHE_TRY(plan_memory(plan, symbols, &in_place));
  return shape;
}

}  // namespace lathe
