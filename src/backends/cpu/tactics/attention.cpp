// SPDX-License-Identifier: Apache-2.0
// attention: scores, softmax and weighted sums for a block of queries at a time, so that a thread
// holds one tile of scores whatever the lengths are. The two products of a tile are oneDNN's.
#include <algorithm>
#include <cstring>
#include <limits>

#include "backends/cpu/dnnl/dnnl_shim.h"
#include "backends/cpu/dnnl/onednn_prepared.h"
#include "backends/cpu/simd/attention_kernels.h"
#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kTileBytes = 256 * 1024;  // of scores: a quarter of a second-level cache
constexpr int64_t kMaxKeys = 1024;          // of a block; more keys take several blocks
constexpr int64_t kFewRows = 16;            // smaller blocks waste the products' registers

// `count` things in `blocks` parts that differ by one at most.
struct Split {
  int64_t count = 0, blocks = 1;
  int64_t size(int64_t b) const { return count / blocks + (b < count % blocks ? 1 : 0); }
  int64_t start(int64_t b) const { return count / blocks * b + std::min(b, count % blocks); }
  int64_t most() const { return (count + blocks - 1) / blocks; }
};

// An operand of which every head is a matrix: where heads start, and the rows' stride.
struct Heads {
  std::vector<int64_t> start;  // in elements, by head of the result
  int64_t row = 0, column = 1;
};

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

MemorySpec matrix(DType type, int64_t rows, int64_t columns, int64_t row, int64_t column) {
  MemorySpec m;
  m.dtype = type;
  m.dims = {rows, columns};
  m.strides = {row, column};
  return m;
}

struct Problem {
  DType type = DType::F32;
  int64_t queries, keys, depth, width;
  Split query_blocks, key_blocks;
  Heads q, k, v, mask, y;
  DType mask_type = DType::None;
  float scale = 1;
  bool causal = false;

  int64_t heads() const { return static_cast<int64_t>(y.start.size()); }
  int64_t ld() const { return round_up(key_blocks.most(), 16); }

  Spec scores(int64_t rows, int64_t columns) const {
    ProductSpec s;
    s.src = matrix(type, rows, depth, q_row(), 1);
    s.weights = matrix(type, depth, columns, 1, k_row());
    s.dst = matrix(DType::F32, rows, columns, ld(), 1);
    return s;
  }
  Spec sums(int64_t rows, int64_t columns) const {
    ProductSpec s;
    s.src = matrix(type, rows, columns, ld(), 1);
    s.weights = matrix(type, columns, width, v.row == 0 ? width : v.row, 1);
    s.dst = matrix(DType::F32, rows, width, width, 1);
    return s;
  }
  // A matrix of one row has no stride of its own.
  int64_t q_row() const { return q.row == 0 ? depth : q.row; }
  int64_t k_row() const { return k.row == 0 ? depth : k.row; }
};

Problem problem_of(const OpInstance& op, int threads) {
  Problem p;
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
  p.key_blocks = {p.keys, (p.keys + kMaxKeys - 1) / kMaxKeys};
  const int64_t rows = std::max<int64_t>(kTileBytes / 4 / p.ld(), kFewRows);
  int64_t blocks = (p.queries + rows - 1) / rows;
  // Enough tasks for the threads, if the blocks stay worth it.
  const int64_t wanted = (2 * threads + p.heads() - 1) / std::max<int64_t>(p.heads(), 1);
  blocks = std::max(blocks, std::min(wanted, p.queries / kFewRows));
  p.query_blocks = {p.queries, std::max<int64_t>(blocks, 1)};
  return p;
}

class PreparedAttention : public Prepared {
 public:
  static Result<std::unique_ptr<Prepared>> make(const OpInstance& op) {
    auto a = std::make_unique<PreparedAttention>();
    a->slots_ = thread_count();
    a->p_ = problem_of(op, a->slots_);
    a->kernels_ = attention_kernels(a->p_.type == DType::BF16);
    LATHE_TRY(a->make_products());
    a->plan_workspace();
    return std::unique_ptr<Prepared>(std::move(a));
  }

  // Each slot has its own tile and runs its share of the tasks, a block of queries of one head.
  Status launch(const Buffers& at, Stream&) const override {
    const int64_t tasks = p_.heads() * p_.query_blocks.blocks;
    std::vector<Status> failed(static_cast<size_t>(slots_));
    parallel_for(slots_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        for (int64_t t = tasks * slot / slots_; t < tasks * (slot + 1) / slots_; ++t) {
          Status s = run(at, slot, t / p_.query_blocks.blocks, t % p_.query_blocks.blocks);
          if (!s.ok()) failed[static_cast<size_t>(slot)] = std::move(s);
        }
      }
    });
    for (Status& s : failed) LATHE_TRY(std::move(s));
    return {};
  }

 private:
  struct Products {
    std::unique_ptr<OnednnPrimitive> scores, sums;
  };
  // One thread's memory.
  struct Tile {
    float *scores, *total, *more, *mask, *max, *sum, *rescale;
    void *probabilities, *scratchpad;
  };

  // Blocks have two sizes in each direction at most. The products run inside a thread of ours, so
  // they are made for one.
  Status make_products() {
    ThreadScope one(1);
    for (int64_t b : {int64_t{0}, p_.query_blocks.blocks - 1}) {
      for (int64_t k : {int64_t{0}, p_.key_blocks.blocks - 1}) {
        Products& made = products(p_.query_blocks.size(b), p_.key_blocks.size(k));
        if (made.scores != nullptr) continue;
        const int64_t rows = p_.query_blocks.size(b), columns = p_.key_blocks.size(k);
        made.scores = LATHE_TRY(OnednnPrimitive::make(p_.scores(rows, columns), ""));
        made.sums = LATHE_TRY(OnednnPrimitive::make(p_.sums(rows, columns), ""));
        scratchpad_ =
            std::max({scratchpad_, made.scores->scratchpad_bytes(), made.sums->scratchpad_bytes()});
      }
    }
    return {};
  }
  Products& products(int64_t rows, int64_t columns) {
    return products_[rows == p_.query_blocks.most()][columns == p_.key_blocks.most()];
  }
  const Products& products(int64_t rows, int64_t columns) const {
    return products_[rows == p_.query_blocks.most()][columns == p_.key_blocks.most()];
  }

  void plan_workspace() {
    const int64_t rows = p_.query_blocks.most(), ld = p_.ld();
    auto take = [&](size_t& at, int64_t bytes) {
      at = slot_bytes_;
      slot_bytes_ += static_cast<size_t>(round_up(bytes, 64));
    };
    take(at_.scores, rows * ld * 4);
    take(at_.probabilities, p_.type == DType::BF16 ? rows * ld * 2 : 0);
    take(at_.total, rows * p_.width * 4);
    take(at_.more, p_.key_blocks.blocks > 1 ? rows * p_.width * 4 : 0);
    take(at_.mask, ld * 4);
    take(at_.row_state, rows * 3 * 4);
    take(at_.scratchpad, static_cast<int64_t>(scratchpad_));
    slot_bytes_ = static_cast<size_t>(round_up(static_cast<int64_t>(slot_bytes_), 4096));
    workspace_bytes = slot_bytes_ * static_cast<size_t>(slots_);
  }

  Tile tile(const Buffers& at, int64_t slot) const {
    auto* base = static_cast<std::byte*>(at.workspace) + slot_bytes_ * static_cast<size_t>(slot);
    auto floats = [&](size_t offset) { return reinterpret_cast<float*>(base + offset); };
    const int64_t rows = p_.query_blocks.most();
    Tile t{};
    t.scores = floats(at_.scores);
    t.probabilities = p_.type == DType::BF16 ? base + at_.probabilities : base + at_.scores;
    t.total = floats(at_.total);
    t.more = floats(at_.more);
    t.mask = floats(at_.mask);
    t.max = floats(at_.row_state);
    t.sum = t.max + rows;
    t.rescale = t.sum + rows;
    t.scratchpad = base + at_.scratchpad;
    return t;
  }

  Status run(const Buffers& at, int64_t slot, int64_t head, int64_t block) const {
    const Tile t = tile(at, slot);
    const int64_t rows = p_.query_blocks.size(block), row0 = p_.query_blocks.start(block);
    const int64_t bytes = bits(p_.type) / 8;
    std::fill_n(t.max, rows, -std::numeric_limits<float>::infinity());
    std::fill_n(t.sum, rows, 0.0f);
    for (int64_t b = 0; b < p_.key_blocks.blocks; ++b) {
      const int64_t key0 = p_.key_blocks.start(b), keys = p_.key_blocks.size(b);
      if (p_.causal && b > 0 && key0 > row0 + rows - 1) break;
      const Products& made = products(rows, keys);
      LATHE_TRY(made.scores->run({.src = row_of(at.in[0], p_.q, head, row0, bytes),
                                  .weights = row_of(at.in[1], p_.k, head, key0, bytes),
                                  .bias = nullptr,
                                  .dst = t.scores,
                                  .post = {},
                                  .scratchpad = t.scratchpad}));
      for (int64_t r = 0; r < rows; ++r) soften(at, t, head, row0, r, key0, keys);
      LATHE_TRY(made.sums->run({.src = t.probabilities,
                                .weights = row_of(at.in[2], p_.v, head, key0, bytes),
                                .bias = nullptr,
                                .dst = b == 0 ? t.total : t.more,
                                .post = {},
                                .scratchpad = t.scratchpad}));
      for (int64_t r = 0; b > 0 && r < rows; ++r) {
        kernels_.accumulate(t.total + r * p_.width, t.more + r * p_.width, t.rescale[r], p_.width);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      void* y = const_cast<void*>(row_of(at.out[0], p_.y, head, row0 + r, bytes));
      kernels_.finish(t.total + r * p_.width, t.sum[r] > 0 ? 1 / t.sum[r] : 0.0f, y, p_.width);
    }
    return {};
  }

  static const void* row_of(const void* base, const Heads& h, int64_t head, int64_t row,
                            int64_t bytes) {
    return static_cast<const std::byte*>(base) +
           (h.start[static_cast<size_t>(head)] + row * h.row) * bytes;
  }

  void soften(const Buffers& at, const Tile& t, int64_t head, int64_t row0, int64_t r, int64_t key0,
              int64_t keys) const {
    ScoreRow row;
    row.scores = t.scores + r * p_.ld();
    row.probabilities =
        static_cast<std::byte*>(t.probabilities) + r * p_.ld() * (bits(p_.type) / 8);
    row.n = p_.causal ? std::clamp<int64_t>(row0 + r + 1 - key0, 0, keys) : keys;
    row.padded = keys;
    row.scale = p_.scale;
    row.mask = mask_row(at, t, head, row0 + r, key0, keys, r == 0);
    row.max = t.max[r];
    row.sum = t.sum[r];
    kernels_.softmax(row);
    t.max[r] = row.max;
    t.sum[r] = row.sum;
    t.rescale[r] = row.rescale;
  }

  // The mask of a row as floats to add: in place where it is that already, else in the tile, where
  // it stays when all rows share it.
  const float* mask_row(const Buffers& at, const Tile& t, int64_t head, int64_t row, int64_t key0,
                        int64_t keys, bool first) const {
    if (p_.mask_type == DType::None) return nullptr;
    const int64_t bytes = bits(p_.mask_type) / 8;
    const auto* from = static_cast<const std::byte*>(row_of(at.in[3], p_.mask, head, row, bytes)) +
                       key0 * p_.mask.column * bytes;
    if (p_.mask_type == DType::F32 && p_.mask.column == 1) {
      return reinterpret_cast<const float*>(from);
    }
    if (p_.mask.row == 0 && !first) return t.mask;
    if (p_.mask.column == 1) {
      (p_.mask_type == DType::Bool ? kernels_.bool_mask : kernels_.bf16_mask)(from, t.mask, keys);
      return t.mask;
    }
    // One value for all keys.
    float value = 0;
    if (p_.mask_type == DType::F32) {
      std::memcpy(&value, from, sizeof(value));
    } else {
      (p_.mask_type == DType::Bool ? kernels_.bool_mask : kernels_.bf16_mask)(from, &value, 1);
    }
    std::fill_n(t.mask, keys, value);
    return t.mask;
  }

  Problem p_;
  AttentionKernels kernels_{};
  Products products_[2][2];
  int slots_ = 1;
  size_t scratchpad_ = 0, slot_bytes_ = 0;
  struct {
    size_t scores, probabilities, total, more, mask, row_state, scratchpad;
  } at_{};
};

Support supports(const OpInstance& op, const DeviceInfo& device) {
  const DType t = op.in[0].dtype;
  if (t != DType::F32 && t != DType::BF16) return Support::no("only f32 and bf16");
  if (t == DType::BF16 && !device.has("bf16")) return Support::no("the CPU has no BF16");
  if (!op.fusion.empty()) return Support::no("no expressions around an attention");
  for (size_t k = 0; k < op.in.size(); ++k) {
    if (op.in[k].absent()) continue;
    if (op.in[k].layout != Layout::RowMajor) return Support::no("an operand is not row-major");
    if (op.in[k].shape.elements() == 0) return Support::no("an operand is empty");
  }
  if (op.out[0].shape.elements() == 0) return Support::no("the result is empty");
  if (op.out[0].layout != Layout::RowMajor) return Support::no("the result is not row-major");
  const Problem p = problem_of(op, device.threads);
  if (implementations(p.scores(p.query_blocks.most(), p.key_blocks.most()), 1).empty() ||
      implementations(p.sums(p.query_blocks.most(), p.key_blocks.most()), 1).empty()) {
    return Support::no("onednn has no fast product for a tile");
  }
  return Support::yes();
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return PreparedAttention::make(context.op);
}

}  // namespace

const Tactic& attention() {
  static constexpr Tactic tactic{
      .name = "attention",
      .op = "Attention",
      .doc = "Blocks of queries against all keys, a tile of scores per thread, products by oneDNN.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
