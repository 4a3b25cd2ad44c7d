// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan_edit.h"

#include <algorithm>
#include <numeric>

namespace lathe {

PlanIndex::PlanIndex(const Plan& plan)
    : producer(plan.tensors.size(), -1),
      uses(plan.tensors.size()),
      output_uses(plan.tensors.size(), 0),
      alias_uses(plan.tensors.size(), 0) {
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = plan.steps[s];
    for (size_t k = 0; k < step.in.size(); ++k) {
      if (step.in[k] >= 0)
        uses[static_cast<size_t>(step.in[k])].push_back({static_cast<int>(s), static_cast<int>(k)});
    }
    for (TensorId t : step.out) producer[static_cast<size_t>(t)] = static_cast<int>(s);
  }
  for (const PlanPort& p : plan.outputs) ++output_uses[static_cast<size_t>(p.tensor)];
  for (const PlanTensor& t : plan.tensors) {
    if (t.alias_of >= 0) ++alias_uses[static_cast<size_t>(t.alias_of)];
  }
}

void PlanIndex::take_over(const Step& from, int from_number, int to) {
  for (TensorId t : from.in) {
    if (t < 0) continue;
    for (Use& u : uses[static_cast<size_t>(t)]) {
      if (u.step == from_number) u.step = to;
    }
  }
}

TensorId add_tensor(Plan& plan, std::string name, TensorType type) {
  PlanTensor t;
  t.name = std::move(name);
  t.type = std::move(type);
  plan.tensors.push_back(std::move(t));
  return static_cast<TensorId>(plan.tensors.size() - 1);
}

TensorId add_constant(Plan& plan, std::string name, HostTensor value) {
  const TensorId t = add_tensor(plan, std::move(name), value.type());
  for (size_t c = 0; c < plan.constants.size(); ++c) {
    if (plan.constants[c].type() == value.type() && plan.constants[c] == value) {
      tensor(plan, t).constant = static_cast<int32_t>(c);
      return t;
    }
  }
  tensor(plan, t).constant = static_cast<int32_t>(plan.constants.size());
  plan.constants.push_back(std::move(value));
  return t;
}

void mark_constants(const Plan& plan, Step& step) {
  step.op.constant_in = 0;
  for (size_t k = 0; k < step.in.size() && k < 64; ++k) {
    if (step.in[k] >= 0 && tensor(plan, step.in[k]).constant >= 0)
      step.op.constant_in |= uint64_t{1} << k;
  }
}

int operand_number(std::vector<TensorId>& ids, std::vector<TensorType>& types, TensorId id,
                   const TensorType& type, size_t first) {
  for (size_t k = first; k < ids.size(); ++k) {
    if (ids[k] == id) return static_cast<int>(k);
  }
  ids.push_back(id);
  types.push_back(type);
  return static_cast<int>(ids.size() - 1);
}

std::string joined_name(const Step& a, const Step& b) {
  constexpr size_t kLongest = 200;
  const std::string name = a.name + "+" + b.name;
  return name.size() <= kLongest ? name : a.name;
}

Step merged(const Step& inner, const Step& outer) {
  Step fused = outer;
  fused.in.clear();
  fused.op.in.clear();
  std::vector<DType> types;
  Expr expr = outer.op.attrs.expr("expr");
  const Expr& argument = inner.op.attrs.expr("expr");
  // Inputs of the result: outer's but the link, then inner's; the link is appended and inlined.
  std::vector<int> map;
  std::vector<bool> is_link;
  for (size_t k = 0; k < outer.in.size(); ++k) {
    is_link.push_back(outer.in[k] == inner.out[0]);
    map.push_back(is_link.back()
                      ? -1
                      : operand_number(fused.in, fused.op.in, outer.in[k], outer.op.in[k], 0));
  }
  std::vector<int> inner_map;
  for (size_t k = 0; k < inner.in.size(); ++k) {
    inner_map.push_back(operand_number(fused.in, fused.op.in, inner.in[k], inner.op.in[k], 0));
  }
  for (const TensorType& t : fused.op.in) types.push_back(t.dtype);
  const auto place = static_cast<int>(types.size());
  std::vector<DType> wide = types;
  wide.push_back(argument.output_type(0));
  for (size_t k = 0; k < map.size(); ++k) {
    if (is_link[k]) map[k] = place;
  }
  const Expr joined = expr.with_inputs(map, wide).inlined(place, argument);
  std::vector<int> back(static_cast<size_t>(place));
  std::iota(back.begin(), back.end(), 0);
  back.insert(back.end(), inner_map.begin(), inner_map.end());
  fused.op.attrs.set("expr", joined.with_inputs(back, types).simplified());
  fused.name = joined_name(inner, outer);
  return fused;
}

int slice_axis(const Step& s) {
  if (!s.op.def->is("Slice") || !s.op.fusion.empty() || s.op.fusion.sliced()) return -1;
  const Ints& steps = s.op.attrs.ints("steps");
  if (std::any_of(steps.begin(), steps.end(), [](int64_t v) { return v != 1; })) return -1;
  int axis = -1;
  for (int d = 0; d < s.op.in[0].rank(); ++d) {
    if (s.op.in[0].shape[d] == s.op.out[0].shape[d]) continue;
    if (axis >= 0) return -1;
    axis = d;
  }
  return axis;
}

Dim slice_start(const Step& s, int axis) {
  const Ints& axes = s.op.attrs.ints("axes");
  for (size_t k = 0; k < axes.size(); ++k) {
    if (axes[k] == axis || axes[k] + s.op.in[0].rank() == axis) return s.op.attrs.dims("starts")[k];
  }
  return 0;
}

bool is_part(const TensorType& part, const TensorType& whole, int axis) {
  for (int d = 0; d < whole.rank(); ++d) {
    if (d != axis && !(part.shape[d] == whole.shape[d])) return false;
  }
  return true;
}

void erase_steps(Plan& plan, const std::vector<bool>& dead) {
  size_t kept = 0;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (dead[s]) continue;
    if (kept != s) plan.steps[kept] = std::move(plan.steps[s]);
    ++kept;
  }
  plan.steps.resize(kept);
}

namespace {

// By tensor: the one at the end of its aliases.
std::vector<TensorId> roots_of(const Plan& plan) {
  std::vector<TensorId> roots(plan.tensors.size(), -1);
  std::vector<TensorId> path;
  for (size_t i = 0; i < roots.size(); ++i) {
    auto t = static_cast<TensorId>(i);
    for (; roots[static_cast<size_t>(t)] < 0 && tensor(plan, t).alias_of >= 0;
         t = tensor(plan, t).alias_of)
      path.push_back(t);
    const TensorId known = roots[static_cast<size_t>(t)];
    const TensorId root = known < 0 ? t : known;
    roots[static_cast<size_t>(t)] = root;
    for (; !path.empty(); path.pop_back()) roots[static_cast<size_t>(path.back())] = root;
  }
  return roots;
}

// A step is needed when anything is that shares memory with a result of it: views and wholes of
// it, and other parts of the same whole.
void drop_unread_steps(Plan& plan) {
  const std::vector<TensorId> roots = roots_of(plan);
  std::vector<bool> needed(plan.tensors.size(), false);  // by root
  auto root = [&](TensorId t) { return static_cast<size_t>(roots[static_cast<size_t>(t)]); };
  for (const PlanPort& p : plan.outputs) needed[root(p.tensor)] = true;
  std::vector<bool> dead(plan.steps.size(), false);
  for (size_t s = plan.steps.size(); s-- > 0;) {
    const Step& step = plan.steps[s];
    dead[s] =
        std::none_of(step.out.begin(), step.out.end(), [&](TensorId t) { return needed[root(t)]; });
    if (dead[s]) continue;
    for (TensorId t : step.in) {
      if (t >= 0) needed[root(t)] = true;
    }
  }
  erase_steps(plan, dead);
}

}  // namespace

void drop_unused(Plan& plan) {
  drop_unread_steps(plan);
  std::vector<bool> used(plan.tensors.size(), false);
  auto mark = [&](TensorId t) {
    for (; t >= 0; t = tensor(plan, t).alias_of) used[static_cast<size_t>(t)] = true;
  };
  for (const PlanPort& p : plan.inputs) mark(p.tensor);
  for (const PlanPort& p : plan.outputs) mark(p.tensor);
  for (const Step& s : plan.steps) {
    for (TensorId t : s.in) mark(t);
    for (TensorId t : s.out) mark(t);
  }
  std::vector<TensorId> renumbered(plan.tensors.size(), -1);
  std::vector<int32_t> constants(plan.constants.size(), -1);
  std::vector<PlanTensor> tensors;
  std::vector<HostTensor> kept;
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (!used[t]) continue;
    renumbered[t] = static_cast<TensorId>(tensors.size());
    PlanTensor& old = plan.tensors[t];
    if (old.constant >= 0) {
      int32_t& c = constants[static_cast<size_t>(old.constant)];
      if (c < 0) {
        c = static_cast<int32_t>(kept.size());
        kept.push_back(plan.constants[static_cast<size_t>(old.constant)]);
      }
      old.constant = c;
    }
    tensors.push_back(std::move(old));
  }
  auto renumber = [&](TensorId& t) {
    if (t >= 0) t = renumbered[static_cast<size_t>(t)];
  };
  for (PlanTensor& t : tensors) renumber(t.alias_of);
  for (PlanPort& p : plan.inputs) renumber(p.tensor);
  for (PlanPort& p : plan.outputs) renumber(p.tensor);
  for (Step& s : plan.steps) {
    std::for_each(s.in.begin(), s.in.end(), renumber);
    std::for_each(s.out.begin(), s.out.end(), renumber);
  }
  plan.tensors = std::move(tensors);
  plan.constants = std::move(kept);
}

Result<OpInstance> at_point(const Step& step, const Bindings& point) {
  return step.op.evaluate(point);
}

std::vector<HostTensor> constants_of(const Plan& plan, const Step& step) {
  std::vector<HostTensor> constants(step.in.size());
  for (size_t k = 0; k < step.in.size(); ++k) {
    if (step.in[k] < 0) continue;
    const int32_t c = tensor(plan, step.in[k]).constant;
    if (c >= 0) constants[k] = plan.constants[static_cast<size_t>(c)];
  }
  return constants;
}

}  // namespace lathe
