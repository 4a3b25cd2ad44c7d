// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <algorithm>
#include <map>
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

// Bytes of each tensor. All of them together, padded, fit in 63 bits: so does any sum of places.
Status measure(const Plan& plan, MemoryPlan& m) {
  int64_t total = 0;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    Result<int64_t> size = storage_bytes(m.types[i]);
    if (!size.ok())
      return std::move(size).status().at(fmt::format("tensor '{}'", plan.tensors[i].name));
    m.bytes.push_back(*size);
    const auto padded = checked_add(*size, kAlign);
    const auto sum = padded ? checked_add(total, *padded) : std::nullopt;
    if (!sum) return out_of_memory("the activations of all steps do not fit in 63 bits");
    total = *sum;
  }
  return {};
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
  Planner(const Plan& plan, const InPlacePairs* in_place, MemoryPlan& m)
      : plan_(plan), in_place_(in_place), m_(m), block_of_(plan.tensors.size(), -1) {}

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
    for (const PlanPort& p : plan_.outputs) {
      if (m_.is_whole(p.tensor)) outside_[static_cast<size_t>(root(p.tensor))] = true;
    }
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
    // Outputs that are parts stay until they are copied out.
    const int last = static_cast<int>(plan_.steps.size()) - 1;
    for (const PlanPort& p : plan_.outputs) {
      if (block_of_[static_cast<size_t>(root(p.tensor))] >= 0) touch(p.tensor, last);
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
      for (const auto& [o, i] : pairs(s)) try_share(s, o, i);
    }
  }

  const std::vector<std::pair<int8_t, int8_t>>& pairs(size_t s) const {
    return in_place_ == nullptr ? plan_.steps[s].in_place : (*in_place_)[s];
  }

  void try_share(size_t s, int8_t o, int8_t i) {
    const Step& step = plan_.steps[s];
    const TensorId out = step.out[static_cast<size_t>(o)], in = step.in[static_cast<size_t>(i)];
    if (out < 0 || in < 0) return;
    const auto ro = static_cast<size_t>(root(out)), ri = static_cast<size_t>(root(in));
    if (!in_arena(root(out)) || !in_arena(root(in)) || !m_.is_whole(out) || !m_.is_whole(in) ||
        m_.bytes[ro] != m_.bytes[ri]) {
      return;
    }
    const size_t a = find(block_of_[ri]), b = find(block_of_[ro]);
    const auto now = static_cast<int>(s);
    if (a == b || blocks_[a].last != now || blocks_[b].first != now ||
        blocks_[a].on_host != blocks_[b].on_host) {
      return;
    }
    if (!alone_in(s, o, in)) return;
    merged_into_[b] = static_cast<int>(a);
    blocks_[a].last = std::max(blocks_[a].last, blocks_[b].last);
  }

  // Every operand in the memory of `in` may be overwritten by output o, and no other result of the
  // step lies there.
  bool alone_in(size_t s, int8_t o, TensorId in) const {
    const Step& step = plan_.steps[s];
    for (size_t k = 0; k < step.in.size(); ++k) {
      if (step.in[k] < 0 || root(step.in[k]) != root(in)) continue;
      const std::pair pair{o, static_cast<int8_t>(k)};
      const auto& allowed = pairs(s);
      const bool listed = std::find(allowed.begin(), allowed.end(), pair) != allowed.end();
      if (k > INT8_MAX || step.in[k] != in || !listed) return false;
    }
    const size_t block = find(block_of_[static_cast<size_t>(root(in))]);
    return std::none_of(step.out.begin(), step.out.end(), [&](TensorId t) {
      return t >= 0 && in_arena(root(t)) && find(block_of_[static_cast<size_t>(root(t))]) == block;
    });
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
    constexpr size_t kMany = 20000;  // best fit looks at every pair
    if (order.size() > kMany) {
      arena = assign_in_turn(std::move(order));
      return;
    }
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

  // In order of time, each into the smallest place that is free again: for very long plans.
  int64_t assign_in_turn(std::vector<int> order) {
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return blocks_[static_cast<size_t>(a)].first < blocks_[static_cast<size_t>(b)].first;
    });
    struct Place {
      int64_t begin, bytes;
    };
    std::multimap<int, Place> taken;       // by the last step
    std::multimap<int64_t, int64_t> free;  // begin by bytes
    int64_t arena = 0;
    for (int index : order) {
      Block& b = blocks_[static_cast<size_t>(index)];
      while (!taken.empty() && taken.begin()->first < b.first) {
        free.emplace(taken.begin()->second.bytes, taken.begin()->second.begin);
        taken.erase(taken.begin());
      }
      Place place{arena, b.bytes};
      if (const auto fits = free.lower_bound(b.bytes); fits != free.end()) {
        place = {fits->second, fits->first};
        free.erase(fits);
      } else {
        arena += b.bytes;
      }
      b.place = place.begin;
      taken.emplace(b.last, place);
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
  const InPlacePairs* in_place_;
  MemoryPlan& m_;
  std::vector<bool> outside_;
  std::vector<int> block_of_;  // by root tensor
  std::vector<Block> blocks_;
  std::vector<int> merged_into_;  // by block
  std::vector<int> live_;         // blocks that were not merged away
};

}  // namespace

Result<MemoryPlan> plan_memory(const Plan& plan, const Bindings& symbols,
                               const InPlacePairs* in_place) {
  for (const Constraint& c : plan.constraints) LATHE_TRY(c.check(symbols));
  MemoryPlan m;
  m.types = LATHE_TRY(concrete_types(plan, symbols));
  LATHE_TRY(measure(plan, m));
  LATHE_TRY(resolve_aliases(plan, symbols, m));
  m.place.assign(plan.tensors.size(), MemoryPlan::kNone);
  Planner(plan, in_place, m).run();
  return m;
}

namespace {

const Shape& declared(const Plan& plan, size_t input) {
  return plan.tensors[static_cast<size_t>(plan.inputs[input].tensor)].type.shape;
}

// The sizes of input k against its dimensions with every symbol known.
Status check_sizes(const Plan& plan, size_t k, const Shape& got, const Bindings& values) {
  const Shape& want = declared(plan, k);
  for (int d = 0; d < want.rank(); ++d) {
    const int64_t size = LATHE_TRY(want[d].evaluate(values));
    if (size == got[d].value()) continue;
    const std::string expected =
        want[d].is_constant() ? "" : fmt::format("{} = ", want[d].to_string());
    return invalid("input '{}': dimension {} is {}, expected {}{}", plan.inputs[k].name, d,
                   got[d].value(), expected, size);
  }
  return {};
}

// The input and dimension that a symbol is, for messages.
std::string place_of(const Plan& plan, const std::string& symbol) {
  for (size_t k = 0; k < plan.inputs.size(); ++k) {
    const Shape& shape = declared(plan, k);
    for (int d = 0; d < shape.rank(); ++d) {
      if (shape[d].is_symbol() && shape[d].to_string() == symbol)
        return fmt::format("input '{}': dimension {} ({})", plan.inputs[k].name, d, symbol);
    }
  }
  return symbol;
}

}  // namespace

Result<Bindings> bind_symbols(const Plan& plan, std::span<const Shape> input_shapes) {
  LATHE_CHECK(input_shapes.size() == plan.inputs.size());
  Bindings values;
  for (size_t k = 0; k < plan.inputs.size(); ++k) {
    const Shape &want = declared(plan, k), &got = input_shapes[k];
    const std::string& name = plan.inputs[k].name;
    if (got.rank() != want.rank()) {
      return invalid("input '{}': shape {} has rank {}, expected rank {} as in {}", name,
                     got.to_string(), got.rank(), want.rank(), want.to_string());
    }
    for (int d = 0; d < want.rank(); ++d) {
      if (got[d].value() < 0)
        return invalid("input '{}': dimension {} is {}, expected a size", name, d, got[d].value());
      if (want[d].is_symbol()) values.try_emplace(want[d].to_string(), got[d].value());
    }
  }
  for (size_t k = 0; k < plan.inputs.size(); ++k)
    LATHE_TRY(check_sizes(plan, k, input_shapes[k], values));
  for (const SymbolRange& r : plan.symbols) {
    const auto it = values.find(r.name);
    if (it == values.end() || (it->second >= r.min && it->second <= r.max)) continue;
    return invalid("{} is {}, expected {} to {}, the range that the engine was built for",
                   place_of(plan, r.name), it->second, r.min, r.max);
  }
  return values;
}

}  // namespace lathe
