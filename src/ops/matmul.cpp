// SPDX-License-Identifier: Apache-2.0
// MatMul: matrix products with NumPy's batch broadcasting, optional transposes and bias.
#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

// 8-bit integers accumulate in i32; every other type in itself.
Result<DType> result_type(DType a, DType b) {
  if (is_computable(a) && is_computable(b) && a != DType::Bool && b != DType::Bool) {
    if (is_int(a) && is_int(b) && bits(a) == 8 && bits(b) == 8) return DType::I32;
    if (a == b) return a;
  }
  return invalid(
      "a has type {} and b {}, expected one float or integer type, or both 8-bit integers",
      to_string(a), to_string(b));
}

Status infer_matmul(InferContext& c) {
  const Shape &a = c.shape(0), &b = c.shape(1);
  const DType type = LATHE_TRY(result_type(c.dtype(0), c.dtype(1)));
  LATHE_TRY(require_flag(c.attrs, "transpose_a"));
  LATHE_TRY(require_flag(c.attrs, "transpose_b"));
  if (a.rank() < 2 || b.rank() < 2) {
    return invalid("a of shape {} and b of shape {}: expected ranks of at least 2", a.to_string(),
                   b.to_string());
  }
  const bool ta = c.attrs.i("transpose_a") != 0, tb = c.attrs.i("transpose_b") != 0;
  const int ra = a.rank(), rb = b.rank();
  LATHE_TRY(c.require_equal(
      a[ra - (ta ? 2 : 1)], b[rb - (tb ? 1 : 2)],
      fmt::format("inner dimensions of a {} and b {}", a.to_string(), b.to_string())));
  const auto batch = [](const Shape& s) { return Shape(std::vector<Dim>(s.begin(), s.end() - 2)); };
  Shape y = LATHE_TRY(c.broadcast(batch(a), batch(b)));
  y.push_back(a[ra - (ta ? 1 : 2)]);
  y.push_back(b[rb - (tb ? 2 : 1)]);
  if (c.has(2)) {
    if (c.dtype(2) != type) {
      return invalid("bias has type {}, expected {}", to_string(c.dtype(2)), to_string(type));
    }
    LATHE_TRY(require_broadcast_to(c, c.shape(2), y, "bias"));
  }
  c.add(type, std::move(y));
  return {};
}

// How an operand is read: strides along the axes of y (0 for the axis it lacks), and along K.
struct Walk {
  std::vector<int64_t> along_y;
  int64_t along_k;
};

Walk walk(const HostTensor& t, const Box& y, bool transpose, bool is_a) {
  std::vector<int64_t> s = broadcast_strides(t.shape().sizes(), y.begin);
  int64_t &row = s[s.size() - 2], &column = s.back();
  if (transpose) std::swap(row, column);
  const int64_t along_k = is_a ? column : row;
  (is_a ? column : row) = 0;
  return {std::move(s), along_k};
}

struct Geometry {
  Walk a, b;
  std::vector<int64_t> bias;
  int64_t k;
};

Geometry geometry_of(const RefArgs& args) {
  const bool ta = args.op.attrs.i("transpose_a") != 0, tb = args.op.attrs.i("transpose_b") != 0;
  const Shape& a = args.in[0].shape();
  Geometry g{walk(args.in[0], args.box, ta, true),
             walk(args.in[1], args.box, tb, false),
             {},
             a[a.rank() - (ta ? 2 : 1)].value()};
  if (given(args, 2)) g.bias = broadcast_strides(args.in[2].shape().sizes(), args.box.begin);
  return g;
}

// Integer products wrap: computed modulo 2^64 and cut to the result's width.
void integer_matmul(const RefArgs& args, const Geometry& g) {
  const std::vector<int64_t> a = args.in[0].to_i64(), b = args.in[1].to_i64();
  visit_number(args.out[0].dtype(), [&]<class T>() {
    const std::span<T> y = args.out[0].mutable_span<T>();
    for_each(args.box, [&](const int64_t* at, int64_t i) {
      const int64_t a0 = offset_of(at, g.a.along_y), b0 = offset_of(at, g.b.along_y);
      uint64_t sum = 0;
      if (given(args, 2)) {
        sum = static_cast<uint64_t>(args.in[2].get_i64(offset_of(at, g.bias)));
      }
      for (int64_t k = 0; k < g.k; ++k) {
        sum += static_cast<uint64_t>(a[static_cast<size_t>(a0 + k * g.a.along_k)]) *
               static_cast<uint64_t>(b[static_cast<size_t>(b0 + k * g.b.along_k)]);
      }
      if constexpr (std::is_integral_v<T>) y[static_cast<size_t>(i)] = static_cast<T>(sum);
      put_exact(args, i);
    });
  });
}

Status reference_matmul(const RefArgs& args) {
  const Geometry g = geometry_of(args);
  if (is_int(args.out[0].dtype())) {
    integer_matmul(args, g);
    return {};
  }
  const int64_t reads = args.box.elements() * g.k;
  const Doubles a(args.in[0], reads), b(args.in[1], reads);
  for_each(args.box, [&](const int64_t* at, int64_t i) {
    const int64_t a0 = offset_of(at, g.a.along_y), b0 = offset_of(at, g.b.along_y);
    double sum = given(args, 2) ? args.in[2].get_f64(offset_of(at, g.bias)) : 0;
    double magnitude = std::abs(sum);
    for (int64_t k = 0; k < g.k; ++k) {
      const double term = a[a0 + k * g.a.along_k] * b[b0 + k * g.b.along_k];
      sum += term;
      magnitude += std::abs(term);
    }
    put(args, i, sum, magnitude);
  });
  return {};
}

Cost cost_matmul(const OpInstance& op) {
  const Shape& a = op.in[0].shape;
  const int64_t k = a[a.rank() - (op.attrs.i("transpose_a") != 0 ? 2 : 1)].value();
  return cost_of_elements(op, 2 * static_cast<double>(k));
}

constexpr AttrDef kMatmulAttrs[] = {
    {"transpose_a", AttrKind::Int, "0", "1: a is [...,K,M]"},
    {"transpose_b", AttrKind::Int, "0", "1: b is [...,N,K]"},
};

}  // namespace

const OpDef& op_matmul() {
  static constexpr OpDef def{
      .name = "MatMul",
      .doc =
          "y[...,m,n] = bias + sum over k of a[...,m,k] * b[...,k,n]. a[...,M,K], b[...,K,N], "
          "leading dimensions and bias broadcast (NumPy), bias never widens y. One float or "
          "integer type, integers wrap; i8 and u8 in any mix give i32. ONNX MatMul, Gemm, "
          "MatMulInteger.",
      .operands = "a b [bias]",
      .attrs = kMatmulAttrs,
      .tolerance = {8,
                    "any order of summation in the element type or wider; one after another, 576 "
                    "terms were seen to be off by 4.5 eps * sum of |terms|"},
      .infer = infer_matmul,
      .reference = reference_matmul,
      .cost = cost_matmul,
  };
  return def;
}

}  // namespace lathe
