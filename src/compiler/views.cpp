// SPDX-License-Identifier: Apache-2.0
// Steps whose result is their operand's bytes under another name become aliases and cost nothing.
#include <algorithm>

#include "compiler/rearrange.h"
#include "compiler/stages.h"
#include "ops/axes.h"

namespace lathe {
namespace {

// Logical axes of the dimensions larger than 1, in the order in which they lie in memory.
std::vector<int> axes_in_memory(const TensorType& t) {
  std::vector<int> order = memory_order(t);
  std::erase_if(order, [&](int d) { return t.shape[d].is(1); });
  return order;
}

std::vector<Dim> memory_dims(const TensorType& t) {
  std::vector<Dim> dims;
  for (int d : axes_in_memory(t)) dims.push_back(t.shape[d]);
  return dims;
}

bool is_plain(const TensorType& t) { return t.layout != Layout::Blocked16; }

bool reshape_is_view(const TensorType& from, const TensorType& to) {
  auto row_like = [](const TensorType& t) {
    const std::vector<int> order = axes_in_memory(t);
    return std::is_sorted(order.begin(), order.end());
  };
  // Where only the run shows that there are as many elements, a copy stays.
  return row_like(from) && row_like(to) && from.shape.count() == to.shape.count();
}

// Result dimension d is operand dimension perm[d]: the same bytes when memory runs over the same
// operand dimensions in the same order.
bool transpose_is_view(const TensorType& from, const TensorType& to, const Ints& perm) {
  std::vector<int> order = axes_in_memory(to);
  for (int& d : order) d = static_cast<int>(perm[static_cast<size_t>(d)]);
  return order == axes_in_memory(from);
}

bool is_view(const Step& s) {
  if (!is_rearrangement(s)) return false;
  const TensorType &from = s.op.in[0], &to = s.op.out[0];
  if (s.op.def->is("Reshape")) return reshape_is_view(from, to);
  if (s.op.def->is("Reorder"))
    return axes_in_memory(from) == axes_in_memory(to) && memory_dims(from) == memory_dims(to);
  if (s.op.def->is("Transpose")) return transpose_is_view(from, to, s.op.attrs.ints("perm"));
  return false;
}

// Where the bytes of the step's result already lie: what chains of steps before it moved there and
// back. -1: nowhere.
TensorId source_of(const Plan& plan, const PlanIndex& index, size_t i) {
  constexpr size_t kLongest = 8;
  std::vector<const Step*> chain;  // the first step first
  TensorId found = -1;
  for (auto p = static_cast<int>(i); p >= 0 && chain.size() < kLongest;) {
    const Step& step = plan.steps[static_cast<size_t>(p)];
    if (!is_rearrangement(step) || tensor(plan, step.in[0]).constant >= 0) break;
    chain.insert(chain.begin(), &step);
    Movement m(memory_shape(step.op.in[0]));
    if (!std::all_of(chain.begin(), chain.end(), [&](const Step* s) { return follow(*s, m); }))
      break;
    if (m.plan().is_reshape()) found = step.in[0];
    p = index.producer[static_cast<size_t>(step.in[0])];
  }
  if (found >= 0) return found;
  const Step& s = plan.steps[i];
  return is_view(s) && tensor(plan, s.in[0]).constant < 0 ? s.in[0] : -1;
}

// Whether `part` is one piece of the whole's memory, cut along `axis`: nothing larger than 1 lies
// outside that axis.
bool is_dense_part(const TensorType& part, const TensorType& whole, int axis) {
  if (!is_plain(whole) || part.layout != whole.layout || !is_part(part, whole, axis)) return false;
  const std::vector<int> order = axes_in_memory(whole);
  return order.empty() || order.front() == axis || whole.shape[axis].is(1);
}

// The axis along which a Slice takes a dense part, or -1.
int dense_slice_axis(const Step& s) {
  const int axis = slice_axis(s);
  return axis >= 0 && is_dense_part(s.op.out[0], s.op.in[0], axis) ? axis : -1;
}

// A Slice of one piece of memory is that piece.
void alias_slices(Plan& plan) {
  std::vector<bool> dead(plan.steps.size(), false);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& s = plan.steps[i];
    const int axis = dense_slice_axis(s);
    if (axis < 0 || tensor(plan, s.in[0]).constant >= 0) continue;
    const Dim start = slice_start(s, axis);
    const Dim room = s.op.in[0].shape[axis] - start - s.op.out[0].shape[axis];
    if (!start.provably_nonnegative() || !room.provably_nonnegative()) continue;
    PlanTensor& part = tensor(plan, s.out[0]);
    part.alias_of = s.in[0];
    part.alias_axis = axis;
    part.alias_start = start;
    dead[i] = true;
  }
  erase_steps(plan, dead);
}

// A Concat whose operands are each one piece of the result: the producers write there.
void alias_concats(Plan& plan) {
  PlanIndex index(plan);
  std::vector<bool> dead(plan.steps.size(), false);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& s = plan.steps[i];
    if (!s.op.def->is("Concat") || !s.op.fusion.empty() || s.op.fusion.sliced()) continue;
    const int axis = axis_of(s.op, s.op.out[0].rank());
    bool all = true;
    for (size_t k = 0; k < s.in.size(); ++k) {
      const auto t = static_cast<size_t>(s.in[k]);
      const bool once = std::count(s.in.begin(), s.in.end(), s.in[k]) == 1;
      const bool own =
          index.producer[t] >= 0 && plan.tensors[t].alias_of < 0 && index.output_uses[t] == 0;
      all = all && once && own && is_dense_part(s.op.in[k], s.op.out[0], axis) &&
            s.op.in[k].shape[axis].provably_nonnegative();
    }
    if (!all) continue;
    Dim start = 0;
    for (size_t k = 0; k < s.in.size(); ++k) {
      PlanTensor& part = tensor(plan, s.in[k]);
      part.alias_of = s.out[0];
      part.alias_axis = axis;
      part.alias_start = start;
      start = start + s.op.in[k].shape[axis];
    }
    dead[i] = true;
  }
  erase_steps(plan, dead);
}

}  // namespace

Status make_views(Plan& plan, const Stage&) {
  const PlanIndex index(plan);
  std::vector<bool> dead(plan.steps.size(), false);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const TensorId source = source_of(plan, index, i);
    if (source < 0) continue;
    PlanTensor& to = tensor(plan, plan.steps[i].out[0]);
    to.alias_of = source;
    to.alias_axis = -1;
    dead[i] = true;
  }
  erase_steps(plan, dead);
  drop_unused(plan);
  alias_slices(plan);
  alias_concats(plan);
  return {};
}

}  // namespace lathe
