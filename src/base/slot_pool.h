// SPDX-License-Identifier: Apache-2.0
#pragma once
// Objects that threads borrow and give back without a lock: what a launch needs for itself and must
// not make anew each time.
//
//   std::unique_ptr<Scratch> s = pool.take();
//   if (s == nullptr) s = std::make_unique<Scratch>();
//   ...
//   pool.give(std::move(s));
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>

namespace lathe {

template <class T, size_t kSlots = 16>
class SlotPool {
 public:
  SlotPool() = default;
  SlotPool(const SlotPool&) = delete;
  ~SlotPool() {
    for (std::atomic<T*>& slot : slots_) delete slot.load();
  }

  // One that was given back, or null. The same thread alone gets the same object again.
  std::unique_ptr<T> take() {
    for (std::atomic<T*>& slot : slots_) {
      if (slot.load(std::memory_order_relaxed) == nullptr) continue;
      if (T* t = slot.exchange(nullptr, std::memory_order_acquire)) return std::unique_ptr<T>(t);
    }
    return nullptr;
  }
  // Keeps at most kSlots, destroys what is more.
  void give(std::unique_ptr<T> t) {
    for (std::atomic<T*>& slot : slots_) {
      T* empty = nullptr;
      if (slot.compare_exchange_strong(empty, t.get(), std::memory_order_release)) {
        (void)t.release();
        return;
      }
    }
  }

 private:
  std::array<std::atomic<T*>, kSlots> slots_{};
};

}  // namespace lathe
