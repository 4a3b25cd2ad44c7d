// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a reduction walks memory: kept and reduced dimensions of operand 0, its elements as runs of
// f32 (prologue and widening done), and the way of the results through the epilogue.
#include <memory>
#include <vector>

#include "backends/cpu/simd/expr_kernel.h"
#include "backends/cpu/simd/nest.h"

namespace lathe::cpu {

class ReducePlan {
 public:
  static Support supports(const OpInstance& op);
  explicit ReducePlan(const OpInstance& op);

  Nest kept, reduced;    // of operand 0's dimensions; kept may have size 1 dimensions dropped
  int64_t length = 1;    // elements of a result
  bool columns = false;  // memory is contiguous along kept's innermost dimension

  // Result i is made of `length` neighbours at operand 0 + i * row_stride, nothing else.
  bool plain_rows() const {
    return enter_.empty() && !columns && kept.sizes.size() == 1 && reduced.sizes.size() == 1;
  }
  int64_t row_stride() const { return kept.strides[0][0]; }

  // Calls f(x, n) for the runs of result `index`, which counts in kept's order.
  template <class F>
  void for_each_run(const Buffers& at, int64_t index, F&& f) const {
    visit_runs(at, index, Body(f));
  }
  // Columns [column, column + n) of a kept plane, and of each the reduced elements [first, last).
  struct Strip {
    int64_t plane, column, n, first, last;
  };
  // Calls f(x, stride, rows) for the rows of a strip, in order.
  template <class F>
  void for_each_rows(const Buffers& at, const Strip& strip, F&& f) const {
    auto shim = [&](const float* x, int64_t stride, int64_t rows) { f(x, stride, rows); };
    visit_strip(at, strip, Body(shim));
  }
  // Results in kept's order to the outputs.
  void write(const Buffers& at, float* results) const;

 private:
  // A borrowed function of (x, n) or of (x, stride, rows).
  struct Body {
    template <class F>
    explicit Body(F& f)
        : object(&f), call([](void* o, const float* x, int64_t a, int64_t b) {
            if constexpr (std::is_invocable_v<F, const float*, int64_t>) {
              (*static_cast<F*>(o))(x, a);
            } else {
              (*static_cast<F*>(o))(x, a, b);
            }
          }) {}
    void* object;
    void (*call)(void*, const float*, int64_t, int64_t);
  };
  void visit_runs(const Buffers& at, int64_t index, Body body) const;
  void visit_strip(const Buffers& at, const Strip& strip, Body body) const;
  // Offsets of all inputs at plane `outer` of the reduced dimensions.
  void reduced_offsets(int64_t outer, std::vector<int64_t>& out) const;
  void offsets_of(int64_t index, bool without_inner, std::vector<int64_t>& out) const;

  struct Tensor {
    int number;
    int64_t bytes;
  };
  std::vector<Tensor> inputs_;  // operand 0, then what the prologue reads; in kept and reduced
  ExprKernel enter_;            // empty: read in place
  std::vector<Tensor> outputs_, extras_;
  Nest results_;  // over kept: dense results, outputs, extras
  ExprKernel leave_;
};

}  // namespace lathe::cpu
