// SPDX-License-Identifier: Apache-2.0
#include "runtime/shape_plan.h"

#include <algorithm>

namespace lathe {
Result<std::unique_ptr<ShapePlan>> resolve(LoadedEngine::State& engine, std::vector<Shape> inputs,
                                           int threads) {
  const Plan& plan = engine.plan;
  auto shape = std::make_unique<ShapePlan>();
  const Bindings symbols = LATHE_TRY(bind_symbols(plan, inputs));
  shape->inputs = std::move(inputs);
  shape->memory = LATHE_TRY(plan_memory(plan, symbols));
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
    shape->steps.push_back(*std::move(p));
  }
  return shape;
}

}  // namespace lathe
