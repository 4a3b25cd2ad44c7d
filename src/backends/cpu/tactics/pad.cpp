// SPDX-License-Identifier: Apache-2.0
// pad: constant margins are filled slab by slab around one strided copy; the other modes look their
// places up.
#include <algorithm>

#include "backends/cpu/simd/copy_plan.h"
#include "backends/cpu/simd/indexed_copy.h"
#include "base/math.h"

namespace lathe::cpu {
namespace {

// One axis: x without what is cropped, and its margins.
struct Axis {
  int64_t first, size, before, after;
};

std::vector<Axis> axes_of(const OpInstance& op) {
  std::vector<Axis> axes;
  for (int d = 0; d < op.in[0].rank(); ++d) {
    const auto k = static_cast<size_t>(d);
    const int64_t before = op.attrs.dims("before")[k].value();
    const int64_t after = op.attrs.dims("after")[k].value();
    const int64_t cropped = std::max<int64_t>(0, -before) + std::max<int64_t>(0, -after);
    axes.push_back({std::max<int64_t>(0, -before), op.in[0].shape[d].value() - cropped,
                    std::max<int64_t>(0, before), std::max<int64_t>(0, after)});
  }
  return axes;
}

class PreparedConstantPad : public Prepared {
 public:
  explicit PreparedConstantPad(const OpInstance& op)
      : has_value_(op.in.size() > 1 && !op.in[1].absent()) {
    const std::vector<Axis> axes = axes_of(op);
    CopyPlan::Sides inside{{}, result_strides(op, 0), operand_strides(op, 0)};
    inside.bytes = bits(op.in[0].dtype) / 8;
    for (size_t d = 0; d < axes.size(); ++d) {
      inside.sizes.push_back(axes[d].size);
      inside.to_offset += axes[d].before * inside.to_strides[d];
      inside.from_offset += axes[d].first * inside.from_strides[d];
    }
    CopyPlan::Sides margin = inside;
    margin.from_offset = 0;
    margin.from_strides.assign(axes.size(), 0);
    // The axes before d inside, d in the margin, those after it whole.
    for (size_t d = axes.size(); d-- > 0;) {
      const int64_t step = margin.to_strides[d];
      add_margin(margin, d, axes[d].before, margin.to_offset - axes[d].before * step);
      add_margin(margin, d, axes[d].after, margin.to_offset + axes[d].size * step);
      margin.sizes[d] = axes[d].before + axes[d].size + axes[d].after;
      margin.to_offset -= axes[d].before * step;
    }
    inside_ = CopyPlan(std::move(inside));
  }

  Status launch(const Buffers& at, Stream&) const override {
    static constexpr uint64_t kZero = 0;
    inside_.run(at.out[0], at.in[0]);
    for (const CopyPlan& m : margins_) m.run(at.out[0], has_value_ ? at.in[1] : &kZero);
    return {};
  }

 private:
  void add_margin(CopyPlan::Sides s, size_t axis, int64_t size, int64_t offset) {
    if (size == 0) return;
    s.sizes[axis] = size;
    s.to_offset = offset;
    margins_.emplace_back(std::move(s));
  }

  bool has_value_;
  CopyPlan inside_;
  std::vector<CopyPlan> margins_;
};

// The coordinate among [0, size) that stands at i, which may lie outside.
int64_t repeated(const std::string& mode, int64_t i, int64_t size) {
  if (mode == "edge") return std::clamp<int64_t>(i, 0, size - 1);
  if (mode == "wrap") return floor_mod(i, size);
  if (size == 1) return 0;
  const int64_t period = 2 * (size - 1), m = floor_mod(i, period);
  return std::min(m, period - m);
}

class PreparedRepeatPad : public Prepared {
 public:
  explicit PreparedRepeatPad(const OpInstance& op) {
    const std::vector<int64_t> to = result_strides(op, 0), from = operand_strides(op, 0);
    const std::vector<Axis> axes = axes_of(op);
    std::vector<IndexedCopy::Axis> copied;
    for (size_t d = 0; d < axes.size(); ++d) {
      const Axis& a = axes[d];
      IndexedCopy::Axis out{a.before + a.size + a.after, to[d], from[d], {}, false};
      const bool plain = a.before == 0 && a.after == 0 && a.first == 0;
      for (int64_t c = 0; !plain && c < out.size; ++c) {
        out.table.push_back((a.first + repeated(op.attrs.text("mode"), c - a.before, a.size)) *
                            from[d]);
      }
      copied.push_back(std::move(out));
    }
    if (op.out[0].shape.elements() > 0) copy_ = IndexedCopy(copied, bits(op.in[0].dtype) / 8);
  }
  Status launch(const Buffers& at, Stream&) const override {
    copy_.run(at.out[0], at.in[0]);
    return {};
  }

 private:
  IndexedCopy copy_;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return movable(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const bool constant = context.op.attrs.text("mode") == "constant";
  return constant ? std::unique_ptr<Prepared>(std::make_unique<PreparedConstantPad>(context.op))
                  : std::make_unique<PreparedRepeatPad>(context.op);
}

}  // namespace

const Tactic& pad() {
  static constexpr Tactic tactic{
      .name = "pad",
      .op = "Pad",
      .doc = "Margins filled around a strided copy, or looked up.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
