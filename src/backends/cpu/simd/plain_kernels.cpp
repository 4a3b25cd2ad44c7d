// SPDX-License-Identifier: Apache-2.0
// Block kernels as plain loops: f64, integers, conversions, functions that are rarely met.
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "backends/cpu/simd/bf16_kernels.h"
#include "backends/cpu/simd/kernel.h"
#include "base/math.h"
#include "tensor/half.h"

namespace lathe::cpu {
namespace {

// y[i] = f(a[i], b[i], ...) where R is what a register holds and Y what the result's holds.
template <class R, class Y, class F>
Kernel each1(F) {
  return [](const Arg* args, void* out, size_t n) {
    const auto* a = static_cast<const R*>(args[0].at);
    auto* y = static_cast<Y*>(out);
    for (size_t i = 0; i < n; ++i) y[i] = static_cast<Y>(F()(a[i * args[0].step]));
  };
}
template <class R, class Y, class F>
Kernel each2(F) {
  return [](const Arg* args, void* out, size_t n) {
    const auto *a = static_cast<const R*>(args[0].at), *b = static_cast<const R*>(args[1].at);
    const size_t sa = args[0].step, sb = args[1].step;
    auto* y = static_cast<Y*>(out);
    for (size_t i = 0; i < n; ++i) y[i] = static_cast<Y>(F()(a[i * sa], b[i * sb]));
  };
}
template <class R>
void select(const Arg* args, void* out, size_t n) {
  const auto* c = static_cast<const int32_t*>(args[0].at);
  const auto *a = static_cast<const R*>(args[1].at), *b = static_cast<const R*>(args[2].at);
  auto* y = static_cast<R*>(out);
  for (size_t i = 0; i < n; ++i) {
    y[i] = c[i * args[0].step] != 0 ? a[i * args[1].step] : b[i * args[2].step];
  }
}

template <class T>
T python_mod(T a, T b) {
  const T r = std::fmod(a, b);
  if (r == 0) return std::copysign(T(0), b);
  return (r < 0) != (b < 0) ? r + b : r;
}

// Functions of f32 that no network spends time in.
Kernel rare_f32(ScalarOp op) {
  using R = float;
// clang-format off
#define RARE1(name, call) case ScalarOp::name: return each1<R, R>([](R a) { return call; });
#define RARE2(name, call) case ScalarOp::name: return each2<R, R>([](R a, R b) { return call; });
  // clang-format on
  switch (op) {
    RARE1(Tan, std::tan(a))
    RARE1(Asin, std::asin(a))
    RARE1(Acos, std::acos(a))
    RARE1(Atan, std::atan(a))
    RARE1(Sinh, std::sinh(a))
    RARE1(Cosh, std::cosh(a))
    RARE1(Asinh, std::asinh(a))
    RARE1(Acosh, std::acosh(a))
    RARE1(Atanh, std::atanh(a))
    RARE2(Pow, std::pow(a, b))
    RARE2(Mod, python_mod(a, b))
    RARE2(Fmod, std::fmod(a, b))
    default: return nullptr;
  }
}

Kernel functions_f64(ScalarOp op) {
  using R = double;
  switch (op) {
    RARE1(Exp, std::exp(a))
    RARE1(Log, std::log(a))
    RARE1(Log1p, std::log1p(a))
    RARE1(Expm1, std::expm1(a))
    RARE1(Sin, std::sin(a))
    RARE1(Cos, std::cos(a))
    RARE1(Tan, std::tan(a))
    RARE1(Asin, std::asin(a))
    RARE1(Acos, std::acos(a))
    RARE1(Atan, std::atan(a))
    RARE1(Sinh, std::sinh(a))
    RARE1(Cosh, std::cosh(a))
    RARE1(Tanh, std::tanh(a))
    RARE1(Asinh, std::asinh(a))
    RARE1(Acosh, std::acosh(a))
    RARE1(Atanh, std::atanh(a))
    RARE1(Erf, std::erf(a))
    RARE1(Sigmoid, 1 / (1 + std::exp(-a)))
    RARE2(Pow, std::pow(a, b))
    RARE2(Mod, python_mod(a, b))
    RARE2(Fmod, std::fmod(a, b))
    default: return nullptr;
  }
}

Kernel arithmetic_f64(ScalarOp op) {
  using R = double;
  switch (op) {
    RARE2(Add, a + b)
    RARE2(Sub, a - b)
    RARE2(Mul, a * b)
    RARE2(Div, a / b)
    RARE2(Min, a != a ? a : b != b ? b : b < a ? b : a)
    RARE2(Max, a != a ? a : b != b ? b : a < b ? b : a)
    RARE1(Neg, -a)
    RARE1(Abs, std::fabs(a))
    RARE1(Sign, a > 0 ? 1.0 : a < 0 ? -1.0 : a)
    RARE1(Sqrt, std::sqrt(a))
    RARE1(Reciprocal, 1 / a)
    RARE1(Floor, std::floor(a))
    RARE1(Ceil, std::ceil(a))
    RARE1(Round, std::nearbyint(a))
    RARE1(Trunc, std::trunc(a))
    case ScalarOp::IsNan: return each1<R, int32_t>([](R a) { return std::isnan(a); });
    case ScalarOp::IsInf: return each1<R, int32_t>([](R a) { return std::isinf(a); });
    default: return functions_f64(op);
  }
}
#undef RARE1
#undef RARE2

template <class T>
T divide(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a));
  }
  return a / b;
}
template <class T>
T remainder(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return 0;
  }
  return a % b;
}
template <class T>
T modulo(T a, T b) {
  const T r = remainder(a, b);
  if constexpr (std::is_signed_v<T>) {
    if (r != 0 && (r < 0) != (b < 0)) return r + b;
  }
  return r;
}
template <class T>
T power(T a, T b) {
  using U = std::make_unsigned_t<T>;
  if constexpr (std::is_signed_v<T>) {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  }
  U result = 1, base = static_cast<U>(a);
  for (U e = static_cast<U>(b); e != 0; e >>= 1, base *= base) {
    if (e & 1) result *= base;
  }
  return static_cast<T>(result);
}

// Integers of the register's width; the caller wraps narrower types.
template <class T>
Kernel integer(ScalarOp op) {
  using U = std::make_unsigned_t<T>;
  switch (op) {
    case ScalarOp::Add: return each2<U, U>([](U a, U b) { return U(a + b); });
    case ScalarOp::Sub: return each2<U, U>([](U a, U b) { return U(a - b); });
    case ScalarOp::Mul: return each2<U, U>([](U a, U b) { return U(a * b); });
    case ScalarOp::Div: return each2<T, T>([](T a, T b) { return divide<T>(a, b); });
    case ScalarOp::Mod: return each2<T, T>([](T a, T b) { return modulo<T>(a, b); });
    case ScalarOp::Fmod: return each2<T, T>([](T a, T b) { return remainder<T>(a, b); });
    case ScalarOp::Pow: return each2<T, T>([](T a, T b) { return power<T>(a, b); });
    case ScalarOp::Min: return each2<T, T>([](T a, T b) { return b < a ? b : a; });
    case ScalarOp::Max: return each2<T, T>([](T a, T b) { return a < b ? b : a; });
    case ScalarOp::Neg: return each1<U, U>([](U a) { return U(0 - a); });
    case ScalarOp::Abs: return each1<T, U>([](T a) { return a < 0 ? U(0 - U(a)) : U(a); });
    case ScalarOp::Sign: return each1<T, T>([](T a) { return T((a > 0) - (a < 0)); });
    case ScalarOp::And:
    case ScalarOp::BitAnd: return each2<U, U>([](U a, U b) { return U(a & b); });
    case ScalarOp::Or:
    case ScalarOp::BitOr: return each2<U, U>([](U a, U b) { return U(a | b); });
    case ScalarOp::Xor:
    case ScalarOp::BitXor: return each2<U, U>([](U a, U b) { return U(a ^ b); });
    case ScalarOp::Not: return each1<U, U>([](U a) { return U(a == 0); });
    case ScalarOp::BitNot: return each1<U, U>([](U a) { return U(~a); });
    default: return nullptr;
  }
}

template <class T>
Kernel comparison(ScalarOp op) {
  switch (op) {
    case ScalarOp::Equal: return each2<T, int32_t>([](T a, T b) { return a == b; });
    case ScalarOp::NotEqual: return each2<T, int32_t>([](T a, T b) { return a != b; });
    case ScalarOp::Less: return each2<T, int32_t>([](T a, T b) { return a < b; });
    case ScalarOp::LessEqual: return each2<T, int32_t>([](T a, T b) { return a <= b; });
    default: return nullptr;
  }
}

// T: the type itself, whose width decides; R: what its register holds.
template <class T, class R>
Kernel shift(ScalarOp op) {
  constexpr auto kBits = static_cast<uint64_t>(sizeof(T) * 8);
  if (op == ScalarOp::ShiftLeft) {
    return each2<R, R>([](R a, R b) {
      using U = std::make_unsigned_t<R>;
      const bool out = static_cast<uint64_t>(static_cast<int64_t>(b)) >= kBits;
      return out ? R(0) : static_cast<R>(static_cast<T>(static_cast<U>(a) << b));
    });
  }
  return each2<R, R>([](R a, R b) {
    const bool out = static_cast<uint64_t>(static_cast<int64_t>(b)) >= kBits;
    return out ? R(0) : static_cast<R>((static_cast<T>(a) >> b));
  });
}

Kernel shift(ScalarOp op, DType type) {
  switch (type) {
    case DType::I8: return shift<int8_t, int32_t>(op);
    case DType::U8: return shift<uint8_t, int32_t>(op);
    case DType::I16: return shift<int16_t, int32_t>(op);
    case DType::U16: return shift<uint16_t, int32_t>(op);
    case DType::I32: return shift<int32_t, int32_t>(op);
    case DType::U32: return shift<uint32_t, uint32_t>(op);
    case DType::I64: return shift<int64_t, int64_t>(op);
    case DType::U64: return shift<uint64_t, uint64_t>(op);
    default: return nullptr;
  }
}

template <class T>
Kernel integer_or_comparison(ScalarOp op) {
  if (Kernel k = comparison<T>(op)) return k;
  return integer<T>(op);
}

// What a register of this type holds, as a C++ type.
template <class F>
decltype(auto) visit_register(DType type, F&& f) {
  switch (type) {
    case DType::F64: return f.template operator()<double>();
    case DType::I64: return f.template operator()<int64_t>();
    case DType::U64: return f.template operator()<uint64_t>();
    case DType::U32: return f.template operator()<uint32_t>();
    case DType::F32:
    case DType::F16:
    case DType::BF16: return f.template operator()<float>();
    default: return f.template operator()<int32_t>();
  }
}

// The integer types, each held in its register.
template <class F>
decltype(auto) visit_integer(DType type, F&& f) {
  switch (type) {
    case DType::I8: return f.template operator()<int8_t>();
    case DType::U8: return f.template operator()<uint8_t>();
    case DType::I16: return f.template operator()<int16_t>();
    case DType::U16: return f.template operator()<uint16_t>();
    case DType::I32: return f.template operator()<int32_t>();
    case DType::U32: return f.template operator()<uint32_t>();
    case DType::I64: return f.template operator()<int64_t>();
    case DType::U64: return f.template operator()<uint64_t>();
    default: return f.template operator()<bool>();
  }
}

template <class T>
using RegisterOf =
    std::conditional_t<sizeof(T) == 8 || std::is_same_v<T, uint32_t> || std::is_same_v<T, float>, T,
                       int32_t>;

// Truncated, saturated, NaN is 0.
template <class T, class X>
T float_to(X x) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(x)) return 0;
  const X high = std::ldexp(X(1), Limits::digits);
  if (x >= high) return Limits::max();
  if (x <= static_cast<X>(Limits::lowest())) return Limits::lowest();
  return static_cast<T>(x);
}

template <class T, class X>
T saturated(X x) {
  if (std::cmp_less(x, std::numeric_limits<T>::lowest())) return std::numeric_limits<T>::lowest();
  if (std::cmp_greater(x, std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(x);
}

// From register X to an integer type or bool.
template <class X>
Kernel to_integer(DType to, bool saturate) {
  return visit_integer(to, [&]<class T>() -> Kernel {
    using R = RegisterOf<T>;
    if constexpr (std::is_same_v<T, bool>) {
      return each1<X, R>([](X x) { return R(x != 0); });
    } else if constexpr (std::is_floating_point_v<X>) {
      return each1<X, R>([](X x) { return R(float_to<T>(x)); });
    } else {
      if (saturate) return each1<X, R>([](X x) { return R(saturated<T>(x)); });
      return each1<X, R>([](X x) { return R(static_cast<T>(x)); });
    }
  });
}

template <class T, class R>
Kernel load() {
  if constexpr (std::is_same_v<T, bool>) {
    return each1<uint8_t, R>([](uint8_t x) { return R(x != 0); });
  } else {
    return each1<T, R>([](T x) { return R(x); });
  }
}
template <class T, class R>
Kernel store() {
  return each1<R, T>([](R x) { return static_cast<T>(x); });
}

}  // namespace

Kernel plain_kernel(ScalarOp op, DType type) {
  if (op == ScalarOp::Select) return register_bytes(type) == 8 ? select<uint64_t> : nullptr;
  if (type == DType::F64) {
    if (Kernel k = comparison<double>(op)) return k;
    return arithmetic_f64(op);
  }
  if (is_float(type)) return rare_f32(op);
  if (op == ScalarOp::ShiftLeft || op == ScalarOp::ShiftRight) return shift(op, type);
  switch (type) {
    case DType::U32: return integer_or_comparison<uint32_t>(op);
    case DType::I64: return integer_or_comparison<int64_t>(op);
    case DType::U64: return integer_or_comparison<uint64_t>(op);
    default: return integer_or_comparison<int32_t>(op);
  }
}

Kernel plain_cast(DType from, DType to, bool saturate) {
  return visit_register(from, [&]<class X>() -> Kernel {
    if (to == DType::F64) return each1<X, double>([](X x) { return static_cast<double>(x); });
    if (is_float(to)) return each1<X, float>([](X x) { return static_cast<float>(x); });
    return to_integer<X>(to, saturate);
  });
}

Kernel load_kernel(DType type) {
  switch (type) {
    case DType::F16: return float_kernels()[static_cast<int>(FloatOp::LoadF16)];
    case DType::BF16: return float_kernels()[static_cast<int>(FloatOp::LoadBF16)];
    case DType::I8: return load<int8_t, int32_t>();
    case DType::U8: return load<uint8_t, int32_t>();
    case DType::I16: return load<int16_t, int32_t>();
    case DType::U16: return load<uint16_t, int32_t>();
    case DType::Bool: return load<bool, int32_t>();
    default: return nullptr;
  }
}

Kernel store_kernel(DType type) {
  switch (type) {
    case DType::F16: return float_kernels()[static_cast<int>(FloatOp::StoreF16)];
    case DType::BF16:
      if (const Kernel k = bf16_kernel(FloatOp::StoreBF16)) return k;
      return float_kernels()[static_cast<int>(FloatOp::StoreBF16)];
    case DType::I8:
    case DType::U8:
    case DType::Bool: return store<uint8_t, uint32_t>();
    case DType::I16:
    case DType::U16: return store<uint16_t, uint32_t>();
    default: return nullptr;
  }
}

}  // namespace lathe::cpu
