// SPDX-License-Identifier: Apache-2.0
#include "passes/movement.h"

#include <algorithm>
#include <numeric>

namespace lathe {

Movement::Movement(const Shape& from) {
  for (int d = 0; d < from.rank(); ++d) {
    dims_.emplace_back();
    if (!from[d].is(1)) dims_.back().push_back({from[d], {d}});
  }
}

bool Movement::transpose(const std::vector<int64_t>& perm) {
  std::vector<std::vector<Factor>> moved;
  for (int64_t p : perm) moved.push_back(dims_[static_cast<size_t>(p)]);
  dims_ = std::move(moved);
  return true;
}

// Fills each new dimension from the row of factors, cutting the factor at its end where needed.
bool Movement::reshape(const Shape& to) {
  std::vector<Factor> row;
  for (const auto& dim : dims_) row.insert(row.end(), dim.begin(), dim.end());
  std::reverse(row.begin(), row.end());  // taken from the back
  std::vector<std::vector<Factor>> result;
  for (const Dim& target : to) {
    result.emplace_back();
    if (target.is(0)) return false;
    Dim left = target;
    while (!left.is(1)) {
      if (row.empty() || row.back().size.is(0)) return false;
      Factor f = row.back();
      row.pop_back();
      if (std::optional<Dim> rest = left.exact_div(f.size)) {
        left = *rest;
        result.back().push_back(std::move(f));
        continue;
      }
      const std::optional<Dim> tail = f.size.exact_div(left);
      if (!tail) return false;
      Factor head{left, f.place}, behind{*tail, f.place};
      head.place.push_back(0);
      behind.place.push_back(1);
      result.back().push_back(std::move(head));
      row.push_back(std::move(behind));
      left = 1;
    }
  }
  if (!row.empty()) return false;
  dims_ = std::move(result);
  return true;
}

bool Movement::Plan::is_reshape() const { return std::is_sorted(perm.begin(), perm.end()); }

Movement::Plan Movement::plan() const {
  std::vector<Factor> row;  // as they lie in the result
  for (const auto& dim : dims_) row.insert(row.end(), dim.begin(), dim.end());
  std::vector<size_t> by_place(row.size());
  std::iota(by_place.begin(), by_place.end(), size_t{0});
  std::sort(by_place.begin(), by_place.end(),
            [&](size_t a, size_t b) { return row[a].place < row[b].place; });
  std::vector<size_t> rank_of(row.size());  // place in the source of the k-th factor of the result
  for (size_t k = 0; k < row.size(); ++k) rank_of[by_place[k]] = k;
  // Runs of the result that lie next to each other in the source are one factor.
  struct Run {
    size_t source;
    Dim size;
  };
  std::vector<Run> runs;
  for (size_t k = 0; k < row.size(); ++k) {
    if (k > 0 && rank_of[k] == rank_of[k - 1] + 1) {
      runs.back().size = runs.back().size * row[k].size;
    } else {
      runs.push_back({rank_of[k], row[k].size});
    }
  }
  std::vector<size_t> order(runs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return runs[a].source < runs[b].source; });
  Plan plan;
  plan.perm.resize(runs.size());
  for (size_t k = 0; k < order.size(); ++k) {
    plan.factors.push_back(runs[order[k]].size);
    plan.perm[order[k]] = static_cast<int64_t>(k);
  }
  return plan;
}

}  // namespace lathe
