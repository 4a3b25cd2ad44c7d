// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/matmul_problem.h"

#include <algorithm>

#include "backends/cpu/cpu_features.h"
#include "backends/cpu/dnnl/conv_problem.h"
#include "backends/cpu/dnnl/post_ops.h"

namespace lathe::cpu {
namespace {

int64_t last(const std::vector<int64_t>& v) { return v.back(); }

// Leading dimensions of size 1 up to `rank`.
void widen(MemorySpec& m, size_t rank) {
  int64_t count = 1;
  for (int64_t d : m.dims) count *= d;
  const size_t missing = rank - m.dims.size();
  m.dims.insert(m.dims.begin(), missing, 1);
  m.strides.insert(m.strides.begin(), missing, count);
}

void transpose(MemorySpec& m) {
  const size_t r = m.dims.size();
  std::swap(m.dims[r - 1], m.dims[r - 2]);
  std::swap(m.strides[r - 1], m.strides[r - 2]);
}

bool is_vector(const MemorySpec& m) {  // of the last dimension
  return std::all_of(m.dims.begin(), m.dims.end() - 1, [](int64_t d) { return d == 1; });
}

// All dimensions but the last as one; false when memory has gaps between them.
bool join_rows(MemorySpec& m) {
  int64_t rows = 1, stride = 0;
  for (size_t d = m.dims.size() - 1; d-- > 0;) {
    if (m.dims[d] == 1) continue;
    if (rows == 1) {
      stride = m.strides[d];
    } else if (m.strides[d] != stride * rows) {
      return false;
    }
    rows *= m.dims[d];
  }
  if (rows == 1) stride = m.dims.back() * m.strides.back();
  m = {m.dtype, {rows, m.dims.back()}, {stride, m.strides.back()}, m.blocked, m.free};
  return true;
}

bool has_one_batch(const MemorySpec& m) {
  return std::all_of(m.dims.begin(), m.dims.end() - 2, [](int64_t d) { return d == 1; });
}

// The product as two-dimensional when its weights have one batch.
bool join(ProductSpec& s) {
  ProductSpec t = s;
  if (t.dst.dims.size() == 2 || !has_one_batch(t.weights)) return t.dst.dims.size() == 2;
  if (!join_rows(t.src) || !join_rows(t.dst)) return false;
  const size_t r = t.weights.dims.size();
  t.weights.dims.erase(t.weights.dims.begin(), t.weights.dims.begin() + static_cast<long>(r) - 2);
  t.weights.strides.erase(t.weights.strides.begin(),
                          t.weights.strides.begin() + static_cast<long>(r) - 2);
  if (!t.bias.absent()) join_rows(t.bias);
  for (PostOp& p : t.post) {
    if (p.with.absent()) continue;
    const bool whole = std::equal(p.with.dims.begin(), p.with.dims.end() - 1, s.dst.dims.begin());
    const bool rows_broadcast = is_vector(p.with);
    if (!(whole || rows_broadcast) || !join_rows(p.with)) return false;
  }
  s = std::move(t);
  return true;
}

// The instance's third operand: oneDNN's bias when it is a row, else a sum after the product.
void add_bias(const OpInstance& op, ProductSpec& s) {
  if (!has_operand(op, 2)) return;
  MemorySpec bias = operand_memory(op, 2);
  const size_t rank = s.dst.dims.size();
  widen(bias, rank);
  if (is_vector(bias) && last(bias.dims) == last(s.dst.dims)) {
    s.bias = std::move(bias);
    return;
  }
  PostOp p;
  p.kind = PostOp::Kind::Binary;
  p.binary = Binary::Add;
  p.operand = 2;
  p.with = std::move(bias);
  s.post.insert(s.post.begin(), std::move(p));
}

// Seen of oneDNN 2.6 with AVX-512: what repeats along some batches only is added to the wrong ones.
bool repeats_in_some_batches(const MemorySpec& m, const MemorySpec& dst) {
  bool repeats = false, differs = false;
  for (size_t d = 0; d + 2 < dst.dims.size(); ++d) {
    if (dst.dims[d] == 1) continue;
    (m.dims[d] == 1 ? repeats : differs) = true;
  }
  return repeats && differs;
}

std::string refuse_batches(const ProductSpec& s) {
  if (cpu_features().find("avx512") == std::string::npos) return "";
  for (const PostOp& p : s.post) {
    if (!p.with.absent() && repeats_in_some_batches(p.with, s.dst)) {
      return "an operand repeats along some of the batches";
    }
  }
  return "";
}

std::string refuse(const OpInstance& op) {
  if (std::string why = refuse_tensors(op); !why.empty()) return why;
  if (std::string why = refuse_prologues(op); !why.empty()) return why;
  for (const TensorType& t : op.in) {
    if (!t.absent() && t.layout != Layout::RowMajor) return "an operand is not row-major";
  }
  if (op.out[0].layout != Layout::RowMajor) return "the result is not row-major";
  if (op.is_constant(1) && is_sliced(op, 1)) return "constant weights are a slice";
  if (op.out[0].rank() > 6) return "more than six dimensions";
  return "";
}

std::string fill(const OpInstance& op, ProductSpec& s) {
  if (std::string why = refuse(op); !why.empty()) return why;
  PostOps post = match_post_ops(op);
  if (!post.ok()) return post.why;
  s.post = std::move(post.list);
  s.dst = result_memory(op, 0);
  s.src = operand_memory(op, 0);
  s.weights = operand_memory(op, 1);
  s.weights.dtype = anchor_in(op)[1].dtype;
  s.weights.free = op.is_constant(1);
  const size_t rank = s.dst.dims.size();
  widen(s.src, rank);
  widen(s.weights, rank);
  if (op.attrs.i("transpose_a") != 0) transpose(s.src);
  if (op.attrs.i("transpose_b") != 0) transpose(s.weights);
  add_bias(op, s);
  return "";
}

}  // namespace

OnednnProblem matmul_problem(const OpInstance& op) {
  ProductSpec s;
  std::string why = fill(op, s);
  if (why.empty() && !join(s)) why = refuse_batches(s);
  return {std::move(s), std::move(why)};
}

OnednnProblem inner_product_problem(const OpInstance& op) {
  ProductSpec s;
  auto no = [](std::string why) { return OnednnProblem{ProductSpec(), std::move(why)}; };
  if (std::string why = fill(op, s); !why.empty()) return no(std::move(why));
  if (!s.weights.free) return no("the weights are no constant");
  if (!join(s)) return no("the product has several batches");
  s.inner_product = true;
  transpose(s.weights);
  if (!s.bias.absent()) {
    s.bias.dims = {last(s.bias.dims)};
    s.bias.strides = {last(s.bias.strides)};
  }
  return {std::move(s), ""};
}

}  // namespace lathe::cpu
