// SPDX-License-Identifier: Apache-2.0
// Says of every pair of neighbours that stayed two steps why they are: what fusing asked and timed
// stands there already, here is what it never came to ask.
#include <algorithm>

#include "compiler/stages.h"

namespace lathe {
namespace {

bool takes_prologue(const Step& s) {
  return s.op.def->is("Normalize") || s.op.def->is("Softmax") || s.op.def->is("Reduce");
}

class Neighbours {
 public:
  explicit Neighbours(const Plan& plan) : plan_(plan), index_(plan) {}

  // Why step s was not fused with the producer of its operand t; empty: there is none, or its
  // reason stands there.
  std::string reason(const Step& s, size_t k) const {
    const TensorId t = s.in[k];
    const int p = t < 0 ? -1 : index_.producer[static_cast<size_t>(root(t))];
    if (p < 0) return "";
    const Step& producer = plan_.steps[static_cast<size_t>(p)];
    const std::string head = "not fused with " + producer.name + ": ";
    if (s.why.find(head) != std::string::npos) return "";
    return head + why(producer, s, t, k) + "; ";
  }

 private:
  TensorId root(TensorId t) const {
    while (tensor(plan_, t).alias_of >= 0) t = tensor(plan_, t).alias_of;
    return t;
  }

  std::string why(const Step& producer, const Step& s, TensorId t, size_t k) const {
    const std::string_view from = producer.op.def->name, to = s.op.def->name;
    if (!is_pointwise(producer) && !is_pointwise(s))
      return fmt::format("neither {} nor {} is elementwise", from, to);
    if (is_pointwise(producer) && !is_pointwise(s) && !takes_prologue(s))
      return fmt::format("{} takes no expression in front", to);
    if (is_pointwise(producer) && !is_pointwise(s) && k > 0)
      return fmt::format("{} takes an expression in front of operand 0 alone", to);
    if (root(t) != t || index_.alias_uses[static_cast<size_t>(t)] > 0)
      return "between them lies a view";
    if (producer.out.size() > 1) return fmt::format("it has {} results", producer.out.size());
    if (std::string others = other_reader(s, t); !others.empty()) return others;
    const Shape &made = producer.op.out[0].shape, &result = s.op.out[0].shape;
    if (is_pointwise(s) && !(made == result))
      return fmt::format("it makes {}, this step makes {}", made.to_string(), result.to_string());
    return "the expression would be longer, or read more operands, than kernels take";
  }

  std::string other_reader(const Step& s, TensorId t) const {
    const auto i = static_cast<size_t>(t);
    if (index_.output_uses[i] > 0) return "its result is an output of the network";
    for (const Use& u : index_.uses[i]) {
      const Step& other = plan_.steps[static_cast<size_t>(u.step)];
      if (&other != &s) return fmt::format("{} reads its result, too", other.name);
    }
    return "";
  }

  const Plan& plan_;
  const PlanIndex index_;
};

}  // namespace

void explain_neighbours(Plan& plan, bool fuse) {
  std::vector<std::string> reasons(plan.steps.size());
  const Neighbours neighbours(plan);
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = plan.steps[s];
    for (size_t k = 0; k < step.in.size(); ++k) {
      const bool again =
          std::count(step.in.begin(), step.in.begin() + static_cast<long>(k), step.in[k]) > 0;
      if (!again) reasons[s] += neighbours.reason(step, k);
    }
    if (!fuse && !reasons[s].empty()) reasons[s] = "not fused: fusing is off; ";
  }
  for (size_t s = 0; s < plan.steps.size(); ++s) plan.steps[s].why += reasons[s];
}

}  // namespace lathe
