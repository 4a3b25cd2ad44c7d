// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers below the least normal one (2^-126 in f32), with which many processors compute a hundred
// times as slowly. Networks make them: tails of Sigmoid and Softmax, gates times what they close.

namespace lathe {

// While one lives, the calling thread, and the loops that it shares out by parallel_for(), take
// such operands as 0 and give 0 for such results (x86's DAZ and FTZ), or compute with them when
// `flush` is false. What was before comes back. May be nested. Elsewhere than on x86: nothing.
class Denormals {
 public:
  explicit Denormals(bool flush);
  ~Denormals();
  Denormals(const Denormals&) = delete;
  Denormals& operator=(const Denormals&) = delete;

  static bool flushed();  // in the calling thread, now

 private:
  unsigned before_;  // of the control register, these bits
};

}  // namespace lathe
