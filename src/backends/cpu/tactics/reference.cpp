// SPDX-License-Identifier: Apache-2.0
// reference: any operator by its reference, in any layout, fused or not, in slices or not. Slow; it
// is why a build never fails for want of a kernel.
#include <cstring>

#include "device/tactic.h"
#include "tensor/relayout.h"

namespace lathe::cpu {
namespace {

// Where a dense tensor's bytes stand inside a larger one: `count` runs of `bytes`, `stride` apart.
struct Runs {
  int64_t count = 1, bytes = 0, stride = 0;
};

// The order of dimensions in memory with their physical sizes; Blocked16 as N, blocks, space, 16.
std::vector<int64_t> physical_sizes(const TensorType& type, int axis, int* place) {
  std::vector<int64_t> sizes = type.shape.sizes();
  *place = axis;
  if (type.layout == Layout::Blocked16) {
    sizes[1] = (sizes[1] + 15) / 16;
    sizes.push_back(16);
    return sizes;
  }
  const std::vector<int> order = memory_order(type);
  std::vector<int64_t> physical;
  for (int d : order) {
    if (d == axis) *place = static_cast<int>(physical.size());
    physical.push_back(sizes[static_cast<size_t>(d)]);
  }
  return physical;
}

Runs runs_of(const TensorType& type, const Slice& slice) {
  int place = 0;
  const std::vector<int64_t> sizes = physical_sizes(type, slice.axis, &place);
  int64_t whole = slice.whole.value();
  if (type.layout == Layout::Blocked16 && slice.axis == 1) whole = (whole + 15) / 16;
  Runs runs;
  runs.bytes = bits(type.dtype) / 8;
  for (int d = 0; d < static_cast<int>(sizes.size()); ++d) {
    (d < place ? runs.count : runs.bytes) *= sizes[static_cast<size_t>(d)];
  }
  const int64_t own = sizes[static_cast<size_t>(place)];
  runs.stride = own == 0 ? 0 : runs.bytes / own * whole;
  return runs;
}

const std::optional<Slice>& slice_of(const std::vector<std::optional<Slice>>& slices, size_t k) {
  static const std::optional<Slice> kNone;
  return k < slices.size() ? slices[k] : kNone;
}

Result<HostTensor> read(const TensorType& type, const std::optional<Slice>& slice, void* at) {
  HostTensor dense;
  if (!slice) {
    const auto size = static_cast<size_t>(LATHE_TRY(storage_bytes(type)));
    dense = LATHE_TRY(HostTensor::view(type, {static_cast<const std::byte*>(at), size}, nullptr));
  } else {
    dense = LATHE_TRY(HostTensor::make(type));
    const Runs runs = runs_of(type, *slice);
    std::byte* to = dense.mutable_bytes().data();
    for (int64_t r = 0; r < runs.count && runs.bytes > 0; ++r) {
      std::memcpy(to + r * runs.bytes, static_cast<const std::byte*>(at) + r * runs.stride,
                  static_cast<size_t>(runs.bytes));
    }
  }
  return relayout(dense, Layout::RowMajor);
}

Status write(const HostTensor& row_major, const TensorType& type, const std::optional<Slice>& slice,
             void* at) {
  const HostTensor laid = LATHE_TRY(relayout(row_major, type.layout));
  const std::byte* from = laid.bytes().data();
  if (laid.bytes().empty()) return {};
  if (!slice) {
    std::memcpy(at, from, laid.bytes().size());
    return {};
  }
  const Runs runs = runs_of(type, *slice);
  for (int64_t r = 0; r < runs.count; ++r) {
    std::memcpy(static_cast<std::byte*>(at) + r * runs.stride, from + r * runs.bytes,
                static_cast<size_t>(runs.bytes));
  }
  return {};
}

class PreparedReference : public Prepared {
 public:
  explicit PreparedReference(OpInstance op) : op_(std::move(op)) {}

  Status launch(const Buffers& at, Stream&) const override {
    std::vector<HostTensor> in(op_.in.size());
    for (size_t k = 0; k < in.size(); ++k) {
      if (op_.in[k].absent()) continue;
      in[k] = LATHE_TRY(read(op_.in[k], slice_of(op_.fusion.in_slice, k), at.in[k]));
    }
    const std::vector<HostTensor> out = LATHE_TRY(run_reference(op_, in));
    for (size_t k = 0; k < out.size(); ++k) {
      LATHE_TRY(write(out[k], op_.out[k], slice_of(op_.fusion.out_slice, k), at.out[k]));
    }
    return {};
  }

 private:
  OpInstance op_;
};

Support check(const TensorType& type, const std::optional<Slice>& slice) {
  if (type.absent()) return Support::yes();
  if (type.dtype == DType::String) return Support::no("strings have no place in device memory");
  if (!slice) return Support::yes();
  if (bits(type.dtype) < 8) return Support::no("a slice may cut a byte of this type");
  if (type.layout != Layout::Blocked16 || slice->axis != 1) return Support::yes();
  const bool whole_blocks = slice->start.value() % 16 == 0 &&
                            (type.shape[1].value() % 16 == 0 ||
                             slice->start.value() + type.shape[1].value() == slice->whole.value());
  return whole_blocks ? Support::yes() : Support::no("the slice cuts a block of 16 channels");
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (!has_reference(op)) return Support::no("it has no CPU twin");
  for (size_t k = 0; k < op.in.size(); ++k) {
    if (Support s = check(op.in[k], slice_of(op.fusion.in_slice, k)); !s) return s;
  }
  for (size_t k = 0; k < op.out.size(); ++k) {
    if (Support s = check(op.out[k], slice_of(op.fusion.out_slice, k)); !s) return s;
  }
  return Support::yes();
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedReference>(context.op));
}

// About what the loops of references reach.
double expect(const OpInstance& op, const Config&, const DeviceInfo&) {
  const Cost cost = cost_of(op);
  return 1e-5 + cost.flops / 1e9 + cost.bytes / 2e8;
}

}  // namespace

const Tactic& reference() {
  static constexpr Tactic tactic{
      .name = "reference",
      .op = "*",
      .doc = "Any operator by its reference implementation: slow, right, the last resort.",
      .supports = supports,
      .load = load,
      .expect = expect,
  };
  return tactic;
}

}  // namespace lathe::cpu
