// SPDX-License-Identifier: Apache-2.0
// Heads where products leave and want them. A joint product of Q, K and V writes [B, S, 3*H*D], the
// projection behind reads [B, S, H*D]; an attention between them wants [B, H, S, D]. In
// Layout::TokensFirst that is the same memory, so that slices and transposes around it become
// views.
//
//   Slice, Reshape, Transpose, Attention, Transpose, Reshape  ->  views, Attention, views
#include <algorithm>
#include <map>

#include "compiler/rearrange.h"
#include "compiler/stages.h"
#include "passes/match.h"

namespace lathe {
namespace {

bool is_attention(const Step& s) {
  return s.op.def->is("Attention") && s.op.fusion.empty() && !s.op.fusion.sliced() &&
         s.out.size() == 1;
}

bool is_row_major(const Step& s) {
  return s.op.in[0].layout == Layout::RowMajor && s.op.out[0].layout == Layout::RowMajor;
}

bool is_transpose(const Step& s) { return s.op.def->is("Transpose"); }

bool is_movement(const Step& s) { return is_rearrangement(s) && is_row_major(s); }

TensorType tokens_first(TensorType type) {
  type.layout = Layout::TokensFirst;
  return type;
}

class Heads {
 public:
  Heads(Plan& plan, const Stage& stage)
      : plan_(plan), stage_(stage), index_(plan), dead_(plan.steps.size(), false) {}

  Status run() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (is_attention(plan_.steps[s])) LATHE_TRY(place(s));
    }
    erase_steps(plan_, dead_);
    drop_unused(plan_);
    return {};
  }

 private:
  // Movements between `other` and operand or result `k` of an attention, which is the bytes of
  // `other` in TokensFirst.
  struct View {
    size_t k = 0;
    TensorId other = -1;
    std::vector<size_t> steps;
  };

  Status place(size_t s) {
    std::vector<View> operands;
    for (size_t k = 0; k < 3; ++k) {
      if (View v = view_before(s, k); !v.steps.empty()) operands.push_back(std::move(v));
    }
    const View result = view_behind(s);
    if (operands.empty() && result.steps.empty()) return {};
    Step moved = plan_.steps[s];
    for (const View& v : operands) moved.op.in[v.k] = tokens_first(moved.op.in[v.k]);
    if (!result.steps.empty()) moved.op.out[0] = tokens_first(moved.op.out[0]);
    if (!LATHE_TRY(pays(s, moved, operands, result))) return {};
    plan_.steps[s] = std::move(moved);
    for (const View& v : operands) {
      const TensorId t = plan_.steps[s].in[v.k];
      tensor(plan_, t).type.layout = Layout::TokensFirst;
      bury(v);
      if (!LATHE_TRY(take_from_whole(v.other, t))) tensor(plan_, t).alias_of = v.other;
    }
    if (!result.steps.empty()) {
      tensor(plan_, plan_.steps[s].out[0]).type.layout = Layout::TokensFirst;
      bury(result);
      tensor(plan_, result.other).alias_of = plan_.steps[s].out[0];
    }
    return {};
  }

  void bury(const View& v) {
    for (size_t step : v.steps) dead_[step] = true;
  }

  // Read once, by a step.
  bool is_passed_on(TensorId t) const {
    const auto i = static_cast<size_t>(t);
    return index_.uses[i].size() == 1 && index_.output_uses[i] == 0 && index_.alias_uses[i] == 0 &&
           plan_.tensors[i].alias_of < 0;
  }

  // The longest chain of movements into operand k that TokensFirst makes a view.
  View view_before(size_t s, size_t k) const {
    View longest;
    const TensorType& type = plan_.steps[s].op.in[k];
    if (type.absent() || type.rank() < 3 || type.layout != Layout::RowMajor) return {};
    std::vector<size_t> chain;  // the first step first
    for (TensorId t = plan_.steps[s].in[k]; t >= 0 && is_passed_on(t);) {
      const int p = index_.producer[static_cast<size_t>(t)];
      if (p < 0 || !is_movement(plan_.steps[static_cast<size_t>(p)])) break;
      chain.insert(chain.begin(), static_cast<size_t>(p));
      t = plan_.steps[static_cast<size_t>(p)].in[0];
      if (tensor(plan_, t).constant >= 0) break;
      Movement m(tensor(plan_, t).type.shape);
      if (!follow_all(chain, m)) break;
      to_memory(tokens_first(type), m);
      if (m.plan().is_reshape() && moves(chain)) longest = {k, t, chain};
    }
    return longest;
  }

  // The shortest chain of movements behind the result that TokensFirst makes a view.
  View view_behind(size_t s) const {
    const TensorType& type = plan_.steps[s].op.out[0];
    if (type.rank() < 3 || type.layout != Layout::RowMajor) return {};
    Movement m(memory_shape(tokens_first(type)));
    to_logical(tokens_first(type), m);
    std::vector<size_t> chain;
    for (TensorId t = plan_.steps[s].out[0]; is_passed_on(t);) {
      const auto next = static_cast<size_t>(index_.uses[static_cast<size_t>(t)][0].step);
      if (!is_movement(plan_.steps[next]) || !follow(plan_.steps[next], m)) break;
      chain.push_back(next);
      t = plan_.steps[next].out[0];
      if (m.plan().is_reshape() && moves(chain)) return {0, t, chain};
    }
    return {};
  }

  bool follow_all(const std::vector<size_t>& chain, Movement& m) const {
    return std::all_of(chain.begin(), chain.end(),
                       [&](size_t step) { return follow(plan_.steps[step], m); });
  }
  bool moves(const std::vector<size_t>& chain) const {
    return std::any_of(chain.begin(), chain.end(),
                       [&](size_t step) { return is_transpose(plan_.steps[step]); });
  }

  // `source` is sliced from a larger tensor of more heads: operand `t` is a slice of that tensor's
  // view in TokensFirst, which place_parts() may read in place.
  Result<bool> take_from_whole(TensorId source, TensorId t) {
    const int p = is_passed_on(source) ? index_.producer[static_cast<size_t>(source)] : -1;
    if (p < 0) return false;
    const auto number = static_cast<size_t>(p);
    const Step& slice = plan_.steps[number];
    const int axis = slice_axis(slice);
    if (axis < 0 || !is_row_major(slice) || tensor(plan_, slice.in[0]).constant >= 0) return false;
    const TensorType part = tensor(plan_, t).type;
    const int head_axis = part.rank() - 3;
    const Shape &from = slice.op.in[0].shape, &cut = slice.op.out[0].shape;
    const Dim start = slice_start(slice, axis);
    const auto width = cut[axis].exact_div(part.shape[head_axis]);  // of a head
    if (!width) return false;
    const auto first = start.exact_div(*width), heads = from[axis].exact_div(*width);
    if (!first || !heads) return false;
    TensorType whole = part;
    whole.shape[head_axis] = *heads;
    Movement m(from);
    if (!m.reshape(memory_shape(whole))) return false;
    const auto there = m.slice(head_axis + 1, *first, part.shape[head_axis]);
    if (!there || there->axis != axis || !(there->start == start) || !(there->size == cut[axis]))
      return false;
    TensorType plain = whole;
    plain.layout = Layout::RowMajor;
    Inferred op = LATHE_TRY(
        infer(*find_op("Slice"), {plain}, slice_attrs(head_axis, *first, part.shape[head_axis])));
    Step taken;
    taken.name = slice.name;
    taken.op = std::move(op.op);
    taken.op.in[0] = whole;
    taken.op.out[0] = part;
    taken.out = {t};
    if (!stage_.tuner.declined(LATHE_TRY(at_point(taken, stage_.point))).empty()) return false;
    taken.in = {view_of(slice.in[0], whole)};
    plan_.steps[number] = std::move(taken);
    return true;
  }

  // `t` as heads; the same view for Q, K and V.
  TensorId view_of(TensorId t, const TensorType& type) {
    const auto known = views_.find({t, type.to_string()});
    if (known != views_.end()) return known->second;
    const TensorId view = add_tensor(plan_, tensor(plan_, t).name + ".heads", type);
    tensor(plan_, view).alias_of = t;
    views_[{t, type.to_string()}] = view;
    return view;
  }

  // Whether `moved` beats the attention and the transposes around it.
  Result<bool> pays(size_t s, const Step& moved, const std::vector<View>& operands,
                    const View& result) {
    const OpInstance at = LATHE_TRY(at_point(moved, stage_.point));
    std::string& why = plan_.steps[s].why;
    const std::string declined = stage_.tuner.declined(at);
    if (!declined.empty()) {
      why += fmt::format("heads are transposed: {}; ", declined);
      return false;
    }
    if (!stage_.options.tuner.tune) return true;
    std::vector<Chain> chains(2);
    chains[0].links.push_back(link_of(plan_, moved, at));
    for (const View& v : operands) LATHE_TRY(add_transposes(v, chains[1]));
    const Step& apart = plan_.steps[s];
    chains[1].links.push_back(link_of(plan_, apart, LATHE_TRY(at_point(apart, stage_.point))));
    LATHE_TRY(add_transposes(result, chains[1]));
    return is_as_fast(stage_, chains, {"heads are transposed", "in place", "so"}, why);
  }

  Status add_transposes(const View& v, Chain& chain) {
    for (size_t step : v.steps) {
      const Step& t = plan_.steps[step];
      if (!is_transpose(t)) continue;
      chain.links.push_back(link_of(plan_, t, LATHE_TRY(at_point(t, stage_.point))));
    }
    return {};
  }

  Plan& plan_;
  const Stage& stage_;
  const PlanIndex index_;
  std::vector<bool> dead_;
  std::map<std::pair<TensorId, std::string>, TensorId> views_;
};

}  // namespace

Status place_heads(Plan& plan, const Stage& stage) { return Heads(plan, stage).run(); }

}  // namespace lathe
