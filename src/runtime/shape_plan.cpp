// SPDX-License-Identifier: Apache-2.0
#include "runtime/shape_plan.h"

#include <algorithm>

namespace lathe {
namespace {

bool reads_plain(const Prepared& p, size_t operand) {
  return operand >= 64 || ((p.plain_constants >> operand) & 1);
}

// Constants that some launch reads where they are; the others were packed.
std::vector<bool> constants_in_use(const Plan& plan, const ShapePlan& shape) {
  std::vector<bool> used(plan.constants.size(), false);
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    for (size_t k = 0; k < plan.steps[s].in.size(); ++k) {
      const TensorId t = plan.steps[s].in[k];
      if (t < 0 || !reads_plain(*shape.steps[s].prepared, k)) continue;
      const int32_t c = plan.tensors[static_cast<size_t>(t)].constant;
      if (c >= 0) used[static_cast<size_t>(c)] = true;
    }
  }
  for (const PlanPort& p : plan.outputs) {
    const int32_t c =
        plan.tensors[static_cast<size_t>(shape.memory.root[static_cast<size_t>(p.tensor)])]
            .constant;
    if (c >= 0) used[static_cast<size_t>(c)] = true;
  }
  return used;
}

}  // namespace

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
  engine.release_packed(constants_in_use(plan, *shape));
  return shape;
}

}  // namespace lathe
