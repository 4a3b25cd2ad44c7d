// SPDX-License-Identifier: Apache-2.0
#pragma once
// Seeded random numbers, the same on every machine and compiler: only integer arithmetic and
// exact float operations. The n-th number depends on the seed and n alone, so that parts of a
// sequence can be made apart (SplitMix64 over a counter).
//
//   Random r(hash64(key));
//   r.fill_normal(weights, 0, 0.02f);
#include <cstddef>
#include <cstdint>
#include <span>

namespace lathe {

class Random {
 public:
  explicit Random(uint64_t seed, uint64_t counter = 0) : key_(mix(seed)), counter_(counter) {}

  uint64_t next() { return mix(key_ + 0x9e3779b97f4a7c15u * ++counter_); }
  void skip(uint64_t n) { counter_ += n; }

  // [0, 1), in steps of 2^-53; a float in steps of 2^-24.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  float uniform_float() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
  double uniform(double lo, double hi) { return lo + (hi - lo) * uniform(); }

  // [lo, hi], both possible; lo must not exceed hi.
  int64_t integer(int64_t lo, int64_t hi) {
    uint64_t count = static_cast<uint64_t>(hi) - static_cast<uint64_t>(lo) + 1;
    uint64_t pick = next();
    // The high half of the product maps 2^64 values onto count, evenly but for 2^-64 * count.
    if (count != 0)
      pick = static_cast<uint64_t>((static_cast<unsigned __int128>(pick) * count) >> 64);
    return static_cast<int64_t>(static_cast<uint64_t>(lo) + pick);
  }

  // Mean 0, deviation 1, within (-6, 6): the sum of twelve uniform numbers. Logarithms and
  // cosines would differ from one C library to another.
  double normal() {
    int64_t sum = 0;
    for (int draw = 0; draw < 3; ++draw) {
      uint64_t bits = next();
      for (int i = 0; i < 4; ++i, bits >>= 16) sum += static_cast<int64_t>(bits & 0xffff);
    }
    return static_cast<double>(sum - 6 * 0xffff) * 0x1p-16;
  }

  void fill_uniform(std::span<float> out, float lo, float hi) {
    for (float& v : out) v = lo + (hi - lo) * uniform_float();
  }
  void fill_normal(std::span<float> out, float mean, float deviation) {
    for (float& v : out) v = mean + deviation * static_cast<float>(normal());
  }
  void fill_bytes(std::span<std::byte> out) {
    uint64_t bits = 0;
    for (size_t i = 0; i < out.size(); ++i, bits >>= 8) {
      if (i % 8 == 0) bits = next();
      out[i] = static_cast<std::byte>(bits & 0xff);
    }
  }

 private:
  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  uint64_t key_;
  uint64_t counter_;
};

}  // namespace lathe
