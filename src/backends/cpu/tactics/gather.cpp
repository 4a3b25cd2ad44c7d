// SPDX-License-Identifier: Apache-2.0
// gather: runs of memory by looked-up places.
#include "backends/cpu/simd/copy_plan.h"
#include "backends/cpu/simd/indexed_copy.h"
#include "ops/axes.h"

namespace lathe::cpu {
namespace {

class PreparedGather : public Prepared {
 public:
  explicit PreparedGather(const OpInstance& op)
      : size_(op.in[0].shape[axis_of(op, op.in[0].rank())].value()),
        count_(op.in[1].shape.elements()) {
    const std::vector<int64_t> from = operand_strides(op, 0), to = result_strides(op, 0);
    const int axis = axis_of(op, op.in[0].rank()), rank = op.in[1].rank();
    stride_ = from[static_cast<size_t>(axis)];
    is_i32_ = op.in[1].dtype == DType::I32;
    std::vector<IndexedCopy::Axis> axes;
    for (int d = 0; d < op.in[0].rank(); ++d) {
      const int y = d < axis ? d : d - 1 + rank;
      IndexedCopy::Axis a{op.in[0].shape[d].value(), 0, from[static_cast<size_t>(d)], {}, false};
      if (d == axis) {
        a.size = count_;
        a.at_launch = true;
        a.to_stride = rank > 0 ? to[static_cast<size_t>(axis + rank - 1)] : 0;
      } else {
        a.to_stride = to[static_cast<size_t>(y)];
      }
      axes.push_back(a);
    }
    copy_ = IndexedCopy(std::move(axes), bits(op.in[0].dtype) / 8);
    workspace_bytes = static_cast<size_t>(count_) * sizeof(int64_t);
  }

  Status launch(const Buffers& at, Stream&) const override {
    auto* table = static_cast<int64_t*>(at.workspace);
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t index = is_i32_ ? static_cast<const int32_t*>(at.in[1])[i]
                                    : static_cast<const int64_t*>(at.in[1])[i];
      if (index < -size_ || index >= size_) {
        return invalid("index {} is out of range for size {}", index, size_);
      }
      table[i] = (index < 0 ? index + size_ : index) * stride_;
    }
    copy_.run(at.out[0], at.in[0], {table, static_cast<size_t>(count_)});
    return {};
  }

 private:
  int64_t size_, count_, stride_ = 0;
  bool is_i32_ = false;
  IndexedCopy copy_;
};

// The indices' axes of the result are one run of places, and the indices dense.
Support supports(const OpInstance& op, const DeviceInfo&) {
  if (op.in[1].layout != Layout::RowMajor) return Support::no("indices are not row-major");
  if (op.fusion.in_slice.size() > 1 && op.fusion.in_slice[1]) return Support::no("sliced indices");
  if (Support s = movable(op); !s) return s;
  const std::vector<int64_t> to = result_strides(op, 0);
  const int axis = axis_of(op, op.in[0].rank());
  for (int d = axis; d + 1 < axis + op.in[1].rank(); ++d) {
    const auto k = static_cast<size_t>(d);
    if (to[k] != to[k + 1] * op.out[0].shape[d + 1].value()) {
      return Support::no("the indices' axes lie apart in the result");
    }
  }
  return Support::yes();
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedGather>(context.op));
}

}  // namespace

const Tactic& gather() {
  static constexpr Tactic tactic{
      .name = "gather",
      .op = "Gather",
      .doc = "Runs of memory copied from looked-up places.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
