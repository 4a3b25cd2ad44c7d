// SPDX-License-Identifier: Apache-2.0
#pragma once
// What handling one model may cost. One object is charged by loader, folder and tuner, so that
// a hostile model runs out of budget instead of out of memory or patience.
//
//   Budget budget({.bytes = int64_t{1} << 34, .nodes = 1'000'000, .seconds = 600});
//   LATHE_TRY(budget.charge_nodes(graph.node_count()));
//
// Charging is safe from several threads. A charge that fails is not taken.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

#include "base/status.h"

namespace lathe {

struct BudgetLimits {
  int64_t bytes = std::numeric_limits<int64_t>::max();
  int64_t nodes = std::numeric_limits<int64_t>::max();
  double seconds = std::numeric_limits<double>::infinity();
};

class Budget {
 public:
  explicit Budget(BudgetLimits limits = {}) : limits_(limits) {}

  Status charge_bytes(int64_t n) {
    if (take(bytes_, n, limits_.bytes)) return {};
    return out_of_memory("the budget of {} bytes is spent ({} more asked for)", limits_.bytes, n);
  }
  Status charge_nodes(int64_t n) {
    if (take(nodes_, n, limits_.nodes)) return {};
    return invalid("the model is larger than the budget of {} nodes", limits_.nodes);
  }
  Status check_time() const {
    if (elapsed_seconds() <= limits_.seconds) return {};
    return invalid("the time budget of {} s is spent", limits_.seconds);
  }
  // Gives back bytes that were charged and freed.
  void release_bytes(int64_t n) { bytes_.fetch_sub(n, std::memory_order_relaxed); }

  int64_t bytes_used() const { return bytes_.load(std::memory_order_relaxed); }
  int64_t nodes_used() const { return nodes_.load(std::memory_order_relaxed); }
  double elapsed_seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  static bool take(std::atomic<int64_t>& used, int64_t n, int64_t limit) {
    int64_t before = used.load(std::memory_order_relaxed);
    do {
      if (n < 0 || n > limit - before) return false;
    } while (!used.compare_exchange_weak(before, before + n, std::memory_order_relaxed));
    return true;
  }

  BudgetLimits limits_;
  std::atomic<int64_t> bytes_ = 0;
  std::atomic<int64_t> nodes_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace lathe
