// SPDX-License-Identifier: Apache-2.0
// one_hot: a fill and one element for each index.
#include <cstring>

#include "backends/cpu/simd/copy_plan.h"
#include "ops/axes.h"

namespace lathe::cpu {
namespace {

class PreparedOneHot : public Prepared {
 public:
  explicit PreparedOneHot(const OpInstance& op)
      : type_(op.in[0].dtype), bytes_(bits(op.in[1].dtype) / 8) {
    const int axis = axis_of(op, op.out[0].rank());
    depth_ = op.out[0].shape[axis].value();
    for (int d = 0; d < axis; ++d) outer_ *= op.out[0].shape[d].value();
    for (int d = axis + 1; d < op.out[0].rank(); ++d) inner_ *= op.out[0].shape[d].value();
    CopyPlan::Sides s{{outer_ * depth_ * inner_}, {1}, {0}};
    s.bytes = bytes_;
    off_ = CopyPlan(std::move(s));
  }

  Status launch(const Buffers& at, Stream&) const override {
    off_.run(at.out[0], at.in[1]);
    const auto* on = static_cast<const std::byte*>(at.in[1]) + bytes_;
    auto* y = static_cast<std::byte*>(at.out[0]);
    visit_number(type_, [&]<class T>() {
      for (int64_t i = 0; i < outer_ * inner_; ++i) {
        const auto given = static_cast<const T*>(at.in[0])[i];
        // NOLINTNEXTLINE(bugprone-signed-char-misuse): an i8 is a number here, no character
        const auto index = static_cast<int64_t>(given);
        if (index < -depth_ || index >= depth_) continue;
        if (std::is_unsigned_v<T> && index < 0) continue;
        const int64_t d = index < 0 ? index + depth_ : index;
        const int64_t place = (i / inner_ * depth_ + d) * inner_ + i % inner_;
        std::memcpy(y + place * bytes_, on, static_cast<size_t>(bytes_));
      }
    });
    return {};
  }

 private:
  DType type_;
  int64_t bytes_, depth_ = 0, outer_ = 1, inner_ = 1;
  CopyPlan off_;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return has_plain_rows(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedOneHot>(context.op));
}

}  // namespace

const Tactic& one_hot() {
  static constexpr Tactic tactic{
      .name = "one_hot",
      .op = "OneHot",
      .doc = "Off everywhere, then on in the places that the indices name.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
