// SPDX-License-Identifier: Apache-2.0
// trilu: each row is copied on one side of the diagonal and zero on the other.
#include <cstring>

#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

class PreparedTrilu : public Prepared {
 public:
  explicit PreparedTrilu(const OpInstance& op)
      : rows_(op.in[0].shape[op.in[0].rank() - 2].value()),
        columns_(op.in[0].shape[op.in[0].rank() - 1].value()),
        elements_(op.in[0].shape.elements()),
        k_(op.attrs.i("k")),
        bytes_(bits(op.in[0].dtype) / 8),
        upper_(op.attrs.i("upper") != 0) {}

  Status launch(const Buffers& at, Stream&) const override {
    if (elements_ == 0) return {};
    const int64_t least = std::max<int64_t>(1, grain(1) / columns_);
    parallel_for(elements_ / columns_, least, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t offset = r * columns_ * bytes_;
        row(static_cast<std::byte*>(at.out[0]) + offset,
            static_cast<const std::byte*>(at.in[0]) + offset, r % rows_);
      }
    });
    return {};
  }

 private:
  // Columns [first, last) are kept. k may be any 64-bit number.
  void row(std::byte* y, const std::byte* x, int64_t i) const {
    const int64_t k = std::clamp(k_, -rows_ - 1, columns_ + 1);
    const int64_t first = upper_ ? std::clamp<int64_t>(i + k, 0, columns_) : 0;
    const int64_t last = upper_ ? columns_ : std::clamp<int64_t>(i + k + 1, 0, columns_);
    std::memset(y, 0, static_cast<size_t>(first * bytes_));
    std::memcpy(y + first * bytes_, x + first * bytes_,
                static_cast<size_t>((last - first) * bytes_));
    std::memset(y + last * bytes_, 0, static_cast<size_t>((columns_ - last) * bytes_));
  }

  int64_t rows_, columns_, elements_, k_, bytes_;
  bool upper_;
};

Support row_major(const OpInstance& op) {
  if (op.in[0].layout != Layout::RowMajor || op.out[0].layout != Layout::RowMajor ||
      op.fusion.sliced()) {
    return Support::no("dense row-major tensors only");
  }
  return movable(op);
}

Support supports(const OpInstance& op, const DeviceInfo&) { return row_major(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedTrilu>(context.op));
}

}  // namespace

const Tactic& trilu() {
  static constexpr Tactic tactic{
      .name = "trilu",
      .op = "Trilu",
      .doc = "Rows copied up to the diagonal or from it on, the rest zero.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
