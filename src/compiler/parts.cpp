// SPDX-License-Identifier: Apache-2.0
// Parts of tensors in place: what a Concat joins is written where it belongs, what a Slice takes is
// read where it stands. A strided tensor can slow down who reads or writes it, so each part is
// timed: its writer and readers on the part in place, against them with the copy between.
#include <algorithm>
#include <map>

#include "compiler/stages.h"
#include "ops/axes.h"

namespace lathe {
namespace {

constexpr size_t kMostReaders = 8;  // of a part: what is timed stays short

// Where a tensor lies: [start, start + its size) along an axis of a larger one.
struct Place {
  TensorId whole;
  int axis;
  Dim start;
};

class Parts {
 public:
  Parts(Plan& plan, const Stage& stage) : plan_(plan), stage_(stage), index_(plan) {}

  Status run() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) LATHE_TRY(slice(s));
    for (size_t s = 0; s < plan_.steps.size(); ++s) LATHE_TRY(concat(s));
    return finish();
  }

 private:
  using Places = std::map<TensorId, Place>;

  // A Slice goes when those who read its result read the part in place.
  Status slice(size_t s) {
    const Step& step = plan_.steps[s];
    const int axis = slice_axis(step);
    if (axis < 0) return {};
    const TensorId from = step.in[0], to = step.out[0];
    Place place{from, axis, slice_start(step, axis)};
    if (tensor(plan_, from).constant >= 0 || !is_free(to)) return {};
    if (const PlanTensor& t = tensor(plan_, from); t.alias_axis >= 0) return {};
    const Dim room =
        tensor(plan_, from).type.shape[axis] - place.start - tensor(plan_, to).type.shape[axis];
    if (!place.start.provably_nonnegative() || !room.provably_nonnegative()) return {};
    std::vector<size_t> touched = readers_of(to);
    if (touched.empty() || touched.size() > kMostReaders) return {};
    std::vector<size_t> apart = touched;
    apart.insert(apart.begin(), s);
    const Places places{{to, place}};
    if (LATHE_TRY(pays(apart, nullptr, touched, places))) move({s}, touched, places);
    return {};
  }

  // A Concat goes when at least one of its operands is written in place; copies take the others.
  Status concat(size_t s) {
    const Step& step = plan_.steps[s];
    if (!step.op.def->is("Concat") || !step.op.fusion.empty()) return {};
    const TensorId whole = step.out[0];
    if (tensor(plan_, whole).alias_of >= 0 || !is_computable(step.op.out[0].dtype)) return {};
    const int axis = axis_of(step.op, step.op.out[0].rank());
    std::vector<Place> at;
    Dim start = 0;
    for (const TensorType& t : step.op.in) {
      if (!t.shape[axis].provably_nonnegative() || !is_part(t, step.op.out[0], axis)) return {};
      at.push_back({whole, axis, start});
      start = start + t.shape[axis];
    }
    std::vector<bool> joined(step.in.size(), false);
    for (size_t k = 0; k < step.in.size(); ++k) joined[k] = LATHE_TRY(join(s, k, at[k]));
    if (std::count(joined.begin(), joined.end(), true) == 0) return {};
    std::vector<Step> copies;
    for (size_t k = 0; k < joined.size(); ++k) {
      if (!joined[k]) copies.push_back(LATHE_TRY(copy_step(plan_.steps[s], k, at[k])));
    }
    replaced_.emplace(s, std::move(copies));
    return {};
  }

  // Whether operand k of the Concat was moved to its place.
  Result<bool> join(size_t s, size_t k, const Place& place) {
    const TensorId t = plan_.steps[s].in[k];
    const int writer = t < 0 ? -1 : index_.producer[static_cast<size_t>(t)];
    const auto& operands = plan_.steps[s].in;
    if (writer < 0 || index_.output_uses[static_cast<size_t>(t)] > 0) return false;
    if (std::count(operands.begin(), operands.end(), t) != 1) return false;
    if (tensor(plan_, t).alias_of >= 0 || replaced_.contains(static_cast<size_t>(writer)))
      return false;
    // What was taken from it in place moves with it.
    Places places{{t, place}};
    std::vector<size_t> touched = readers_of(t);
    for (const TensorId part : parts_of(t)) {
      const PlanTensor& p = tensor(plan_, part);
      if (p.alias_axis != place.axis) return false;
      places.emplace(part, Place{place.whole, place.axis, place.start + p.alias_start});
      for (size_t r : readers_of(part)) touched.push_back(r);
    }
    std::erase(touched, s);
    touched.push_back(static_cast<size_t>(writer));
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    if (touched.size() > kMostReaders || !all_sound(touched, places)) return false;
    const Step copy = LATHE_TRY(copy_step(plan_.steps[s], k, place));
    if (!LATHE_TRY(pays(touched, &copy, touched, places))) return false;
    move({}, touched, places);
    return true;
  }

  // A tensor of its own: nothing else is named after its memory.
  bool is_free(TensorId t) const {
    const auto i = static_cast<size_t>(t);
    return plan_.tensors[i].alias_of < 0 && parts_of(t).empty() && index_.alias_uses[i] == 0 &&
           index_.output_uses[i] == 0;
  }

  std::vector<TensorId> parts_of(TensorId t) const {
    std::vector<TensorId> parts;
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      if (plan_.tensors[i].alias_of == t) parts.push_back(static_cast<TensorId>(i));
    }
    return parts;
  }

  // Steps that read the tensor and still stand.
  std::vector<size_t> readers_of(TensorId t) const {
    std::vector<size_t> readers;
    for (const Use& u : index_.uses[static_cast<size_t>(t)]) {
      const auto s = static_cast<size_t>(u.step);
      const bool seen = std::find(readers.begin(), readers.end(), s) != readers.end();
      if (!seen && !replaced_.contains(s)) readers.push_back(s);
    }
    return readers;
  }

  // A step that some other Concat was replaced by cannot be edited; nor can a whole be its own
  // part.
  bool all_sound(const std::vector<size_t>& steps, const Places& places) const {
    return std::none_of(steps.begin(), steps.end(), [&](size_t s) {
      const Step& step = plan_.steps[s];
      const TensorId whole = places.begin()->second.whole;
      return replaced_.contains(s) || std::count(step.out.begin(), step.out.end(), whole) > 0;
    });
  }

  // The step with its operands and results where they now lie.
  Step placed(const Step& step, const Places& places) const {
    Step moved = step;
    auto note = [&](std::vector<std::optional<Slice>>& slices, size_t k, size_t count,
                    const Place& p) {
      slices.resize(count);
      slices[k] = Slice{p.axis, p.start, tensor(plan_, p.whole).type.shape[p.axis]};
    };
    for (size_t k = 0; k < step.in.size(); ++k) {
      const auto p = places.find(step.in[k]);
      if (p != places.end()) note(moved.op.fusion.in_slice, k, step.in.size(), p->second);
    }
    for (size_t k = 0; k < step.out.size(); ++k) {
      const auto p = places.find(step.out[k]);
      if (p != places.end()) note(moved.op.fusion.out_slice, k, step.out.size(), p->second);
    }
    return moved;
  }

  // What is left of a Concat for operand k, which stays where it is.
  Result<Step> copy_step(const Step& concat, size_t k, const Place& to) {
    const TensorId from = concat.in[k];
    const TensorType& type = tensor(plan_, from).type;
    Inferred op = LATHE_TRY(
        infer(*find_op("Pointwise"), {type}, Attrs().set("expr", Expr::identity(type.dtype))));
    Step step;
    step.name = "copy " + tensor(plan_, from).name;
    step.op = std::move(op.op);
    step.op.out[0].layout = tensor(plan_, from).type.layout;
    step.in = {from};
    const TensorId part =
        add_tensor(plan_, tensor(plan_, from).name + ".part", tensor(plan_, from).type);
    step.out = {part};
    mark_constants(plan_, step);
    read_in_place(step);
    return placed(step, {{part, to}});
  }

  // States where the operand of a copy lies now: it may have moved since the copy was made.
  void read_in_place(Step& copy) const {
    const PlanTensor& from = tensor(plan_, copy.in[0]);
    copy.op.fusion.in_slice.clear();
    if (from.alias_axis < 0) return;
    const Dim& whole = tensor(plan_, from.alias_of).type.shape[from.alias_axis];
    copy.op.fusion.in_slice = {Slice{from.alias_axis, from.alias_start, whole}};
  }

  // Whether `touched` in their new places beat `apart`, and the copy, as they are.
  Result<bool> pays(const std::vector<size_t>& apart, const Step* copy,
                    const std::vector<size_t>& touched, const Places& places) {
    std::vector<Chain> chains(2);
    std::string& why = plan_.steps[apart.front()].why;
    for (size_t s : touched) {
      const Step moved = placed(plan_.steps[s], places);
      const OpInstance at = LATHE_TRY(at_point(moved, stage_.point));
      const std::string declined = stage_.tuner.declined(at);
      if (!declined.empty()) {
        why += fmt::format("not in place: {}: {}; ", moved.name, declined);
        return false;
      }
      chains[0].links.push_back(link_of(plan_, moved, at));
    }
    if (!stage_.options.tuner.tune) return true;
    std::vector<const Step*> before;
    before.reserve(apart.size() + 1);
    for (size_t s : apart) before.push_back(&plan_.steps[s]);
    if (copy != nullptr) before.push_back(copy);
    for (const Step* step : before) {
      chains[1].links.push_back(link_of(plan_, *step, LATHE_TRY(at_point(*step, stage_.point))));
    }
    return is_as_fast(stage_, chains, {"not in place", "in place", "with a copy"}, why);
  }

  void move(const std::vector<size_t>& gone, const std::vector<size_t>& touched,
            const Places& places) {
    for (size_t s : touched) plan_.steps[s] = placed(plan_.steps[s], places);
    for (const auto& [t, place] : places) {
      PlanTensor& part = tensor(plan_, t);
      part.alias_of = place.whole;
      part.alias_axis = place.axis;
      part.alias_start = place.start;
    }
    for (size_t s : gone) replaced_.emplace(s, std::vector<Step>());
  }

  // Steps in place of those that went.
  Status finish() {
    std::vector<Step> steps;
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      const auto gone = replaced_.find(s);
      if (gone == replaced_.end()) {
        steps.push_back(std::move(plan_.steps[s]));
        continue;
      }
      for (Step& copy : gone->second) {
        PlanTensor& part = tensor(plan_, copy.out[0]);
        const Slice& slice = *copy.op.fusion.out_slice[0];
        part.alias_of = plan_.steps[s].out[0];
        part.alias_axis = slice.axis;
        part.alias_start = slice.start;
        read_in_place(copy);
        steps.push_back(std::move(copy));
      }
    }
    plan_.steps = std::move(steps);
    drop_unused(plan_);
    return {};
  }

  Plan& plan_;
  const Stage& stage_;
  const PlanIndex index_;
  std::map<size_t, std::vector<Step>> replaced_;  // steps that went: what stands there instead
};

}  // namespace

Status place_parts(Plan& plan, const Stage& stage) { return Parts(plan, stage).run(); }

}  // namespace lathe
