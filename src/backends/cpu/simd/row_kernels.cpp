// SPDX-License-Identifier: Apache-2.0
// Rows of f32, for each target.
#include "backends/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/row_kernels.cpp"
#include "hwy/foreach_target.h"
// Highway's order
#include <cmath>
#include <cstring>

#include "backends/cpu/simd/row_kernels.h"
#include "backends/cpu/simd/vector_math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace {

// Folds are functions of an accumulator and a vector, with their neutral element.
struct Sum {
  static constexpr float kNeutral = 0;
  HWY_INLINE VF term(VF x) const { return x; }
  HWY_INLINE VF join(VF a, VF b) const { return hn::Add(a, b); }
};
struct SumAbs : Sum {
  HWY_INLINE VF term(VF x) const { return hn::Abs(x); }
};
struct SumSquares : Sum {
  float mean;
  HWY_INLINE VF term(VF x) const {
    const VF d = hn::Sub(x, splat(mean));
    return hn::Mul(d, d);
  }
};
struct Max {
  static constexpr float kNeutral = -HUGE_VALF;
  HWY_INLINE VF term(VF x) const { return x; }
  HWY_INLINE VF join(VF a, VF b) const { return hn::IfThenElse(is_nan(b), b, at_least(a, b)); }
};
struct Min {
  static constexpr float kNeutral = HUGE_VALF;
  HWY_INLINE VF term(VF x) const { return x; }
  HWY_INLINE VF join(VF a, VF b) const { return hn::IfThenElse(is_nan(b), b, at_most(a, b)); }
};
struct Product {
  static constexpr float kNeutral = 1;
  HWY_INLINE VF term(VF x) const { return x; }
  HWY_INLINE VF join(VF a, VF b) const { return hn::Mul(a, b); }
};

HWY_INLINE float lanes_of(VF v, const Sum&) { return hn::GetLane(hn::SumOfLanes(F(), v)); }
HWY_INLINE float lanes_of(VF v, const Max&) {
  if (!hn::AllFalse(F(), is_nan(v))) return NAN;
  return hn::GetLane(hn::MaxOfLanes(F(), v));
}
HWY_INLINE float lanes_of(VF v, const Min&) {
  if (!hn::AllFalse(F(), is_nan(v))) return NAN;
  return hn::GetLane(hn::MinOfLanes(F(), v));
}
HWY_INLINE float lanes_of(VF v, const Product&) {
  HWY_ALIGN float lanes[hn::MaxLanes(F())];
  hn::Store(v, F(), lanes);
  float product = 1;
  for (size_t k = 0; k < hn::Lanes(F()); ++k) product *= lanes[k];
  return product;
}

template <class Fold>
HWY_INLINE float fold_row(const float* x, size_t n, const Fold& fold) {
  const size_t lanes = hn::Lanes(F());
  const VF neutral = splat(Fold::kNeutral);
  VF a = neutral, b = neutral, c = neutral, d = neutral;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = fold.join(a, fold.term(hn::LoadU(F(), x + i)));
    b = fold.join(b, fold.term(hn::LoadU(F(), x + i + lanes)));
    c = fold.join(c, fold.term(hn::LoadU(F(), x + i + 2 * lanes)));
    d = fold.join(d, fold.term(hn::LoadU(F(), x + i + 3 * lanes)));
  }
  for (; i + lanes <= n; i += lanes) a = fold.join(a, fold.term(hn::LoadU(F(), x + i)));
  if (i < n) {
    const auto first = hn::FirstN(F(), n - i);
    const VF rest = fold.term(load_part(x + i, n - i));
    b = fold.join(b, hn::IfThenElse(first, rest, neutral));
  }
  return lanes_of(fold.join(fold.join(a, b), fold.join(c, d)), fold);
}

float sum(const float* x, size_t n) { return fold_row(x, n, Sum()); }
float sum_abs(const float* x, size_t n) { return fold_row(x, n, SumAbs()); }
float sum_squares(const float* x, float mean, size_t n) {
  SumSquares fold;
  fold.mean = mean;
  return fold_row(x, n, fold);
}
float max(const float* x, size_t n) { return fold_row(x, n, Max()); }
float min(const float* x, size_t n) { return fold_row(x, n, Min()); }
float product(const float* x, size_t n) { return fold_row(x, n, Product()); }

// 0 where the true value is below the least normal: a masked element gets no weight at all.
HWY_INLINE VF exp_negative(VF x) {
  return hn::IfThenElse(hn::Lt(x, splat(-87.0f)), splat(0.0f), exp_bounded(x));
}

float exp_sum(const float* x, float shift, float* y, size_t n) {
  const size_t lanes = hn::Lanes(F());
  const VF s = splat(shift);
  VF total = splat(0.0f), other = total;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const VF e0 = exp_negative(hn::Sub(hn::LoadU(F(), x + i), s));
    const VF e1 = exp_negative(hn::Sub(hn::LoadU(F(), x + i + lanes), s));
    hn::StoreU(e0, F(), y + i);
    hn::StoreU(e1, F(), y + i + lanes);
    total = hn::Add(total, e0);
    other = hn::Add(other, e1);
  }
  for (; i < n; i += lanes) {
    const size_t count = n - i < lanes ? n - i : lanes;
    const VF v = count == lanes ? hn::LoadU(F(), x + i) : load_part(x + i, count);
    const VF e = exp_negative(hn::Sub(v, s));
    if (count == lanes) {
      hn::StoreU(e, F(), y + i);
    } else {
      store_part(e, y + i, count);
    }
    total = hn::Add(total, hn::IfThenElse(hn::FirstN(F(), count), e, splat(0.0f)));
  }
  return lanes_of(hn::Add(total, other), Sum());
}

// y[i] = f(x[i]) with an operand's value at i where it is given.
template <class Map>
HWY_INLINE void map_row(const float* x, float* y, size_t n, const Map& map) {
  const size_t lanes = hn::Lanes(F());
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(map(hn::LoadU(F(), x + i), i, lanes), F(), y + i);
  if (i < n) store_part(map(load_part(x + i, n - i), i, n - i), y + i, n - i);
}
HWY_INLINE VF load_up_to(const float* x, size_t count) {
  return count == hn::Lanes(F()) ? hn::LoadU(F(), x) : load_part(x, count);
}

struct Scale {
  VF factor;
  HWY_INLINE VF operator()(VF x, size_t, size_t) const { return hn::Mul(x, factor); }
};
struct ExpColumns {
  const float* shift;
  float* sum;
  HWY_INLINE VF operator()(VF x, size_t i, size_t count) const {
    const VF e = exp_negative(hn::Sub(x, load_up_to(shift + i, count)));
    const VF total = hn::Add(load_up_to(sum + i, count), e);
    if (count == hn::Lanes(F())) {
      hn::StoreU(total, F(), sum + i);
    } else {
      store_part(total, sum + i, count);
    }
    return e;
  }
};
void exp_columns(const float* x, const float* shift, float* y, float* sum, size_t n) {
  map_row(x, y, n, ExpColumns{shift, sum});
}

struct Product2 {
  const float* factor;
  HWY_INLINE VF operator()(VF x, size_t i, size_t count) const {
    return hn::Mul(x, load_up_to(factor + i, count));
  }
};
void scale_columns(const float* factor, float* y, size_t n) { map_row(y, y, n, Product2{factor}); }

void scale(const float* x, float factor, float* y, size_t n) {
  map_row(x, y, n, Scale{splat(factor)});
}

struct Subtract {
  VF a, b;
  HWY_INLINE VF operator()(VF x, size_t, size_t) const { return hn::Sub(hn::Sub(x, a), b); }
};
void subtract(const float* x, float a, float b, float* y, size_t n) {
  map_row(x, y, n, Subtract{splat(a), splat(b)});
}

template <bool kScale, bool kBias>
struct Normalize {
  VF mean, factor, shift;
  const float *scale, *bias;
  HWY_INLINE VF operator()(VF x, size_t i, size_t count) const {
    if (!kScale && !kBias) return hn::MulAdd(hn::Sub(x, mean), factor, shift);
    const VF y = hn::Mul(hn::Sub(x, mean), factor);
    if (kScale && kBias)
      return hn::MulAdd(y, load_up_to(scale + i, count), load_up_to(bias + i, count));
    if (kScale) return hn::Mul(y, load_up_to(scale + i, count));
    return hn::Add(y, load_up_to(bias + i, count));
  }
};
void normalize(const float* x, const Normal& normal, const float* scale, const float* bias,
               float* y, size_t n) {
  const VF m = splat(normal.mean), f = splat(normal.factor), s = splat(normal.shift);
  if (scale != nullptr && bias != nullptr) {
    map_row(x, y, n, Normalize<true, true>{m, f, s, scale, bias});
  } else if (scale != nullptr) {
    map_row(x, y, n, Normalize<true, false>{m, f, s, scale, bias});
  } else if (bias != nullptr) {
    map_row(x, y, n, Normalize<false, true>{m, f, s, scale, bias});
  } else {
    map_row(x, y, n, Normalize<false, false>{m, f, s, scale, bias});
  }
}

template <class Fold>
struct Accumulate {
  const float* acc;
  Fold fold;
  HWY_INLINE VF operator()(VF x, size_t i, size_t count) const {
    return fold.join(load_up_to(acc + i, count), fold.term(x));
  }
};
template <class Fold>
void accumulate(const float* x, float* acc, size_t n) {
  Fold fold;
  if constexpr (requires { fold.mean; }) fold.mean = 0;
  map_row(x, acc, n, Accumulate<Fold>{acc, fold});
}

// A strip of columns in registers over all rows.
void add_rows(const float* x, size_t stride, size_t rows, float* acc, size_t n) {
  const size_t lanes = hn::Lanes(F());
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    VF a = hn::LoadU(F(), acc + i), b = hn::LoadU(F(), acc + i + lanes);
    VF c = hn::LoadU(F(), acc + i + 2 * lanes), d = hn::LoadU(F(), acc + i + 3 * lanes);
    const float* from = x + i;
    for (size_t r = 0; r < rows; ++r, from += stride) {
      a = hn::Add(a, hn::LoadU(F(), from));
      b = hn::Add(b, hn::LoadU(F(), from + lanes));
      c = hn::Add(c, hn::LoadU(F(), from + 2 * lanes));
      d = hn::Add(d, hn::LoadU(F(), from + 3 * lanes));
    }
    hn::StoreU(a, F(), acc + i);
    hn::StoreU(b, F(), acc + i + lanes);
    hn::StoreU(c, F(), acc + i + 2 * lanes);
    hn::StoreU(d, F(), acc + i + 3 * lanes);
  }
  for (size_t r = 0; i < n && r < rows; ++r) accumulate<Sum>(x + r * stride + i, acc + i, n - i);
}

void weighted(const float* const* rows, const float* weights, size_t count, float* y, size_t n) {
  const size_t lanes = hn::Lanes(F());
  for (size_t i = 0; i < n; i += lanes) {
    const size_t now = n - i < lanes ? n - i : lanes;
    VF sum = splat(0.0f);
    for (size_t t = 0; t < count; ++t) {
      if (weights[t] == 0) continue;
      sum = hn::MulAdd(splat(weights[t]), load_up_to(rows[t] + i, now), sum);
    }
    if (now == lanes) {
      hn::StoreU(sum, F(), y + i);
    } else {
      store_part(sum, y + i, now);
    }
  }
}

constexpr RowKernels kRows{sum,
                           sum_abs,
                           sum_squares,
                           max,
                           min,
                           product,
                           exp_sum,
                           scale,
                           exp_columns,
                           scale_columns,
                           subtract,
                           normalize,
                           accumulate<Sum>,
                           accumulate<SumAbs>,
                           accumulate<SumSquares>,
                           accumulate<Max>,
                           accumulate<Min>,
                           accumulate<Product>,
                           add_rows,
                           weighted};

}  // namespace

const RowKernels* row_table() { return &kRows; }

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lathe::cpu {

HWY_EXPORT(row_table);
const RowKernels& row_kernels() { return *HWY_DYNAMIC_DISPATCH(row_table)(); }

}  // namespace lathe::cpu
#endif
