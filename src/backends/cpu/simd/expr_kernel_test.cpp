// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/expr_kernel.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "tensor/host_tensor.h"

namespace lathe::cpu {
namespace {

struct Layout2 {
  int64_t row_stride, stride, elements;
};

// Strides that kernels meet: dense, a slice, a row for all, a value for each row, one value, every
// third element.
Layout2 layout(int which, int64_t rows, int64_t n) {
  switch (which) {
    case 0: return {n, 1, rows * n};
    case 1: return {n + 3, 1, rows * (n + 3)};
    case 2: return {0, 1, n};
    case 3: return {1, 0, rows};
    case 4: return {0, 0, 1};
    default: return {3 * n, 3, 3 * rows * n};
  }
}

ScalarBits element(const HostTensor& t, int64_t at) {
  ScalarBits b;
  if (is_float(t.dtype())) {
    b.f = t.get_f64(at);
  } else if (t.dtype() == DType::U64) {
    b.i = static_cast<int64_t>(t.span<uint64_t>()[static_cast<size_t>(at)]);
  } else {
    b.i = t.get_i64(at);
  }
  return b;
}

HostTensor random_tensor(DType type, int64_t n, Random& random) {
  HostTensor t = *HostTensor::make({type, {Dim(n)}});
  for (int64_t i = 0; i < n; ++i) {
    if (is_float(type)) {
      t.set_f64(i, random.integer(0, 30) == 0 ? NAN : random.normal() * 2);
    } else {
      t.set_i64(i,
                random.integer(kind(type) == DKind::Int ? -120 : 0, type == DType::Bool ? 1 : 120));
    }
  }
  return t;
}

double tolerance(DType type, double value) {
  const double eps = type == DType::F64    ? 1e-13
                     : type == DType::F16  ? 0x1p-9
                     : type == DType::BF16 ? 0x1p-6
                                           : 4e-6;
  return is_float(type) ? eps * (std::fabs(value) + 1) : 0;
}

void check(std::string_view text, int64_t rows, int64_t n, int first_layout) {
  SCOPED_TRACE(fmt::format("{} rows {} n {} layouts {}", text, rows, n, first_layout));
  const Result<Expr> parsed = Expr::parse(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  const Expr& expr = *parsed;
  Random random(static_cast<uint64_t>(rows * 1000 + n));
  std::vector<HostTensor> in, out;
  std::vector<Rows> in_rows, out_rows;
  std::vector<Layout2> layouts;
  for (size_t k = 0; k < expr.inputs().size(); ++k) {
    layouts.push_back(layout((first_layout + static_cast<int>(k)) % 6, rows, n));
    in.push_back(random_tensor(expr.inputs()[k], layouts[k].elements, random));
    in_rows.push_back({in[k].mutable_bytes().data(), layouts[k].stride, layouts[k].row_stride});
  }
  const Layout2 to = layout(first_layout % 2 == 0 ? 0 : first_layout == 1 ? 1 : 5, rows, n);
  for (size_t k = 0; k < expr.outputs().size(); ++k) {
    out.push_back(random_tensor(expr.output_type(static_cast<int>(k)), to.elements, random));
  }
  for (HostTensor& t : out)
    out_rows.push_back({t.mutable_bytes().data(), to.stride, to.row_stride});
  ExprKernel(expr).run(in_rows, out_rows, rows, n);
  std::vector<ScalarBits> arguments(in.size()), results(out.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < n; ++c) {
      for (size_t k = 0; k < in.size(); ++k) {
        arguments[k] = element(in[k], r * layouts[k].row_stride + c * layouts[k].stride);
      }
      evaluate(expr, arguments, results);
      for (size_t k = 0; k < out.size(); ++k) {
        const ScalarBits got = element(out[k], r * to.row_stride + c * to.stride);
        if (!is_float(out[k].dtype())) {
          ASSERT_EQ(got.i, results[k].i) << r << ", " << c;
        } else if (!std::isnan(results[k].f) && got.f != results[k].f) {
          ASSERT_NEAR(got.f, results[k].f, tolerance(out[k].dtype(), results[k].f))
              << r << ", " << c;
        } else if (std::isnan(results[k].f)) {
          ASSERT_TRUE(std::isnan(got.f)) << r << ", " << c;
        }
      }
    }
  }
}

void check_all(std::string_view text) {
  for (int which = 0; which < 6; ++which) {
    check(text, 1, 1, which);
    check(text, 3, 17, which);
    check(text, 70, 33, which);
    check(text, 2, 2500, which);
  }
}

TEST(ExprKernel, ChainsOfF32) {
  check_all("(a:f32, b:f32) -> max(add(a, b), 0)");
  check_all("(a:f32) -> mul(a, sigmoid(a))");
  check_all("(a:f32) -> mul(mul(a, 0.5), add(erf(mul(a, 0.70710678)), 1))");
  check_all("(a:f32, b:f32, c:f32) -> add(mul(a, b), c)");
  check_all("(a:f32, b:f32, c:f32) -> sub(a, mul(b, c))");
  check_all("(a:f32) -> min(max(a, -1), 1.5)");
  check_all("(a:f32) -> mul(a, min(max(add(mul(a, 0.16666667), 0.5), 0), 1))");
  check_all("(a:f32) -> mul(a, tanh(log1p(exp(a))))");
  check_all("(a:f32, b:f32) -> select(lt(a, b), sub(a, b), div(b, add(abs(a), 1)))");
  check_all("(a:f32) -> let t = add(pow(a, 3), pow(a, 2)) in mul(t, t)");
  check_all("(a:f32) -> pow(abs(a), 1.7)");
}

TEST(ExprKernel, NanIsAsIeeeHasIt) {
  check_all("(a:f32, b:f32) -> isnan(a), ne(a, b), eq(a, b), max(a, b), min(b, a), cast(a, bool)");
  check_all("(a:f32) -> max(a, 0), min(max(a, -1), 1), sign(a), max(0, a)");
}

TEST(ExprKernel, SeveralOutputs) {
  check_all("(a:f32, b:f32) -> add(a, b), mul(a, b)");
  check_all("(a:f32, b:f32) -> a, add(a, b), 2, gt(a, b)");
  check_all("(a:f32, b:f32) -> add(a, b), exp(add(a, b)), add(a, b)");
}

TEST(ExprKernel, NarrowFloats) {
  check_all("(a:f16, b:f16) -> add(a, b)");
  check_all("(a:bf16, b:bf16) -> mul(a, sigmoid(b))");
  check_all("(a:f32) -> cast(a, f16)");
  check_all("(a:f16) -> mul(cast(a, f32), 3)");
  check_all("(a:f16, b:f16) -> eq(add(a, b), add(b, a))");
  check_all("(a:f16) -> cast(floor(mul(a, 3:f16)), f32)");
  check_all("(a:bf16) -> cast(add(a, 0.375:bf16), i32)");
}

TEST(ExprKernel, Integers) {
  for (const char* type : {"i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"}) {
    auto with = [&](std::string_view body) {
      check_all(fmt::format("(a:{0}, b:{0}) -> {1}", type, body));
    };
    with("add(mul(a, b), sub(a, b))");
    with("div(mul(a, a), b)");
    with("mod(mul(a, b), add(b, b))");
    with("fmod(a, b)");
    with("pow(a, b)");
    with("shl(a, mod(b, add(b, a)))");
    with("shr(neg(a), b)");
    with("max(min(a, b), neg(b))");
    with("bitxor(bitand(a, b), bitor(bitnot(a), sign(abs(b))))");
    with("select(le(a, b), a, b)");
    with("and(lt(a, b), not(eq(a, b)))");
  }
}

TEST(ExprKernel, Casts) {
  const char* types[] = {"f64", "f32", "f16", "bf16", "i8",  "u8",  "i16",
                         "u16", "i32", "u32", "i64",  "u64", "bool"};
  for (const char* from : types) {
    for (const char* to : types) {
      if (std::string_view(from) == to) continue;
      check(fmt::format("(a:{}) -> cast(a, {})", from, to), 3, 50, 0);
      check(fmt::format("(a:{}) -> cast_sat(a, {})", from, to), 3, 50, 5);
    }
  }
}

TEST(ExprKernel, Doubles) {
  check_all("(a:f64, b:f64) -> div(exp(a), add(abs(b), 1:f64))");
  check_all("(a:f64, b:f32) -> cast(a, f32), add(a, cast(b, f64)), isnan(a)");
}

TEST(ExprKernel, WritesInPlace) {
  std::vector<float> a(5000), b(5000), want(5000);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i), b[i] = static_cast<float>(i % 7), want[i] = (a[i] + b[i]) * a[i];
  }
  const ExprKernel kernel(*Expr::parse("(a:f32, b:f32) -> add(a, b), mul(add(a, b), a)"));
  std::vector<float> second(5000);
  const Rows in[] = {{a.data()}, {b.data()}}, out[] = {{a.data()}, {second.data()}};
  kernel.run(in, out, 1, 5000);
  EXPECT_EQ(second, want);
  EXPECT_EQ(a[4999], 4999.0f + 4999 % 7);
}

TEST(ExprKernel, HoldsNarrowFloatsWidenedWhereAsked) {
  const DType wide[] = {DType::F32};
  const ExprKernel kernel(*Expr::parse("(a:f16) -> mul(a, a)"), wide, wide);
  float x = 1.0f + 0x1p-12f, y = 0;
  const Rows in[] = {{&x}}, out[] = {{&y}};
  kernel.run(in, out, 1, 1);
  EXPECT_EQ(y, x * x);
}

}  // namespace
}  // namespace lathe::cpu
