// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "compiler/stages.h"

namespace lathe {
namespace {

// Pairs that may share memory at the tuned point; a session asks its own tactics again.
void allow_in_place(Step& step, const OpInstance& op, const Tactic& tactic) {
  step.in_place.clear();
  if (tactic.may_alias == nullptr) return;
  for (size_t o = 0; o < step.out.size() && o <= INT8_MAX; ++o) {
    for (size_t k = 0; k < step.in.size() && k <= INT8_MAX; ++k) {
      if (step.in[k] < 0 || (k < 64 && step.op.is_constant(static_cast<int>(k)))) continue;
      if (tactic.may_alias(op, static_cast<int>(k), static_cast<int>(o)))
        step.in_place.emplace_back(static_cast<int8_t>(o), static_cast<int8_t>(k));
    }
  }
}

}  // namespace

bool is_as_fast(const Stage& stage, std::span<const Chain> chains, const ChainWords& words,
                std::string& why) {
  constexpr double kTie = 1.03;
  std::vector<double> seconds;
  if (!stage.tuner.fastest(chains, &seconds).ok()) return false;
  if (seconds[0] <= seconds[1] * kTie) return true;
  why += fmt::format("{}: {:.1f} us {}, {:.1f} us {}; ", words.refused, seconds[0] * 1e6,
                     words.first, seconds[1] * 1e6, words.second);
  return false;
}

Status choose_tactics(Plan& plan, const Stage& stage) {
  std::map<std::vector<std::byte>, int32_t> blobs;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    LATHE_TRY(stage.progress.tick("tune",
                                  static_cast<double>(i) / static_cast<double>(plan.steps.size())));
    Step& step = plan.steps[i];
    const std::string where = fmt::format("node '{}' ({})", step.name, step.op.def->name);
    Result<OpInstance> op = at_point(step, stage.point);
    if (!op.ok()) return std::move(op).status().at(where);
    Result<Choice> choice = stage.tuner.choose(*op, constants_of(plan, step));
    if (!choice.ok()) return std::move(choice).status().at(where);
    step.tactic = choice->tactic->name;
    step.config = choice->config;
    step.on_host = choice->on_host;
    step.seconds = choice->seconds;
    step.measured = choice->measured;
    step.why = choice->why + step.why;
    step.certificate = choice->certificate;
    if (!choice->blob.empty()) {
      const auto [it, fresh] =
          blobs.try_emplace(choice->blob, static_cast<int32_t>(plan.blobs.size()));
      if (fresh) plan.blobs.push_back(choice->blob);
      step.blob = it->second;
    }
    allow_in_place(step, *op, *choice->tactic);
  }
  return {};
}

}  // namespace lathe
