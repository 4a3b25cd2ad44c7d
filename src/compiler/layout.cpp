// SPDX-License-Identifier: Apache-2.0
// Layout assignment: every step declares what it wants, tensors between flexible steps take the
// side that converts fewer bytes, and a Reorder step stands where two layouts still meet.
#include <algorithm>
#include <map>

#include "compiler/stages.h"
#include "device/plugin_tactic.h"
#include "tensor/relayout.h"

namespace lathe {
namespace {

enum class Wish : uint8_t {
  Row,       // works in RowMajor only
  Channels,  // much faster in ChannelsLast
  Same,      // any layout, the same for all of rank 3 and more
};

Wish wish_of_plugin(const OpInstance& op, const DeviceInfo& device) {
  const PluginFormats takes = plugin_formats(op, device);
  if (!takes.channels_last) return Wish::Row;
  return takes.row_major ? Wish::Same : Wish::Channels;
}

Wish wish_of(const Step& step, const DeviceInfo& device) {
  static constexpr std::string_view kChannels[] = {"Conv", "Deconv", "ExpandDepthwise", "Pool",
                                                   "Resize"};
  static constexpr std::string_view kSame[] = {"Pointwise", "Concat",    "Slice",   "Pad",
                                               "Reduce",    "Normalize", "Softmax", "Expand"};
  if (step.op.plugin != nullptr) return wish_of_plugin(step.op, device);
  const std::string_view op = step.op.def->name;
  if (std::find(std::begin(kChannels), std::end(kChannels), op) != std::end(kChannels))
    return Wish::Channels;
  if (std::find(std::begin(kSame), std::end(kSame), op) != std::end(kSame)) return Wish::Same;
  return Wish::Row;
}

// Whether ChannelsLast means anything for it.
bool has_channels(const TensorType& t) { return t.rank() >= 3; }

class Assigner {
 public:
  Assigner(Plan& plan, const Stage& stage)
      : plan_(plan), stage_(stage), label_(plan.tensors.size(), Layout::RowMajor) {}

  Status run() {
    LATHE_TRY(weigh());
    settle();
    return apply();
  }

 private:
  Status weigh() {
    for (const PlanTensor& t : plan_.tensors) {
      const Shape shape = LATHE_TRY(t.type.shape.evaluate(stage_.point));
      weight_.push_back(static_cast<double>(shape.elements()) * bits(t.type.dtype) / 8);
    }
    return {};
  }

  // A Same step has one layout for its operands and results; it is that of its first result.
  void settle() {
    // To begin with, what follows a ChannelsLast tensor is ChannelsLast: alone, no flexible step
    // between two others would find the first move cheaper.
    for (const Step& s : plan_.steps) {
      const bool follows = wish_of(s) == Wish::Same && flexible(s) && reads_channels_last(s);
      if (wish_of(s) == Wish::Channels || follows) set_results(s, Layout::ChannelsLast);
    }
    PlanIndex index(plan_);
    // Flexible steps follow the cheaper side, back and forth until nothing changes.
    for (int round = 0; round < 20; ++round) {
      bool changed = false;
      const auto n = static_cast<int>(plan_.steps.size());
      for (int k = 0; k < n; ++k) {
        const Step& s = plan_.steps[static_cast<size_t>(round % 2 == 0 ? k : n - 1 - k)];
        if (wish_of(s) != Wish::Same || s.out.empty() || !flexible(s)) continue;
        const Layout now = label_[static_cast<size_t>(s.out[0])];
        const double channels = cost(index, s, Layout::ChannelsLast);
        const double row = cost(index, s, Layout::RowMajor);
        // A tie changes nothing: what stands in one layout may still become one step.
        const Layout better = channels < row   ? Layout::ChannelsLast
                              : row < channels ? Layout::RowMajor
                                               : now;
        if (better == now) continue;
        set_results(s, better);
        changed = true;
      }
      if (!changed) break;
    }
  }

  // All results have channels; a Softmax or Reduce that loses dimensions stays RowMajor.
  bool flexible(const Step& s) const {
    for (TensorId t : s.out) {
      if (!has_channels(tensor(plan_, t).type)) return false;
    }
    for (TensorId t : s.in) {
      if (t < 0 || tensor(plan_, t).constant >= 0) continue;
      const TensorType& type = tensor(plan_, t).type;
      // Operands of another rank would need another notion of channels.
      if (type.rank() >= 3 && type.rank() != tensor(plan_, s.out[0]).type.rank()) return false;
    }
    return true;
  }

  bool reads_channels_last(const Step& s) const {
    return std::any_of(s.in.begin(), s.in.end(), [&](TensorId t) {
      return t >= 0 && label_[static_cast<size_t>(t)] == Layout::ChannelsLast;
    });
  }

  void set_results(const Step& s, Layout layout) {
    for (TensorId t : s.out) {
      if (has_channels(tensor(plan_, t).type)) label_[static_cast<size_t>(t)] = layout;
    }
  }

  Wish wish_of(const Step& s) const { return lathe::wish_of(s, stage_.devices.main->info()); }

  // Bytes converted around the step if it ran in `layout`. A tensor is converted once for all its
  // readers: what another step converts anyway is free.
  double cost(const PlanIndex& index, const Step& s, Layout layout) const {
    double bytes = 0;
    auto weight = [&](TensorId t) { return weight_[static_cast<size_t>(t)]; };
    for (TensorId t : s.in) {
      if (t < 0 || tensor(plan_, t).constant >= 0 || !has_channels(tensor(plan_, t).type)) continue;
      if (label_[static_cast<size_t>(t)] != layout && !wanted_elsewhere(index, s, t, layout))
        bytes += weight(t);
    }
    for (TensorId t : s.out) {
      const bool leaves = index.output_uses[static_cast<size_t>(t)] > 0;
      const auto& uses = index.uses[static_cast<size_t>(t)];
      const bool disagree = std::any_of(uses.begin(), uses.end(), [&](const Use& u) {
        return wanted(plan_.steps[static_cast<size_t>(u.step)], t) != layout;
      });
      if (disagree || (leaves && layout != Layout::RowMajor)) bytes += weight(t);
    }
    return bytes;
  }

  bool wanted_elsewhere(const PlanIndex& index, const Step& s, TensorId t, Layout layout) const {
    if (layout == Layout::RowMajor && index.output_uses[static_cast<size_t>(t)] > 0) return true;
    const auto& uses = index.uses[static_cast<size_t>(t)];
    return std::any_of(uses.begin(), uses.end(), [&](const Use& u) {
      const Step& other = plan_.steps[static_cast<size_t>(u.step)];
      return &other != &s && wanted(other, t) == layout;
    });
  }

  // The layout in which a step wants to read an operand.
  Layout wanted(const Step& s, TensorId t) const {
    if (!has_channels(tensor(plan_, t).type)) return Layout::RowMajor;
    switch (wish_of(s)) {
      case Wish::Row: return Layout::RowMajor;
      case Wish::Channels: return Layout::ChannelsLast;
      case Wish::Same:
        return flexible(s) ? label_[static_cast<size_t>(s.out[0])] : Layout::RowMajor;
    }
    return Layout::RowMajor;
  }

  Status apply() {
    for (const PlanPort& p : plan_.inputs) label_[static_cast<size_t>(p.tensor)] = Layout::RowMajor;
    std::vector<Step> steps;
    for (Step& s : plan_.steps) {
      const bool keeps_weights = wish_of(s) == Wish::Channels && s.op.plugin == nullptr;
      for (size_t k = 0; k < s.in.size(); ++k) {
        const TensorId t = s.in[k];
        if (t < 0) continue;
        const bool anchor_weights =
            keeps_weights && k > 0 &&
            (s.op.fusion.empty() || static_cast<int>(k) < s.op.fusion.anchor_operands);
        const Layout want = anchor_weights ? Layout::RowMajor : wanted(s, t);
        s.in[k] = LATHE_TRY(converted(t, want, steps));
      }
      for (TensorId t : s.out) tensor(plan_, t).type.layout = label_[static_cast<size_t>(t)];
      steps.push_back(std::move(s));
      restate(steps.back());
    }
    for (PlanPort& p : plan_.outputs)
      p.tensor = LATHE_TRY(converted(p.tensor, Layout::RowMajor, steps));
    plan_.steps = std::move(steps);
    return {};
  }

  // The step's types say the layouts of its tensors.
  void restate(Step& s) const {
    for (size_t k = 0; k < s.in.size(); ++k) {
      if (s.in[k] >= 0) s.op.in[k].layout = tensor(plan_, s.in[k]).type.layout;
    }
    for (size_t k = 0; k < s.out.size(); ++k)
      s.op.out[k].layout = tensor(plan_, s.out[k]).type.layout;
    Fusion& f = s.op.fusion;
    for (size_t k = 0; k < f.anchor_in.size() && k < s.op.in.size(); ++k)
      f.anchor_in[k].layout = s.op.in[k].layout;
    for (TensorType& t : f.anchor_out) {
      if (has_channels(t)) t.layout = s.op.out[0].layout;
    }
  }

  Result<TensorId> converted(TensorId t, Layout want, std::vector<Step>& steps) {
    const PlanTensor source = tensor(plan_, t);  // a copy: adding tensors moves them
    const Layout have = source.constant >= 0 ? source.type.layout : label_[static_cast<size_t>(t)];
    if (have == want || !has_channels(source.type)) return t;
    const auto known = converted_.find({t, want});
    if (known != converted_.end()) return known->second;
    TensorType type = source.type;
    type.layout = want;
    TensorId made;
    if (source.constant >= 0) {
      HostTensor moved =
          LATHE_TRY(relayout(plan_.constants[static_cast<size_t>(source.constant)], want));
      made = add_constant(plan_, source.name, std::move(moved));
    } else {
      made = add_tensor(plan_, source.name + (want == Layout::RowMajor ? ".row" : ".nhwc"), type);
      Inferred op = LATHE_TRY(infer(*find_op("Reorder"), {source.type},
                                    Attrs().set("layout", std::string(to_string(want)))));
      Step step;
      step.name = "reorder " + source.name;
      step.op = std::move(op.op);
      step.op.in[0].layout = have;
      step.op.out[0].layout = want;
      step.in = {t};
      step.out = {made};
      steps.push_back(std::move(step));
    }
    label_.resize(plan_.tensors.size(), want);
    label_[static_cast<size_t>(made)] = want;
    converted_[{t, want}] = made;
    return made;
  }

  Plan& plan_;
  const Stage& stage_;
  std::vector<Layout> label_;
  std::vector<double> weight_;
  std::map<std::pair<TensorId, Layout>, TensorId> converted_;
};

}  // namespace

Status assign_layouts(Plan& plan, const Stage& stage) { return Assigner(plan, stage).run(); }

}  // namespace lathe
