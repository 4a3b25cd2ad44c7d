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

std::optional<Movement::SourceSlice> Movement::slice(int dim, const Dim& start, const Dim& size) {
  std::vector<Factor>& factors = dims_[static_cast<size_t>(dim)];
  if (factors.size() != 1) return {};
  const std::vector<int> place = factors[0].place;
  Dim inner = 1;
  for (const auto& other : dims_) {
    for (const Factor& f : other) {
      if (f.place[0] != place[0] || f.place == place) continue;
      if (f.place < place) return {};  // not the outermost part of its dimension
      inner = inner * f.size;
    }
  }
  factors[0].size = size;
  if (size.is(1)) factors.clear();
  return SourceSlice{place[0], start * inner, size * inner};
}

std::vector<int64_t> Movement::sort_rows() {
  std::vector<Factor> rows;
  for (size_t d = 0; d + 1 < dims_.size(); ++d) {
    rows.insert(rows.end(), dims_[d].begin(), dims_[d].end());
  }
  std::vector<size_t> sorted(rows.size());
  std::iota(sorted.begin(), sorted.end(), size_t{0});
  std::sort(sorted.begin(), sorted.end(),
            [&](size_t a, size_t b) { return rows[a].place < rows[b].place; });
  std::vector<int64_t> perm(rows.size() + 1);
  perm.back() = static_cast<int64_t>(rows.size());
  std::vector<std::vector<Factor>> dims;
  for (size_t k = 0; k < sorted.size(); ++k) {
    perm[sorted[k]] = static_cast<int64_t>(k);
    dims.push_back({rows[sorted[k]]});
  }
  dims.push_back(dims_.back());
  dims_ = std::move(dims);
  return perm;
}

Shape Movement::shape() const {
  Shape shape;
  for (const auto& dim : dims_) {
    Dim size = 1;
    for (const Factor& f : dim) size = size * f.size;
    shape.push_back(size);
  }
  return shape;
}

bool is_movement(const Node* node) {
  return node && (node->is("Reshape") || node->is("Transpose"));
}

bool follow(const Node& node, Movement& movement) {
  if (node.is("Transpose")) return movement.transpose(node.op.attrs.ints("perm"));
  return node.is("Reshape") && movement.reshape(node.out()->type.shape);
}

namespace {

Result<Value*> reshaped(Rewriter& rw, Value* v, const Shape& to, std::string_view name) {
  if (v->type.shape == to) return v;
  Dims dims(to.begin(), to.end());
  return rw.add("Reshape", {v}, Attrs().set("shape", std::move(dims)), name);
}

constexpr size_t kMaxChain = 32;

}  // namespace

Result<Value*> add_movement(Rewriter& rw, Value* from, const Movement::Plan& plan, const Shape& to,
                            std::string_view name) {
  if (plan.is_reshape()) return reshaped(rw, from, to, name);
  Value* v = LATHE_TRY(reshaped(rw, from, plan.factors, name));
  v = LATHE_TRY(rw.add("Transpose", {v}, Attrs().set("perm", Ints(plan.perm)), name));
  return reshaped(rw, v, to, name);
}

std::vector<Node*> chain_to(const Value* v) {
  std::vector<Node*> chain;
  while (is_movement(v->producer) && v->read_once() && chain.size() < kMaxChain) {
    std::vector<Node*> longer = chain;
    longer.insert(longer.begin(), v->producer);
    Movement m(longer.front()->in(0)->type.shape);
    if (!std::all_of(longer.begin(), longer.end(), [&](Node* n) { return follow(*n, m); })) break;
    chain = std::move(longer);
    v = chain.front()->in(0);
  }
  return chain;
}

std::vector<Node*> chain_from(const Value* v) {
  std::vector<Node*> chain;
  Movement m(v->type.shape);
  while (v->read_once() && !v->readers.empty() && is_movement(v->readers[0]) &&
         chain.size() < kMaxChain && follow(*v->readers[0], m)) {
    chain.push_back(v->readers[0]);
    v = v->readers[0]->out();
  }
  return chain;
}

int count_transposes(const std::vector<Node*>& chain) {
  return static_cast<int>(
      std::count_if(chain.begin(), chain.end(), [](const Node* n) { return n->is("Transpose"); }));
}

}  // namespace lathe
