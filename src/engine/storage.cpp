// SPDX-License-Identifier: Apache-2.0
#include "engine/storage.h"

#include <algorithm>

namespace lathe {
namespace {

// Nothing but ones before the axis in memory: the part is one run of bytes.
bool is_one_run(const TensorType& whole, int axis) {
  if (whole.shape[axis].is(1)) return true;
  for (int d : memory_order(whole)) {
    if (d == axis) break;
    if (!whole.shape[d].is(1)) return false;
  }
  return true;
}

}  // namespace

Status Storage::resolve() {
  const size_t n = plan_.tensors.size();
  root_.assign(n, -1);
  dense_.assign(n, true);
  written_.assign(n, false);
  complete_.assign(n, false);
  touched_.assign(n, false);
  for (size_t i = 0; i < n; ++i) {
    const PlanTensor& t = plan_.tensors[i];
    if (t.alias_of >= 0 && t.alias_axis >= 0)
      parts_[t.alias_of].push_back(static_cast<TensorId>(i));
  }
  constexpr int kDeepest = 1000;  // aliases of aliases: walks over them stay short
  std::vector<int> depth(n, 0);
  std::vector<TensorId> path;
  for (size_t i = 0; i < n; ++i) {
    path.clear();
    auto t = static_cast<TensorId>(i);
    for (; root_[static_cast<size_t>(t)] < 0 && at(t).alias_of >= 0; t = at(t).alias_of) {
      if (path.size() > n) return invalid("tensor '{}': its aliases form a cycle", at(t).name);
      path.push_back(t);
    }
    if (root_[static_cast<size_t>(t)] < 0) root_[static_cast<size_t>(t)] = t;
    for (; !path.empty(); path.pop_back()) {
      const TensorId child = path.back();
      const PlanTensor& c = at(child);
      if (!dense(c.alias_of)) {
        return invalid("tensor '{}': it is an alias of '{}', which lies in pieces", c.name,
                       at(c.alias_of).name);
      }
      int& deep = depth[static_cast<size_t>(child)];
      deep = depth[static_cast<size_t>(c.alias_of)] + 1;
      if (deep > kDeepest) return invalid("tensor '{}': its aliases nest too deep", c.name);
      root_[static_cast<size_t>(child)] = root(c.alias_of);
      dense_[static_cast<size_t>(child)] =
          c.alias_axis < 0 || is_one_run(at(c.alias_of).type, c.alias_axis);
    }
  }
  return {};
}

Status Storage::write(TensorId t) {
  bool twice = touched_[static_cast<size_t>(t)];
  for (TensorId a = t; a >= 0; a = at(a).alias_of) {
    twice = twice || written_[static_cast<size_t>(a)];
  }
  if (twice) return invalid("tensor '{}' is written twice", at(t).name);
  written_[static_cast<size_t>(t)] = true;
  for (TensorId a = t; a >= 0; a = at(a).alias_of) touched_[static_cast<size_t>(a)] = true;
  return {};
}

bool Storage::readable(TensorId t) {
  for (TensorId a = t; a >= 0; a = at(a).alias_of) {
    if (at(a).constant >= 0 || written_[static_cast<size_t>(a)] ||
        complete_[static_cast<size_t>(a)])
      return true;
  }
  for (; t >= 0; t = at(t).alias_of) {
    if (inside_written_part(t) || whole_of_parts(t)) return true;
  }
  return false;
}

// A part that another part of the same whole covers, which was written.
bool Storage::inside_written_part(TensorId t) const {
  const PlanTensor& part = at(t);
  const auto beside = part.alias_of < 0 ? parts_.end() : parts_.find(part.alias_of);
  if (beside == parts_.end() || part.alias_axis < 0) return false;
  const Dim end = part.alias_start + part.type.shape[part.alias_axis];
  return std::any_of(beside->second.begin(), beside->second.end(), [&](TensorId o) {
    const PlanTensor& other = at(o);
    if (!written_[static_cast<size_t>(o)] || other.alias_axis != part.alias_axis) return false;
    const Dim after = other.alias_start + other.type.shape[other.alias_axis] - end;
    return (part.alias_start - other.alias_start).provably_nonnegative() &&
           after.provably_nonnegative();
  });
}

// Written parts that stand end to end from the first element to the last.
bool Storage::whole_of_parts(TensorId t) {
  if (complete_[static_cast<size_t>(t)]) return true;
  const auto parts = parts_.find(t);
  if (parts == parts_.end()) return false;
  int axis = -1;
  std::map<Dim, Dim> end_of;
  for (TensorId p : parts->second) {
    if (!written_[static_cast<size_t>(p)] && !whole_of_parts(p)) continue;
    if (axis < 0) axis = at(p).alias_axis;
    const Dim& size = at(p).type.shape[axis];
    if (at(p).alias_axis == axis && !size.is(0))
      end_of.emplace(at(p).alias_start, at(p).alias_start + size);
  }
  Dim covered = 0;
  for (size_t k = 0; k < end_of.size(); ++k) {
    const auto next = end_of.find(covered);
    if (next == end_of.end()) break;
    covered = next->second;
  }
  return complete_[static_cast<size_t>(t)] = axis >= 0 && covered == at(t).type.shape[axis];
}

}  // namespace lathe
