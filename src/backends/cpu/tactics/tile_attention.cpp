// SPDX-License-Identifier: Apache-2.0
// tile_attention: the products of a block in BF16 by tiles of our own. The keys and values of a
// head are packed once for all of its queries.
#include <cstring>

#include "backends/cpu/gemm/attention_blocks.h"
#include "backends/cpu/gemm/tile_gemm.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

int64_t whole(int64_t n) { return round_up(n, kTileSize); }

class TileAttention : public AttentionBlocks {
 public:
  TileAttention(AttentionProblem problem, const TileKernel& kernel)
      : AttentionBlocks(std::move(problem)), kernel_(kernel), depth_(whole(p_.depth)) {
    const int64_t keys = whole(p_.key_blocks.most());
    keys_at_ = p_.block_rows() * depth_;
    values_at_ = keys_at_ + keys * depth_;
    plan((values_at_ + keys * whole(p_.width)) * 2);
  }

 private:
  void enter() const override { kernel_.enter(); }
  void leave() const override { kernel_.leave(); }

  Status scores(const Buffers& at, const Block& b, Own& own) const override {
    auto* queries = reinterpret_cast<uint16_t*>(own.products);
    if (own.head != b.head || own.key0 != b.key0) {
      pack_keys(at, b, queries + keys_at_);
      pack_values(at, b, queries + values_at_);
      own.head = b.head, own.key0 = b.key0;
    }
    for (int64_t r = 0; r < b.rows; ++r) {
      uint16_t* row = queries + r * depth_;
      std::memcpy(row, row_of(at.in[0], p_.q, b.head, b.row0 + r),
                  static_cast<size_t>(p_.depth) * 2);
      std::memset(row + p_.depth, 0, static_cast<size_t>(depth_ - p_.depth) * 2);
    }
    multiply({queries, b.rows, depth_}, queries + keys_at_, whole(b.keys), depth_,
             {own.scores, p_.score_row()});
    return {};
  }

  Status sums(const Buffers&, const Block& b, Own& own, float* to) const override {
    const auto* values = reinterpret_cast<const uint16_t*>(own.products) + values_at_;
    multiply({static_cast<const uint16_t*>(own.probabilities), b.rows, p_.score_row()}, values,
             p_.total_row(), whole(b.keys), {to, p_.total_row()});
    return {};
  }

  struct Left {
    const uint16_t* at;
    int64_t rows, row;
  };
  struct Product {
    float* at;
    int64_t row;
  };
  // Behind the last rows stand others, or what was there: their products are not read.
  void multiply(const Left& a, const uint16_t* panels, int64_t columns, int64_t depth,
                const Product& c) const {
    static constexpr float kZeros[kTileSize] = {};
    TileBlock t{};
    t.depth = depth;
    t.a_row = a.row;
    t.c_row = c.row;
    t.bias = kZeros;
    for (int64_t n = 0; n < columns; n += kTileSize) {
      t.b = panels + n * depth;
      for (int64_t r = 0; r < a.rows; r += kTileSize) {
        t.a = a.at + r * a.row;
        t.c = c.at + r * c.row + n;
        t.rows = std::min(a.rows - r, kTileSize);
        kernel_.multiply(t);
      }
    }
  }

  // Panels of 32 keys, of each the pairs of its row; zeros behind the last.
  void pack_keys(const Buffers& at, const Block& b, uint16_t* to) const {
    const int64_t pairs = depth_ / 2;
    for (int64_t n = 0; n < whole(b.keys); ++n) {
      uint16_t* into = to + n / kTileSize * kTileSize * depth_ + n % kTileSize * 2;
      const void* row = n < b.keys ? row_of(at.in[1], p_.k, b.head, b.key0 + n) : nullptr;
      const auto* from = static_cast<const uint16_t*>(row);
      for (int64_t pair = 0; pair < pairs; ++pair, into += kTileSize * 2) {
        const int64_t k = 2 * pair;
        into[0] = from != nullptr && k < p_.depth ? from[k] : 0;
        into[1] = from != nullptr && k + 1 < p_.depth ? from[k + 1] : 0;
      }
    }
  }

  // Panels of 32 columns, of each pairs of keys.
  void pack_values(const Buffers& at, const Block& b, uint16_t* to) const {
    const int64_t keys = whole(b.keys);
    for (int64_t key = 0; key < keys; ++key) {
      const void* row = key < b.keys ? row_of(at.in[2], p_.v, b.head, b.key0 + key) : nullptr;
      const auto* from = static_cast<const uint16_t*>(row);
      for (int64_t first = 0; first < p_.total_row(); first += kTileSize) {
        uint16_t* into = to + first * keys + key / 2 * kTileSize * 2 + key % 2;
        const int64_t there = from == nullptr ? 0 : std::min(kTileSize, p_.width - first);
        for (int64_t n = 0; n < there; ++n) into[2 * n] = from[first + n];
        for (int64_t n = there; n < kTileSize; ++n) into[2 * n] = 0;
      }
    }
  }

  const TileKernel& kernel_;
  int64_t depth_, keys_at_ = 0, values_at_ = 0;
};

Support supports(const OpInstance& op, const DeviceInfo& device) {
  if (op.in[0].dtype != DType::BF16) return Support::no("only bf16");
  std::string why = refuse_attention(op, device);
  return why.empty() ? Support::yes() : Support::no(std::move(why));
}

std::vector<Config> configs(const OpInstance&, const DeviceInfo& device) {
  return {Config(best_tile_kernel(device))};
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const TileKernel* kernel = LATHE_TRY(tile_kernel_of(context.config, context.device.info()));
  return std::unique_ptr<Prepared>(std::make_unique<TileAttention>(
      attention_problem(context.op, thread_count(), kTileSize), *kernel));
}

}  // namespace

const Tactic& tile_attention() {
  static constexpr Tactic tactic{
      .name = "tile_attention",
      .op = "Attention",
      .doc = "Blocks of queries against all keys in bf16, products in AMX's tiles or by AVX-512.",
      .supports = supports,
      .configs = configs,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
