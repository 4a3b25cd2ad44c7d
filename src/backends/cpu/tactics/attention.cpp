// SPDX-License-Identifier: Apache-2.0
// attention: the products of a block by oneDNN.
#include "backends/cpu/dnnl/dnnl_shim.h"
#include "backends/cpu/gemm/attention_blocks.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

MemorySpec matrix(DType type, int64_t rows, int64_t columns, int64_t row, int64_t column) {
  MemorySpec m;
  m.dtype = type;
  m.dims = {rows, columns};
  m.strides = {row, column};
  return m;
}

// A matrix of one row has no stride of its own.
int64_t stride(const Heads& h, int64_t columns) { return h.row == 0 ? columns : h.row; }

Spec scores_of(const AttentionProblem& p, int64_t rows, int64_t columns) {
  ProductSpec s;
  s.src = matrix(p.type, rows, p.depth, stride(p.q, p.depth), 1);
  s.weights = matrix(p.type, p.depth, columns, 1, stride(p.k, p.depth));
  s.dst = matrix(DType::F32, rows, columns, p.score_row(), 1);
  return s;
}
Spec sums_of(const AttentionProblem& p, int64_t rows, int64_t columns) {
  ProductSpec s;
  s.src = matrix(p.type, rows, columns, p.score_row(), 1);
  s.weights = matrix(p.type, columns, p.width, stride(p.v, p.width), 1);
  s.dst = matrix(DType::F32, rows, p.width, p.total_row(), 1);
  return s;
}

class OnednnAttention : public AttentionBlocks {
 public:
  explicit OnednnAttention(AttentionProblem problem) : AttentionBlocks(std::move(problem)) {}

  // Blocks have two sizes in each direction at most. The products run inside a thread of ours, so
  // they are made for one.
  Status make_products() {
    ThreadScope one(1);
    int64_t scratchpad = 0;
    for (int64_t b : {int64_t{0}, p_.query_blocks.blocks - 1}) {
      for (int64_t k : {int64_t{0}, p_.key_blocks.blocks - 1}) {
        const int64_t rows = p_.query_blocks.size(b), columns = p_.key_blocks.size(k);
        Products& made = products_[is_most(rows, columns)];
        if (made.scores != nullptr) continue;
        made.scores = LATHE_TRY(OnednnPrimitive::make(scores_of(p_, rows, columns), ""));
        made.sums = LATHE_TRY(OnednnPrimitive::make(sums_of(p_, rows, columns), ""));
        for (const auto* product : {&made.scores, &made.sums}) {
          scratchpad = std::max(scratchpad, static_cast<int64_t>((*product)->scratchpad_bytes()));
        }
      }
    }
    plan(scratchpad);
    return {};
  }

 private:
  struct Products {
    std::unique_ptr<OnednnPrimitive> scores, sums;
  };
  size_t is_most(int64_t rows, int64_t columns) const {
    return (rows == p_.query_blocks.most() ? 2 : 0) + (columns == p_.key_blocks.most() ? 1 : 0);
  }

  Status scores(const Buffers& at, const Block& b, Own& own) const override {
    return products_[is_most(b.rows, b.keys)].scores->run(
        {.src = row_of(at.in[0], p_.q, b.head, b.row0),
         .weights = row_of(at.in[1], p_.k, b.head, b.key0),
         .bias = nullptr,
         .dst = own.scores,
         .post = {},
         .scratchpad = own.products});
  }
  Status sums(const Buffers& at, const Block& b, Own& own, float* to) const override {
    return products_[is_most(b.rows, b.keys)].sums->run(
        {.src = own.probabilities,
         .weights = row_of(at.in[2], p_.v, b.head, b.key0),
         .bias = nullptr,
         .dst = to,
         .post = {},
         .scratchpad = own.products});
  }

  Products products_[4];
};

Support supports(const OpInstance& op, const DeviceInfo& device) {
  std::string why = refuse_attention(op, device);
  if (!why.empty()) return Support::no(std::move(why));
  const AttentionProblem p = attention_problem(op, device.threads, 1);
  if (implementations(scores_of(p, p.query_blocks.most(), p.key_blocks.most()), 1).empty() ||
      implementations(sums_of(p, p.query_blocks.most(), p.key_blocks.most()), 1).empty()) {
    return Support::no("onednn has no fast product for a tile");
  }
  return Support::yes();
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  auto made = std::make_unique<OnednnAttention>(attention_problem(context.op, thread_count(), 1));
  LATHE_TRY(made->make_products());
  return std::unique_ptr<Prepared>(std::move(made));
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
