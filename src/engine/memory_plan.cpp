// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "base/math.h"

namespace lathe {
namespace {

constexpr int64_t kAlign = 64;  // a cache line, and what vector loads want

// A piece of arena: one storage root, or several that take turns in the same place.
struct Block {
  int64_t bytes = 0;
  int first = INT32_MAX, last = -1;  // steps, inclusive
  int64_t place = 0;
  bool on_host = false;
  bool overlaps(const Block& o) const { return first <= o.last && o.first <= last; }
};

Result<std::vector<TensorType>> concrete_types(const Plan& plan, const Bindings& symbols) {
  std::vector<TensorType> types;
  types.reserve(plan.tensors.size());
  for (const PlanTensor& t : plan.tensors) {
    Result<Shape> shape = t.type.shape.evaluate(symbols);
    if (!shape.ok()) return std::move(shape).status().at(fmt::format("tensor '{}'", t.name));
    types.push_back({t.type.dtype, *std::move(shape), t.type.layout});
  }
  return types;
}

// Follows aliases to the tensor that owns the storage, adding up byte offsets.
Status resolve_aliases(const Plan& plan, const Bindings& symbols, MemoryPlan& m) {
  const size_t n = plan.tensors.size();
  m.root.resize(n);
  m.offset.assign(n, 0);
  for (size_t i = 0; i < n; ++i) {
    size_t at = i;
    for (size_t depth = 0; plan.tensors[at].alias_of >= 0; ++depth) {
      if (depth > n) return invalid("tensor '{}': aliases form a cycle", plan.tensors[i].name);
      const PlanTensor& t = plan.tensors[at];
      const auto parent = static_cast<size_t>(t.alias_of);
      if (t.alias_axis >= 0) {
        const int64_t start = LATHE_TRY(t.alias_start.evaluate(symbols));
        const int64_t stride = strides(m.types[parent])[static_cast<size_t>(t.alias_axis)];
        m.offset[i] += start * bytes(t.type.dtype, stride);
      }
      at = parent;
    }
    m.root[i] = static_cast<TensorId>(at);
  }
  return {};
}

class Planner {
 public:
  Planner(const Plan& plan, MemoryPlan& m)
      : plan_(plan), m_(m), block_of_(plan.tensors.size(), -1) {}

  void run() {
    mark_caller_owned();
    make_blocks();
    share_in_place();
    drop_merged();
    place(false, m_.device_arena);
    place(true, m_.host_arena);
    lower_bound();
    for (size_t i = 0; i < block_of_.size(); ++i) {
      m_.place[i] = block_of_[i] < 0 ? MemoryPlan::kNone : blocks_[find(block_of_[i])].place;
    }
  }

 private:
  TensorId root(TensorId t) const { return m_.root[static_cast<size_t>(t)]; }
  bool in_arena(TensorId r) const { return !outside_[static_cast<size_t>(r)]; }

  void mark_caller_owned() {
    outside_.assign(plan_.tensors.size(), false);
    for (size_t i = 0; i < plan_.tensors.size(); ++i) outside_[i] = plan_.tensors[i].constant >= 0;
    for (const PlanPort& p : plan_.inputs) outside_[static_cast<size_t>(root(p.tensor))] = true;
    for (const PlanPort& p : plan_.outputs) outside_[static_cast<size_t>(root(p.tensor))] = true;
  }

  void touch(TensorId t, int step) {
    if (t < 0 || !in_arena(root(t))) return;
    const auto r = static_cast<size_t>(root(t));
    if (block_of_[r] < 0) {
      block_of_[r] = static_cast<int>(blocks_.size());
      Block b;
      b.bytes = static_cast<int64_t>(round_up(static_cast<size_t>(m_.bytes[r]), kAlign));
      b.on_host = plan_.tensors[r].on_host;
      blocks_.push_back(b);
    }
    Block& b = blocks_[static_cast<size_t>(block_of_[r])];
    b.first = std::min(b.first, step);
    b.last = std::max(b.last, step);
  }

  void make_blocks() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      for (TensorId t : plan_.steps[s].in) touch(t, static_cast<int>(s));
      for (TensorId t : plan_.steps[s].out) touch(t, static_cast<int>(s));
    }
    merged_into_.resize(blocks_.size());
    std::iota(merged_into_.begin(), merged_into_.end(), 0);
  }

  size_t find(int b) const {
    auto i = static_cast<size_t>(b);
    while (merged_into_[i] != static_cast<int>(i)) i = static_cast<size_t>(merged_into_[i]);
    return i;
  }

  // An output takes over the place of an operand that dies at its step.
  void share_in_place() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      for (const auto& [o, i] : plan_.steps[s].in_place) try_share(static_cast<int>(s), o, i);
    }
  }

  void try_share(int s, int o, int i) {
    const Step& step = plan_.steps[static_cast<size_t>(s)];
    const TensorId out = step.out[static_cast<size_t>(o)], in = step.in[static_cast<size_t>(i)];
    if (out < 0 || in < 0) return;
    const TensorId ro = root(out), ri = root(in);
    const auto uo = static_cast<size_t>(ro), ui = static_cast<size_t>(ri);
    if (!in_arena(ro) || !in_arena(ri) || m_.offset[static_cast<size_t>(out)] != 0 ||
        m_.offset[static_cast<size_t>(in)] != 0 || m_.bytes[uo] != m_.bytes[ui]) {
      return;
    }
    const size_t a = find(block_of_[ui]), b = find(block_of_[uo]);
    if (a == b || blocks_[a].last != s || blocks_[b].first != s ||
        blocks_[a].on_host != blocks_[b].on_host) {
      return;
    }
    for (size_t k = 0; k < step.in.size(); ++k) {  // another operand lives in the same storage
      if (static_cast<int>(k) != i && step.in[k] >= 0 && step.in[k] != in && root(step.in[k]) == ri)
        return;
    }
    merged_into_[b] = static_cast<int>(a);
    blocks_[a].last = std::max(blocks_[a].last, blocks_[b].last);
  }

  void drop_merged() {
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (merged_into_[i] == static_cast<int>(i)) live_.push_back(static_cast<int>(i));
    }
  }

  // Largest first, each into the tightest gap among the blocks alive with it; and once more in
  // order of time; the smaller arena stays.
  void place(bool on_host, int64_t& arena) {
    std::vector<int> order;
    for (int b : live_) {
      if (blocks_[static_cast<size_t>(b)].on_host == on_host) order.push_back(b);
    }
    auto at = [&](int b) -> const Block& { return blocks_[static_cast<size_t>(b)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return at(a).bytes > at(b).bytes; });
    arena = assign(order);
    std::vector<int64_t> best;
    for (int b : order) best.push_back(at(b).place);
    std::vector<int> by_span = order;
    std::stable_sort(by_span.begin(), by_span.end(), [&](int a, int b) {
      return (at(a).last - at(a).first + 1) * at(a).bytes >
             (at(b).last - at(b).first + 1) * at(b).bytes;
    });
    const int64_t other = assign(by_span);
    if (other < arena) {
      arena = other;
      return;
    }
    for (size_t k = 0; k < order.size(); ++k)
      blocks_[static_cast<size_t>(order[k])].place = best[k];
  }

  int64_t assign(const std::vector<int>& order) {
    std::vector<const Block*> placed;  // sorted by place
    int64_t arena = 0;
    for (int index : order) {
      Block& b = blocks_[static_cast<size_t>(index)];
      int64_t end = 0, best = -1, best_gap = INT64_MAX;
      for (const Block* p : placed) {
        if (!p->overlaps(b)) continue;
        if (p->place - end >= b.bytes && p->place - end < best_gap)
          best = end, best_gap = p->place - end;
        end = std::max(end, p->place + p->bytes);
      }
      b.place = best >= 0 ? best : end;
      arena = std::max(arena, b.place + b.bytes);
      placed.insert(
          std::upper_bound(placed.begin(), placed.end(), &b,
                           [](const Block* x, const Block* y) { return x->place < y->place; }),
          &b);
    }
    return arena;
  }

  void lower_bound() {
    std::vector<int64_t> change(plan_.steps.size() + 1, 0);
    for (int i : live_) {
      const Block& b = blocks_[static_cast<size_t>(i)];
      change[static_cast<size_t>(b.first)] += b.bytes;
      change[static_cast<size_t>(b.last) + 1] -= b.bytes;
    }
    int64_t now = 0;
    for (int64_t c : change) m_.lower_bound = std::max(m_.lower_bound, now += c);
  }

  const Plan& plan_;
  MemoryPlan& m_;
  std::vector<bool> outside_;
  std::vector<int> block_of_;  // by root tensor
  std::vector<Block> blocks_;
  std::vector<int> merged_into_;  // by block
  std::vector<int> live_;         // blocks that were not merged away
};

}  // namespace

Result<MemoryPlan> plan_memory(const Plan& plan, const Bindings& symbols) {
  for (const Constraint& c : plan.constraints) LATHE_TRY(c.check(symbols));
  MemoryPlan m;
  m.types = LATHE_TRY(concrete_types(plan, symbols));
  LATHE_TRY(resolve_aliases(plan, symbols, m));
  m.bytes.assign(plan.tensors.size(), 0);
  int64_t total = 0;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    Result<int64_t> size = storage_bytes(m.types[i]);
    if (!size.ok())
      return std::move(size).status().at(fmt::format("tensor '{}'", plan.tensors[i].name));
    m.bytes[i] = *size;
    const auto sum = checked_add(total, *size);
    if (!sum) return out_of_memory("the activations of all steps do not fit in 63 bits");
    total = *sum;
  }
  m.place.assign(plan.tensors.size(), MemoryPlan::kNone);
  Planner(plan, m).run();
  return m;
}

Result<Bindings> bind_symbols(const Plan& plan, std::span<const Shape> input_shapes) {
  Bindings values;
  for (size_t k = 0; k < plan.inputs.size(); ++k) {
    const PlanPort& port = plan.inputs[k];
    const Shape& want = plan.tensors[static_cast<size_t>(port.tensor)].type.shape;
    const Shape& got = input_shapes[k];
    if (got.rank() != want.rank()) {
      return invalid("input '{}': shape {} has rank {}, expected rank {} as in {}", port.name,
                     got.to_string(), got.rank(), want.rank(), want.to_string());
    }
    for (int d = 0; d < want.rank(); ++d) {
      if (want[d].is_symbol()) values.try_emplace(want[d].to_string(), got[d].value());
    }
  }
  for (size_t k = 0; k < plan.inputs.size(); ++k) {
    const PlanPort& port = plan.inputs[k];
    const Shape& want = plan.tensors[static_cast<size_t>(port.tensor)].type.shape;
    for (int d = 0; d < want.rank(); ++d) {
      const int64_t size = LATHE_TRY(want[d].evaluate(values)), got = input_shapes[k][d].value();
      if (size == got) continue;
      if (want[d].is_constant()) {
        return invalid("input '{}': dimension {} is {}, expected {}", port.name, d, got, size);
      }
      return invalid("input '{}': dimension {} is {}, expected {} = {}", port.name, d, got,
                     want[d].to_string(), size);
    }
  }
  for (const SymbolRange& r : plan.symbols) {
    const auto it = values.find(r.name);
    if (it == values.end()) continue;
    if (it->second < r.min || it->second > r.max) {
      return invalid(
          "dimension {} is {}, expected {} to {}, the range that the engine was built for", r.name,
          it->second, r.min, r.max);
    }
  }
  return values;
}

}  // namespace lathe
