// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/attention_problem.h"

#include "backends/cpu/dnnl/onednn_prepared.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kTileBytes = 256 * 1024;  // of scores: a quarter of a second-level cache
constexpr int64_t kMaxKeys = 1024;          // of a block; more keys take several blocks
constexpr int64_t kFewRows = 16;            // smaller blocks waste the products' registers

std::vector<int64_t> leading_sizes(const TensorType& y) {
  std::vector<int64_t> lead = y.shape.sizes();
  lead.resize(lead.size() - 2);
  return lead;
}

// Strides of the operand along the result's leading dimensions, 0 where it is broadcast.
Heads heads_of(const TensorType& type, const std::vector<int64_t>& strides,
               const std::vector<int64_t>& lead) {
  Heads h;
  const std::vector<int64_t> sizes = type.shape.sizes();
  const size_t rank = sizes.size();
  auto stride_at = [&](size_t from_end) {
    if (from_end > rank || sizes[rank - from_end] == 1) return int64_t{0};
    return strides[rank - from_end];
  };
  h.row = stride_at(2);
  h.column = stride_at(1);
  int64_t count = 1;
  for (int64_t d : lead) count *= d;
  for (int64_t n = 0; n < count; ++n) {
    int64_t rest = n, start = 0;
    for (size_t d = lead.size(); d-- > 0;) {
      start += rest % lead[d] * stride_at(lead.size() - d + 2);
      rest /= lead[d];
    }
    h.start.push_back(start);
  }
  return h;
}

bool has_rows(const TensorType& t) {
  return t.layout == Layout::RowMajor || t.layout == Layout::TokensFirst;
}

}  // namespace

std::string refuse_attention(const OpInstance& op, const DeviceInfo& device) {
  const DType t = op.in[0].dtype;
  if (t != DType::F32 && t != DType::BF16) return "only f32 and bf16";
  if (t == DType::BF16 && !device.has("bf16")) return "the CPU has no BF16";
  if (!op.fusion.empty()) return "no expressions around an attention";
  for (const TensorType& in : op.in) {
    if (in.absent()) continue;
    if (!has_rows(in)) return "an operand's rows are not contiguous";
    if (in.shape.elements() == 0) return "an operand is empty";
  }
  if (op.out[0].shape.elements() == 0) return "the result is empty";
  if (!has_rows(op.out[0])) return "the result's rows are not contiguous";
  return "";
}

AttentionProblem attention_problem(const OpInstance& op, int threads, int64_t pad) {
  AttentionProblem p;
  p.pad = pad;
  const std::vector<int64_t> lead = leading_sizes(op.out[0]);
  const Shape &q = op.in[0].shape, &k = op.in[1].shape, &y = op.out[0].shape;
  p.type = op.in[0].dtype;
  p.queries = q[q.rank() - 2].value();
  p.depth = q[q.rank() - 1].value();
  p.keys = k[k.rank() - 2].value();
  p.width = y[y.rank() - 1].value();
  p.q = heads_of(op.in[0], operand_strides(op, 0), lead);
  p.k = heads_of(op.in[1], operand_strides(op, 1), lead);
  p.v = heads_of(op.in[2], operand_strides(op, 2), lead);
  p.y = heads_of(op.out[0], result_strides(op, 0), lead);
  if (has_operand(op, 3)) {
    p.mask = heads_of(op.in[3], operand_strides(op, 3), lead);
    p.mask_type = op.in[3].dtype;
  }
  p.scale = static_cast<float>(op.attrs.f("scale"));
  p.causal = op.attrs.i("causal") != 0;
  p.key_blocks = {p.keys, ceil_div(p.keys, kMaxKeys)};
  const int64_t rows = std::max<int64_t>(kTileBytes / 4 / p.score_row(), kFewRows);
  int64_t blocks = ceil_div(p.queries, rows);
  // Enough tasks for the threads, if the blocks stay worth it.
  const int64_t wanted = ceil_div<int64_t>(2 * threads, std::max<int64_t>(p.heads(), 1));
  blocks = std::max(blocks, std::min(wanted, p.queries / kFewRows));
  p.query_blocks = {p.queries, std::max<int64_t>(blocks, 1)};
  return p;
}

}  // namespace lathe::cpu
