// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cudnn_window.h"

#include <algorithm>
#include <limits>

#include "backends/cuda/kernel.h"
#include "tensor/relayout.h"

namespace lathe::cuda {
namespace {

constexpr int kLeastRank = 4;  // cuDNN knows no single spatial dimension

cudnnDataType_t data_type(DType t) {
  switch (t) {
    case DType::F16: return cudnnDataType_t::F16;
    case DType::BF16: return cudnnDataType_t::BF16;
    default: return cudnnDataType_t::F32;
  }
}

// With a spatial dimension of 1 put in front where there is but one.
std::vector<int> widened(std::vector<int64_t> values, size_t at, int64_t one) {
  if (values.size() + (at == 0 ? 2 : 0) < static_cast<size_t>(kLeastRank)) {
    values.insert(values.begin() + static_cast<std::ptrdiff_t>(at), one);
  }
  return {values.begin(), values.end()};
}

Result<OwnedTensorDescriptor> tensor(const Cudnn& dnn, const TensorType& type,
                                     std::vector<int64_t> strides) {
  OwnedTensorDescriptor d;
  LATHE_TRY(check(dnn.cudnnCreateTensorDescriptor(d.out()), "cudnnCreateTensorDescriptor"));
  const std::vector<int> dims = widened(type.shape.sizes(), 2, 1);
  // The new dimension has one element, so that its stride is any; cuDNN wants a dense one.
  const int64_t filler = strides[2] * type.shape[2].value();
  const std::vector<int> s = widened(std::move(strides), 2, filler);
  LATHE_TRY(
      check(dnn.cudnnSetTensorNdDescriptor(d.get(), data_type(type.dtype),
                                           static_cast<int>(dims.size()), dims.data(), s.data()),
            "cudnnSetTensorNdDescriptor"));
  return d;
}

bool fits_int(const TensorType& t) { return t.shape.elements() <= std::numeric_limits<int>::max(); }

}  // namespace

Support check_window(const OpInstance& op) {
  const TensorType &x = op.in[0], &w = op.in[1], &y = op.out[0];
  if (x.dtype != DType::F32 && x.dtype != DType::F16 && x.dtype != DType::BF16) {
    return Support::no("f32, f16 and bf16 only");
  }
  if (x.layout != y.layout || x.layout == Layout::Blocked16) {
    return Support::no("one layout for x and y");
  }
  if (w.layout != Layout::RowMajor) return Support::no("weights are packed from row-major ones");
  if (x.rank() > 5) return Support::no("more than three spatial dimensions");
  if (y.shape.elements() == 0 || x.shape.elements() == 0) return Support::no("nothing to compute");
  if (!fits_int(x) || !fits_int(w) || !fits_int(y)) return Support::no("more than 2^31 elements");
  const Ints& pads = op.attrs.ints("pads");
  if (!std::equal(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(pads.size() / 2),
                  pads.begin() + static_cast<std::ptrdiff_t>(pads.size() / 2))) {
    return Support::no("padding differs between the sides");
  }
  Result<const Cudnn*> dnn = Cudnn::open();
  return dnn.ok() ? Support::yes() : Support::no("no cuDNN");
}

Result<WindowDescriptors> WindowDescriptors::make(const Cudnn& dnn, const OpInstance& op,
                                                  bool tf32) {
  WindowDescriptors d;
  const TensorType& w = op.in[1];
  d.x = LATHE_TRY(tensor(dnn, op.in[0], operand_strides(op, 0)));
  d.y = LATHE_TRY(tensor(dnn, op.out[0], result_strides(op, 0)));
  LATHE_TRY(check(dnn.cudnnCreateFilterDescriptor(d.w.out()), "cudnnCreateFilterDescriptor"));
  const std::vector<int> dims = widened(w.shape.sizes(), 2, 1);
  const auto format = op.in[0].layout == Layout::ChannelsLast ? cudnnTensorFormat_t::Nhwc
                                                              : cudnnTensorFormat_t::Nchw;
  LATHE_TRY(check(dnn.cudnnSetFilterNdDescriptor(d.w.get(), data_type(w.dtype), format,
                                                 static_cast<int>(dims.size()), dims.data()),
                  "cudnnSetFilterNdDescriptor"));
  LATHE_TRY(check(dnn.cudnnCreateConvolutionDescriptor(d.conv.out()),
                  "cudnnCreateConvolutionDescriptor"));
  const Ints& pads = op.attrs.ints("pads");
  const std::vector<int> begin =
      widened({pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(pads.size() / 2)}, 0, 0);
  const std::vector<int> strides = widened(op.attrs.ints("strides"), 0, 1);
  const std::vector<int> dilations = widened(op.attrs.ints("dilations"), 0, 1);
  LATHE_TRY(
      check(dnn.cudnnSetConvolutionNdDescriptor(
                d.conv.get(), static_cast<int>(begin.size()), begin.data(), strides.data(),
                dilations.data(), cudnnConvolutionMode_t::CrossCorrelation, cudnnDataType_t::F32),
            "cudnnSetConvolutionNdDescriptor"));
  const bool exact = op.in[0].dtype == DType::F32 && !tf32;
  LATHE_TRY(check(dnn.cudnnSetConvolutionMathType(
                      d.conv.get(), exact ? cudnnMathType_t::Fma : cudnnMathType_t::TensorOp),
                  "cudnnSetConvolutionMathType"));
  LATHE_TRY(
      check(dnn.cudnnSetConvolutionGroupCount(d.conv.get(), static_cast<int>(op.attrs.i("group"))),
            "cudnnSetConvolutionGroupCount"));
  return d;
}

Result<OwnedTensorDescriptor> channel_descriptor(const Cudnn& dnn, const OpInstance& op) {
  TensorType t{op.out[0].dtype, Shape{1, op.out[0].shape[1]}, op.out[0].layout};
  for (int d = 2; d < op.out[0].rank(); ++d) t.shape.push_back(1);
  return tensor(dnn, t, strides(t));
}

Result<std::shared_ptr<Memory>> packed_weights(const LoadContext& context) {
  const OpInstance& op = context.op;
  const TensorType& w = op.in[1];
  int64_t positions = 1;
  for (int d = 2; d < w.rank(); ++d) positions *= w.shape[d].value();
  if (op.in[0].layout != Layout::ChannelsLast || positions == 1) return std::shared_ptr<Memory>();
  if (context.constants.size() < 2 || context.constants[1].empty()) {
    return unsupported("the weights are no constant");
  }
  auto make = [&]() -> Result<std::shared_ptr<void>> {
    const HostTensor packed = LATHE_TRY(relayout(context.constants[1], Layout::ChannelsLast));
    std::unique_ptr<Memory> memory =
        LATHE_TRY(upload_table(context.device, packed.bytes().data(), packed.bytes().size()));
    return std::shared_ptr<void>(std::shared_ptr<Memory>(std::move(memory)));
  };
  const uint64_t id = context.constant_ids.size() > 1 ? context.constant_ids[1] : 0;
  const std::string key = fmt::format("cudnn weights {} {}", id, w.to_string());
  return std::static_pointer_cast<Memory>(LATHE_TRY(context.cache.get(key, make)));
}

}  // namespace lathe::cuda
