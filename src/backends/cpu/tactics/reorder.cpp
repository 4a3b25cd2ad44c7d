// SPDX-License-Identifier: Apache-2.0
// reorder: a change of layout as strided copies: whole blocks of channels, the rest of the
// channels, and the zeros that fill the last block.
#include <algorithm>

#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kBlock = 16;

// Strides along N, blocks of channels, channels of a block, space..., in a whole tensor.
std::vector<int64_t> split_strides(const TensorType& t, std::span<const int64_t> own) {
  std::vector<int64_t> out;
  if (t.layout != Layout::Blocked16) {
    out.assign(own.begin(), own.end());
    out.insert(out.begin() + 1, own[1] * kBlock);
    return out;
  }
  const std::vector<int64_t> sizes = t.shape.sizes();
  out.resize(sizes.size() + 1);
  int64_t step = kBlock;
  for (size_t d = sizes.size(); d-- > 2; step *= sizes[d]) out[d + 1] = step;
  out[2] = 1;
  out[1] = step;
  out[0] = step * ((sizes[1] + kBlock - 1) / kBlock);
  return out;
}

class PreparedReorder : public Prepared {
 public:
  explicit PreparedReorder(const OpInstance& op) {
    const bool from_blocks = op.in[0].layout == Layout::Blocked16;
    const bool to_blocks = op.out[0].layout == Layout::Blocked16;
    const std::vector<int64_t> sizes = op.out[0].shape.sizes();
    CopyPlan::Sides s{sizes, {}, {}};
    s.bytes = bits(op.in[0].dtype) / 8;
    if (from_blocks == to_blocks) {
      if (to_blocks) {
        s.sizes = {*storage_bytes(op.in[0]) / s.bytes};
        s.to_strides = s.from_strides = {1};
      } else {
        s.to_strides = result_strides(op, 0);
        s.from_strides = operand_strides(op, 0);
      }
      plans_.emplace_back(std::move(s));
      return;
    }
    s.to_strides = split_strides(op.out[0], to_blocks ? s.sizes : result_strides(op, 0));
    s.from_strides = split_strides(op.in[0], from_blocks ? s.sizes : operand_strides(op, 0));
    const int64_t whole = sizes[1] / kBlock, rest = sizes[1] % kBlock;
    add_channels(s, sizes, 0, whole, 0, kBlock);
    add_channels(s, sizes, whole, rest > 0, 0, rest);
    if (to_blocks && rest > 0) {
      s.from_strides.assign(s.from_strides.size(), 0);
      add_channels(s, sizes, whole, 1, rest, kBlock - rest);
      zeros_ = true;
    }
  }

  Status launch(const Buffers& at, Stream&) const override {
    static constexpr uint64_t kZero = 0;
    for (size_t k = 0; k < plans_.size(); ++k) {
      const bool is_fill = zeros_ && k + 1 == plans_.size();
      plans_[k].run(at.out[0], is_fill ? &kZero : at.in[0]);
    }
    return {};
  }

 private:
  // Blocks [block, block + blocks), of each the channels [first, first + count).
  void add_channels(CopyPlan::Sides s, const std::vector<int64_t>& sizes, int64_t block,
                    int64_t blocks, int64_t first, int64_t count) {
    s.sizes = {sizes[0], blocks, count};
    s.sizes.insert(s.sizes.end(), sizes.begin() + 2, sizes.end());
    s.to_offset = block * s.to_strides[1] + first * s.to_strides[2];
    s.from_offset = block * s.from_strides[1] + first * s.from_strides[2];
    plans_.emplace_back(std::move(s));
  }

  std::vector<CopyPlan> plans_;
  bool zeros_ = false;  // the last plan fills with them
};

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (!op.fusion.empty()) return Support::no("bytes move; nothing is computed on the way");
  const bool blocks = op.in[0].layout == Layout::Blocked16 || op.out[0].layout == Layout::Blocked16;
  if (blocks && op.fusion.sliced()) return Support::no("slices of blocks of channels");
  return movable(op.in[0]);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedReorder>(context.op));
}

}  // namespace

const Tactic& reorder() {
  static constexpr Tactic tactic{
      .name = "reorder",
      .op = "Reorder",
      .doc = "Changes of layout as strided copies; planes are transposed in registers.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
