// SPDX-License-Identifier: Apache-2.0
// Attention: scaled dot-product attention with an optional mask.
#include <algorithm>
#include <limits>

#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

Shape leading(const Shape& s) { return Shape(std::vector<Dim>(s.begin(), s.end() - 2)); }

Status infer_attention(InferContext& c) {
  LATHE_TRY(require_float(c, 0, "q"));
  LATHE_TRY(require_same_dtype(c, 1, "k"));
  LATHE_TRY(require_same_dtype(c, 2, "v"));
  LATHE_TRY(require_flag(c.attrs, "causal"));
  const Shape &q = c.shape(0), &k = c.shape(1), &v = c.shape(2);
  const int rq = q.rank(), rk = k.rank(), rv = v.rank();
  if (rq < 2 || rk < 2 || rv < 2) {
    return invalid("q {}, k {}, v {}: expected ranks of at least 2", q.to_string(), k.to_string(),
                   v.to_string());
  }
  LATHE_TRY(c.require_equal(q[rq - 1], k[rk - 1], "head sizes of q and k"));
  LATHE_TRY(c.require_equal(k[rk - 2], v[rv - 2], "lengths of k and v"));
  Shape y = LATHE_TRY(c.broadcast(leading(q), leading(k)));
  y = LATHE_TRY(c.broadcast(y, leading(v)));
  y.push_back(q[rq - 2]);
  Shape scores = y;
  y.push_back(v[rv - 1]);
  scores.push_back(k[rk - 2]);
  if (c.has(3)) {
    if (c.dtype(3) != DType::Bool && c.dtype(3) != c.dtype(0)) {
      return invalid("mask has type {}, expected bool or {}", to_string(c.dtype(3)),
                     to_string(c.dtype(0)));
    }
    LATHE_TRY(require_broadcast_to(c, c.shape(3), scores, "mask"));
  }
  c.add(c.dtype(0), std::move(y));
  return {};
}

// The strides along the leading axes of y, then the last two as they are.
struct Operand {
  std::vector<int64_t> lead;
  int64_t row, column;
};
Operand operand(const HostTensor& t, const Box& y) {
  const size_t rank = y.begin.size();
  std::vector<int64_t> s = broadcast_strides(t.shape().sizes(), y.begin);
  const int64_t row = s[rank - 2], column = s[rank - 1];
  s.resize(rank - 2);
  return {std::move(s), row, column};
}

// Probabilities of one row of scores and how far rounding may move each, relatively.
struct Row {
  std::vector<double> p, error;
};

void softmax_in_place(Row& row) {
  double most = -std::numeric_limits<double>::infinity();
  for (double s : row.p) most = std::isnan(s) || s > most ? s : most;
  if (most == -std::numeric_limits<double>::infinity()) {  // masked whole: all zero
    std::fill(row.p.begin(), row.p.end(), 0);
    return;
  }
  double sum = 0, mean_error = 0;
  for (double& s : row.p) sum += s = std::exp(s - most);
  for (double& p : row.p) p /= sum;
  for (size_t j = 0; j < row.p.size(); ++j) {
    if (row.p[j] > 0) mean_error += row.p[j] * row.error[j];
  }
  for (double& e : row.error) e += mean_error;
}

Status reference_attention(const RefArgs& a) {
  const size_t rank = a.box.begin.size();
  const Shape &qs = a.in[0].shape(), &ks = a.in[1].shape();
  const int64_t depth = qs[qs.rank() - 1].value(), length = ks[ks.rank() - 2].value();
  const int64_t reads = a.box.elements() * std::max<int64_t>(length, 1);
  const Doubles q(a.in[0], reads), k(a.in[1], reads), v(a.in[2], reads);
  const Operand oq = operand(a.in[0], a.box), ok = operand(a.in[1], a.box),
                ov = operand(a.in[2], a.box);
  Operand om{{}, 0, 0};
  if (given(a, 3)) om = operand(a.in[3], a.box);
  const double scale = a.op.attrs.f("scale");
  const bool causal = a.op.attrs.i("causal") != 0;

  // What is added to score j of the row.
  const auto mask = [&](const int64_t* at, int64_t j) {
    if (causal && j > at[rank - 2]) return -std::numeric_limits<double>::infinity();
    if (!given(a, 3)) return 0.0;
    const double m =
        a.in[3].get_f64(offset_of(at, om.lead) + at[rank - 2] * om.row + j * om.column);
    if (a.in[3].dtype() != DType::Bool) return m;
    return m != 0 ? 0.0 : -std::numeric_limits<double>::infinity();
  };
  Row row{std::vector<double>(static_cast<size_t>(length)),
          std::vector<double>(static_cast<size_t>(length))};
  const auto compute_row = [&](const int64_t* at) {
    const int64_t q0 = offset_of(at, oq.lead) + at[rank - 2] * oq.row;
    const int64_t k0 = offset_of(at, ok.lead);
    for (int64_t j = 0; j < length; ++j) {
      double score = 0, magnitude = 0;
      for (int64_t d = 0; d < depth; ++d) {
        const double term = scale * q[q0 + d * oq.column] * k[k0 + j * ok.row + d * ok.column];
        score += term;
        magnitude += std::abs(term);
      }
      const double m = mask(at, j);
      row.p[static_cast<size_t>(j)] = score + m;
      row.error[static_cast<size_t>(j)] = 1 + magnitude + std::abs(m);
    }
    softmax_in_place(row);
  };
  for_each(a.box, [&](const int64_t* at, int64_t i) {
    if (at[rank - 1] == a.box.begin[rank - 1]) compute_row(at);  // shared by the row's elements
    const int64_t v0 = offset_of(at, ov.lead) + at[rank - 1] * ov.column;
    double sum = 0, magnitude = 0;
    for (int64_t j = 0; j < length; ++j) {
      const double p = row.p[static_cast<size_t>(j)];
      if (p == 0) continue;
      const double term = p * v[v0 + j * ov.row];
      sum += term;
      magnitude += std::abs(term) * row.error[static_cast<size_t>(j)];
    }
    put(a, i, sum, magnitude);
  });
  return {};
}

Cost cost_attention(const OpInstance& op) {
  const Shape &q = op.in[0].shape, &k = op.in[1].shape, &y = op.out[0].shape;
  const double length = static_cast<double>(k[k.rank() - 2].value());
  const double depth = static_cast<double>(q[q.rank() - 1].value());
  const double width = static_cast<double>(y[y.rank() - 1].value());
  Cost cost = cost_of_elements(op, 0);
  const double rows = static_cast<double>(y.elements()) / std::max(width, 1.0);
  cost.flops = rows * length * (2 * depth + 2 * width + 4);
  return cost;
}

constexpr AttrDef kAttentionAttrs[] = {
    {"scale", AttrKind::Float, "1.0", "factor of the scores, usually 1 / sqrt(D)"},
    {"causal", AttrKind::Int, "0", "1: row s sees keys 0 to s only"},
};

}  // namespace

const OpDef& op_attention() {
  static constexpr OpDef def{
      .name = "Attention",
      .doc =
          "y = softmax(scale * q k^T + mask) v, the softmax over keys. q[...,S,D], k[...,T,D], "
          "v[...,T,E], y[...,S,E], leading dimensions broadcast (NumPy); one float type. mask "
          "broadcasts to [...,S,T]: a bool one keeps where true, a float one is added. A row "
          "that is masked whole gives 0. v is expected to be finite where it is masked. Vaswani et "
          "al. 2017; ONNX Attention.",
      .operands = "q k v [mask]",
      .attrs = kAttentionAttrs,
      .tolerance = {8,
                    "the magnitude carries each score's rounding through exp; exp itself and the "
                    "division add a few units"},
      .infer = infer_attention,
      .reference = reference_attention,
      .cost = cost_attention,
  };
  return def;
}

}  // namespace lathe
