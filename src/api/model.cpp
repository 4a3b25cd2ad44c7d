// SPDX-License-Identifier: Apache-2.0
// Models as the public API shows them: reading, describing.
#include <unistd.h>

#include <filesystem>

#include "api/api_state.h"
#include "api/model_state.h"
#include "compiler/compiler.h"
#include "custom/operators.h"
#include "onnx/node_import.h"

namespace lathe {

BudgetLimits model_limits(int64_t bytes) {
  const auto pages = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
  BudgetLimits l;
  l.bytes = bytes >= 0 ? bytes : pages * page / 2;
  l.nodes = 1 << 20;
  return l;
}

Result<Graph> lower_model(const ModelState& model, const LoadOptions& options,
                          int64_t budget_bytes) {
  Budget budget(model_limits(budget_bytes));
  return lower(model.draft, budget, options);
}

Result<Model> Model::load(const std::string& path, const ModelOptions& options) {
  auto state = std::make_shared<ModelState>();
  auto custom = LATHE_TRY(CustomOperators::open(options.ops, options.plugins));
  state->name = std::filesystem::path(path).filename().string();
  Budget budget(model_limits(options.memory_budget_bytes));
  state->draft = LATHE_TRY(read_onnx_file(path, budget, &state->nodes, std::move(custom)));
  Result<Graph> graph = lower(state->draft, budget);
  if (!graph.ok()) return std::move(graph).status().at(path);
  state->graph = *std::move(graph);
  Model model;
  model.state_ = std::move(state);
  return model;
}

Result<Model> Model::parse(std::span<const std::byte> onnx, std::string name,
                           const ModelOptions& options) {
  auto state = std::make_shared<ModelState>();
  auto custom = LATHE_TRY(CustomOperators::open(options.ops, options.plugins));
  state->name = std::move(name);
  Budget budget(model_limits(options.memory_budget_bytes));
  state->draft = LATHE_TRY(read_onnx(onnx, nullptr, budget, &state->nodes, std::move(custom)));
  state->graph = LATHE_TRY(lower(state->draft, budget));
  Model model;
  model.state_ = std::move(state);
  return model;
}

std::vector<PortInfo> Model::inputs() const {
  std::vector<PortInfo> infos;
  if (state_ == nullptr) return infos;
  for (const GraphPort& p : state_->graph.inputs) infos.push_back(port_info(p.name, p.value->type));
  return infos;
}

std::vector<PortInfo> Model::outputs() const {
  std::vector<PortInfo> infos;
  if (state_ == nullptr) return infos;
  for (const GraphPort& p : state_->graph.outputs)
    infos.push_back(port_info(p.name, p.value->type));
  return infos;
}

int Model::node_count() const { return state_ == nullptr ? 0 : state_->nodes; }

bool Model::has_control_flow() const {
  return state_ != nullptr && !control_flow(state_->graph).empty();
}

std::vector<std::string> onnx_operators() {
  const std::vector<std::string_view> names = imported_operators();
  return {names.begin(), names.end()};
}

}  // namespace lathe
