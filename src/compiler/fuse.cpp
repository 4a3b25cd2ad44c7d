// SPDX-License-Identifier: Apache-2.0
// Fusion is a choice: each candidate is asked for support, then timed as a chain against the steps
// that it replaces. What was not fused says why in its step.
#include <algorithm>
#include <numeric>

#include "compiler/stages.h"

namespace lathe {
namespace {

constexpr size_t kMaxOperands = 24;  // of a fused step: kernels pass pointers as arguments
constexpr size_t kMaxExprNodes = 160;

Fusion fusion_of(const Step& anchor) {
  Fusion f = anchor.op.fusion;
  if (!f.empty()) return f;
  f.anchor_operands = static_cast<int>(anchor.op.in.size());
  f.anchor_in = anchor.op.in;
  f.anchor_out = anchor.op.out;
  return f;
}

// `pointwise` reading `anchor`'s result becomes the anchor's epilogue.
Step with_epilogue(const Step& anchor, const Step& pointwise) {
  Step fused = anchor;
  Fusion f = fusion_of(anchor);
  const auto first_extra = f.anchor_in.size();
  const size_t outs = f.anchor_out.size();
  const TensorId link = anchor.out[0];
  fused.op.in = anchor.op.in;
  const Expr& outer = pointwise.op.attrs.expr("expr");
  // Numbers of the outer expression's inputs among [anchor out, extras...]; the link is 0.
  std::vector<int> map;
  for (size_t k = 0; k < pointwise.in.size(); ++k) {
    if (pointwise.in[k] == link) {
      map.push_back(0);
      continue;
    }
    const int n =
        operand_number(fused.in, fused.op.in, pointwise.in[k], pointwise.op.in[k], first_extra);
    map.push_back(static_cast<int>(outs) + n - static_cast<int>(first_extra));
  }
  std::vector<DType> inputs;
  for (const TensorType& t : f.anchor_out) inputs.push_back(t.dtype);
  for (size_t k = first_extra; k < fused.op.in.size(); ++k) inputs.push_back(fused.op.in[k].dtype);
  inputs.push_back(f.anchor_in[0].dtype);
  if (f.epilogue.empty()) {
    f.epilogue = outer.with_inputs(map, inputs);
  } else {
    // The link's value is the old epilogue's result: an extra last input, replaced by inlining.
    const int place = static_cast<int>(inputs.size());
    std::vector<DType> wide = inputs;
    wide.push_back(f.epilogue.output_type(0));
    for (size_t k = 0; k < map.size(); ++k) {
      if (pointwise.in[k] == link) map[k] = place;
    }
    const Expr joined = outer.with_inputs(map, wide).inlined(place, f.epilogue);
    std::vector<int> back(inputs.size());
    std::iota(back.begin(), back.end(), 0);
    const auto old_inputs = static_cast<int>(f.epilogue.inputs().size());
    for (int k = 0; k < old_inputs; ++k) {
      const bool last = k == old_inputs - 1;  // operand 0 stays the last input
      back.push_back(last ? place - 1 : k);
    }
    f.epilogue = joined.with_inputs(back, inputs);
  }
  f.epilogue = f.epilogue.simplified();
  fused.op.fusion = std::move(f);
  fused.op.out = pointwise.op.out;
  fused.out = pointwise.out;
  fused.name = joined_name(anchor, pointwise);
  return fused;
}

// An epilogue whose inputs [results, extras..., operand 0] make room for extras that were added;
// nothing where it reads operand 0, which is another tensor now.
std::optional<Expr> widened(const Fusion& fusion, std::span<const DType> inputs) {
  const Expr& epilogue = fusion.epilogue;
  if (epilogue.empty()) return Expr();
  if (fusion.epilogue_reads_operand()) return std::nullopt;
  std::vector<int> map(epilogue.inputs().size());
  std::iota(map.begin(), map.end(), 0);
  map.back() = static_cast<int>(inputs.size()) - 1;
  return epilogue.with_inputs(map, {inputs.begin(), inputs.end()});
}

// `producer` Pointwise becomes the prologue of operand 0 of `anchor`; its own result, when others
// read it, is written as a second output.
std::optional<Step> with_prologue(const Step& producer, const Step& anchor, bool keep_result) {
  if (!anchor.op.fusion.prologue.empty() || anchor.op.fusion.sliced()) return std::nullopt;
  if (keep_result && !anchor.op.fusion.empty()) return std::nullopt;
  // Another operand that is the same tensor would still need it.
  if (std::count(anchor.in.begin(), anchor.in.end(), anchor.in[0]) != 1) return std::nullopt;
  const Shape& shape = producer.op.out[0].shape;
  size_t main = 0;
  while (main < producer.in.size() && !(producer.op.in[main].shape == shape)) ++main;
  if (main == producer.in.size()) return std::nullopt;
  Step fused = anchor;
  Fusion f = fusion_of(anchor);
  fused.in[0] = producer.in[main];
  fused.op.in[0] = producer.op.in[main];
  std::vector<int> map;
  for (size_t k = 0; k < producer.in.size(); ++k) {
    if (producer.in[k] == producer.in[main]) {
      map.push_back(0);
      continue;
    }
    const int n = operand_number(fused.in, fused.op.in, producer.in[k], producer.op.in[k],
                                 f.anchor_in.size());
    map.push_back(1 + n - static_cast<int>(f.anchor_in.size()));
  }
  std::vector<DType> inputs = {fused.op.in[0].dtype};
  for (size_t k = f.anchor_in.size(); k < fused.op.in.size(); ++k)
    inputs.push_back(fused.op.in[k].dtype);
  f.prologue.resize(1);
  f.prologue[0] = producer.op.attrs.expr("expr").with_inputs(map, inputs);
  std::vector<DType> wide;
  for (const TensorType& t : f.anchor_out) wide.push_back(t.dtype);
  wide.insert(wide.end(), inputs.begin() + 1, inputs.end());
  wide.push_back(f.anchor_in[0].dtype);
  std::optional<Expr> epilogue = widened(f, wide);
  if (!epilogue) return std::nullopt;
  f.epilogue = *std::move(epilogue);
  if (keep_result) {
    if (f.anchor_out.size() != 1 || !(f.anchor_out[0].shape == shape)) return std::nullopt;
    Expr both(wide);
    both.output(both.input(0));
    both.output(both.input(static_cast<int>(wide.size()) - 1));
    f.epilogue = std::move(both);
    fused.op.out.push_back(producer.op.out[0]);
    fused.out.push_back(producer.out[0]);
  }
  fused.op.fusion = std::move(f);
  fused.name = joined_name(producer, anchor);
  return fused;
}

class Fuser {
 public:
  Fuser(Plan& plan, const Stage& stage) : plan_(plan), stage_(stage) {}

  Status run() {
    LATHE_TRY(absorb_epilogues());
    merge_pointwise();
    LATHE_TRY(absorb_prologues());
    return join_expansions();
  }

 private:
  // Each Pointwise step, in order, into the anchor that feeds it and nobody else.
  Status absorb_epilogues() {
    PlanIndex index(plan_);
    std::vector<bool> dead(plan_.steps.size(), false);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      LATHE_TRY(stage_.progress.tick(
          "fuse", 0.5 * static_cast<double>(s) / static_cast<double>(plan_.steps.size())));
      if (!is_pointwise(plan_.steps[s]) || plan_.steps[s].out.size() != 1) continue;
      // The latest producer first: in a residual sum that is the branch, not the shortcut.
      std::vector<int> producers;
      for (TensorId t : plan_.steps[s].in) {
        const int p = t < 0 ? -1 : index.producer[static_cast<size_t>(t)];
        if (p >= 0 && !is_pointwise(plan_.steps[static_cast<size_t>(p)]) &&
            reads_alone(index, t, s))
          producers.push_back(p);
      }
      std::sort(producers.begin(), producers.end(), std::greater<>());
      for (int p : producers) {
        if (LATHE_TRY(try_epilogue(static_cast<size_t>(p), s))) {
          dead[static_cast<size_t>(p)] = true;
          index.take_over(plan_.steps[static_cast<size_t>(p)], p, static_cast<int>(s));
          index.producer[static_cast<size_t>(plan_.steps[s].out[0])] = static_cast<int>(s);
          break;
        }
      }
    }
    erase_steps(plan_, dead);
    return {};
  }

  // Only step s reads t (perhaps in several operands).
  bool reads_alone(const PlanIndex& index, TensorId t, size_t s) const {
    const auto i = static_cast<size_t>(t);
    return index.output_uses[i] == 0 && index.alias_uses[i] == 0 &&
           std::all_of(index.uses[i].begin(), index.uses[i].end(),
                       [&](Use u) { return u.step == static_cast<int>(s); });
  }

  Result<bool> try_epilogue(size_t p, size_t s) {
    const Step &anchor = plan_.steps[p], &pointwise = plan_.steps[s];
    // Without operands (sizes as a tensor) a step has nothing to anchor expressions to.
    if (anchor.op.in.empty() || anchor.out.size() != 1 ||
        !(anchor.op.out[0].shape == pointwise.op.out[0].shape))
      return false;
    Step fused = with_epilogue(anchor, pointwise);
    if (!small_enough(fused)) return false;
    mark_constants(plan_, fused);
    if (!LATHE_TRY(pays({&anchor, &pointwise}, fused))) return false;
    plan_.steps[s] = std::move(fused);
    return true;
  }

  bool small_enough(const Step& fused) const {
    const size_t nodes = fused.op.fusion.epilogue.nodes().size();
    return fused.in.size() <= kMaxOperands && nodes <= kMaxExprNodes;
  }

  // Whether the fused step is sound, supported and, where tuning is on, faster than the steps it
  // replaces.
  Result<bool> pays(std::vector<const Step*> parts, const Step& fused) {
    std::string& why = plan_.steps[static_cast<size_t>(parts.back() - plan_.steps.data())].why;
    // Of symbolic sizes that only a run shows to be equal, no expression in a step may rely on it.
    const Status sound = verify_instance(fused.op);
    if (!sound.ok()) {
      why += fmt::format("not fused with {}: {}; ", parts.front()->name, sound.message());
      return false;
    }
    const OpInstance at = LATHE_TRY(at_point(fused, stage_.point));
    const std::string declined = stage_.tuner.declined(at);
    if (!declined.empty()) {
      why += fmt::format("not fused with {}: {}", parts.front()->name, declined);
      return false;
    }
    if (!stage_.options.tuner.tune) return true;
    std::vector<Chain> chains(2);
    chains[0].links.push_back(link_of(plan_, fused, at));
    for (const Step* part : parts) {
      chains[1].links.push_back(link_of(plan_, *part, LATHE_TRY(at_point(*part, stage_.point))));
    }
    const std::string refused = "not fused with " + parts.front()->name;
    return is_as_fast(stage_, chains, {refused, "fused", "apart"}, why);
  }

  // Chains of elementwise steps of one shape run in one pass over memory: always.
  void merge_pointwise() {
    PlanIndex index(plan_);
    std::vector<bool> dead(plan_.steps.size(), false);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      bool again = is_pointwise(plan_.steps[s]) && plan_.steps[s].out.size() == 1;
      while (again) {
        again = false;
        for (TensorId t : plan_.steps[s].in) {
          const int p = t < 0 ? -1 : index.producer[static_cast<size_t>(t)];
          if (p < 0 || dead[static_cast<size_t>(p)] ||
              !can_merge(index, static_cast<size_t>(p), s, t))
            continue;
          Step fused = merged(plan_.steps[static_cast<size_t>(p)], plan_.steps[s]);
          if (fused.in.size() > kMaxOperands) continue;
          mark_constants(plan_, fused);
          index.take_over(plan_.steps[static_cast<size_t>(p)], p, static_cast<int>(s));
          plan_.steps[s] = std::move(fused);
          dead[static_cast<size_t>(p)] = true;
          again = true;
          break;
        }
      }
    }
    erase_steps(plan_, dead);
  }

  bool can_merge(const PlanIndex& index, size_t p, size_t s, TensorId t) const {
    const Step &inner = plan_.steps[p], &outer = plan_.steps[s];
    if (!is_pointwise(inner) || inner.out.size() != 1 || !reads_alone(index, t, s)) return false;
    // Before merging, which costs the square: in a chain of thousands most attempts end here.
    const auto nodes = [](const Step& step) { return step.op.attrs.expr("expr").nodes().size(); };
    return inner.op.out[0].shape == outer.op.out[0].shape &&
           nodes(inner) + nodes(outer) <= kMaxExprNodes;
  }

  Status absorb_prologues() {
    std::vector<bool> dead(plan_.steps.size(), false);
    PlanIndex index(plan_);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      const Step& anchor = plan_.steps[s];
      const bool takes = anchor.op.def->is("Normalize") || anchor.op.def->is("Softmax") ||
                         anchor.op.def->is("Reduce") || is_projection(anchor);
      if (!takes || anchor.in[0] < 0) continue;
      const int p = index.producer[static_cast<size_t>(anchor.in[0])];
      if (p < 0 || dead[static_cast<size_t>(p)] ||
          !is_pointwise(plan_.steps[static_cast<size_t>(p)]))
        continue;
      const Step& producer = plan_.steps[static_cast<size_t>(p)];
      if (producer.out.size() != 1) continue;
      const bool keep = !reads_alone(index, anchor.in[0], s);
      if (keep && (is_projection(anchor) || !others_read_later(index, anchor.in[0], s))) continue;
      std::optional<Step> fused = with_prologue(producer, anchor, keep);
      if (!fused || fused->in.size() > kMaxOperands) continue;
      mark_constants(plan_, *fused);
      if (!LATHE_TRY(pays({&producer, &anchor}, *fused))) continue;
      index.take_over(producer, p, static_cast<int>(s));
      plan_.steps[s] = *std::move(fused);
      dead[static_cast<size_t>(p)] = true;
      for (TensorId t : plan_.steps[s].out)
        index.producer[static_cast<size_t>(t)] = static_cast<int>(s);
    }
    erase_steps(plan_, dead);
    return {};
  }

  // A 1x1 convolution into the depthwise one that alone reads it.
  Status join_expansions() {
    std::vector<bool> dead(plan_.steps.size(), false);
    const PlanIndex index(plan_);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      const Step& depthwise = plan_.steps[s];
      if (!depthwise.op.def->is("Conv")) continue;
      const int p = index.producer[static_cast<size_t>(depthwise.in[0])];
      if (p < 0 || !reads_alone(index, depthwise.in[0], s)) continue;
      const Step& expansion = plan_.steps[static_cast<size_t>(p)];
      if (!is_projection(expansion)) continue;
      std::optional<Step> joined = joined_expansion(plan_, expansion, depthwise);
      if (!joined || !LATHE_TRY(pays({&expansion, &depthwise}, *joined))) continue;
      plan_.steps[s] = *std::move(joined);
      dead[static_cast<size_t>(p)] = true;
    }
    erase_steps(plan_, dead);
    return {};
  }

  // A 1x1 convolution reads every pixel once, so that a prologue (the gate of a
  // squeeze-and-excitation block) is computed once.
  static bool is_projection(const Step& s) {
    if (!s.op.def->is("Conv") || s.op.attrs.i("group") != 1) return false;
    const TensorType& weights = s.op.fusion.empty() ? s.op.in[1] : s.op.fusion.anchor_in[1];
    for (int d = 2; d < weights.rank(); ++d) {
      if (!weights.shape[d].is(1)) return false;
    }
    const Ints &strides = s.op.attrs.ints("strides"), &pads = s.op.attrs.ints("pads");
    return std::all_of(strides.begin(), strides.end(), [](int64_t v) { return v == 1; }) &&
           std::all_of(pads.begin(), pads.end(), [](int64_t v) { return v == 0; });
  }

  bool others_read_later(const PlanIndex& index, TensorId t, size_t s) const {
    const auto& uses = index.uses[static_cast<size_t>(t)];
    return std::all_of(uses.begin(), uses.end(),
                       [&](Use u) { return u.step >= static_cast<int>(s); });
  }

  Plan& plan_;
  const Stage& stage_;
};

}  // namespace

Status fuse(Plan& plan, const Stage& stage) { return Fuser(plan, stage).run(); }

}  // namespace lathe
