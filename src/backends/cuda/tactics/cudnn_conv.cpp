// SPDX-License-Identifier: Apache-2.0
// cudnn_conv, cudnn_deconv: cuDNN's convolutions in NHWC or NCHW, with bias, residual and Relu
// inside, and its gradients as transposed convolutions. F32 is true F32 unless the config
// allows TF32.
#include <cstring>

#include "backends/cuda/candidates.h"
#include "backends/cuda/cudnn_window.h"
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"
#include "backends/cuda/linear_epilogue.h"

namespace lathe::cuda {
namespace {

constexpr int kCandidates = 3;
constexpr int kAsked = 8;  // algorithms that the heuristic ranks, those that do not work included
constexpr size_t kMostWorkspace = size_t{1} << 30;

// The candidate-th algorithm that works, is deterministic and needs bearable memory.
template <class Perf, class Fits>
Result<Perf> pick(const Perf* found, int count, int candidate, Fits fits) {
  for (int k = 0; k < count; ++k) {
    const bool good = found[k].status == cudnnStatus_t::Success &&
                      found[k].determinism == cudnnDeterminism_t::Yes &&
                      found[k].workspace_bytes <= kMostWorkspace && fits(found[k]);
    if (good && candidate-- == 0) return found[k];
  }
  return unsupported("cuDNN has no further algorithm for it");
}

Support linear_of(const OpInstance& op, LinearEpilogue* e) {
  const bool bias = anchor_operands(op) > 2 && !op.in[2].absent();
  return match_linear(op, bias ? 2 : -1, 1, e);
}

class PreparedConv : public Prepared {
 public:
  PreparedConv(const Cudnn& dnn, cudnnHandle_t handle, CudaDevice& device)
      : dnn_(dnn), handle_(handle), device_(device) {}

  Status load(const LoadContext& context) {
    const OpInstance& op = context.op;
    if (Support s = linear_of(op, &epilogue_); !s) return unsupported("{}", s.why);
    fused_ = epilogue_.relu || epilogue_.vector >= 0 || epilogue_.tensor >= 0;
    at_ = LATHE_TRY(WindowDescriptors::make(dnn_, op, allows_tf32(context.config)));
    weights_ = LATHE_TRY(packed_weights(context));
    if (weights_ != nullptr) {
      plain_constants = ~uint64_t{2};
      packed_bytes = weights_->size();
    }
    if (fused_) LATHE_TRY(load_epilogue(context));
    cudnnConvolutionFwdAlgoPerf_t found[kAsked];
    int count = 0;
    LATHE_TRY(check(
        dnn_.cudnnGetConvolutionForwardAlgorithm_v7(
            handle_, at_.x.get(), at_.w.get(), at_.conv.get(), at_.y.get(), kAsked, &count, found),
        "cudnnGetConvolutionForwardAlgorithm"));
    // cuDNN leaves the activation out with this algorithm alone.
    const bool precomputed = fused_ && !epilogue_.relu;
    const auto fits = [&](const cudnnConvolutionFwdAlgoPerf_t& f) {
      return !precomputed || f.algo == cudnnConvolutionFwdAlgo_t::ImplicitPrecompGemm;
    };
    const auto chosen = LATHE_TRY(pick(found, count, candidate_of(context.config), fits));
    algo_ = chosen.algo;
    LATHE_TRY(check(dnn_.cudnnGetConvolutionForwardWorkspaceSize(handle_, at_.x.get(), at_.w.get(),
                                                                 at_.conv.get(), at_.y.get(), algo_,
                                                                 &workspace_bytes),
                    "cudnnGetConvolutionForwardWorkspaceSize"));
    return fused_ ? try_once(context) : Status();
  }

  Status launch(const Buffers& at, Stream& stream) const override {
    CudaStream& s = cuda_stream(stream);
    ContextScope scope(s.context());
    std::lock_guard lock(device_.libraries().cudnn_lock());
    LATHE_TRY(check(dnn_.cudnnSetStream(handle_, s.handle()), "cudnnSetStream"));
    return run(at);
  }

 private:
  Status load_epilogue(const LoadContext& context) {
    bias_ = LATHE_TRY(channel_descriptor(dnn_, context.op));
    LATHE_TRY(check(dnn_.cudnnCreateActivationDescriptor(activation_.out()), "activation"));
    LATHE_TRY(
        check(dnn_.cudnnSetActivationDescriptor(
                  activation_.get(),
                  epilogue_.relu ? cudnnActivationMode_t::Relu : cudnnActivationMode_t::Identity,
                  cudnnNanPropagation_t::Yes, 0.0),
              "cudnnSetActivationDescriptor"));
    if (epilogue_.vector >= 0) return {};
    const std::vector<double> zeros(static_cast<size_t>(context.op.out[0].shape[1].value()), 0.0);
    zeros_ = LATHE_TRY(upload_table(context.device, zeros.data(), zeros.size() * sizeof(double)));
    return {};
  }

  // cuDNN says only when it runs whether it fuses this: on memory of our own, before anybody
  // depends on it.
  Status try_once(const LoadContext& context) {
    const OpInstance& op = context.op;
    std::vector<std::unique_ptr<Memory>> memory;
    std::vector<void*> in(op.in.size(), nullptr);
    const auto room = [&](const TensorType& t,
                          const std::vector<int64_t>& strides) -> Result<void*> {
      int64_t last = 0;
      for (int d = 0; d < t.rank(); ++d) {
        last += (t.shape[d].value() - 1) * strides[static_cast<size_t>(d)];
      }
      memory.push_back(
          LATHE_TRY(context.device.allocate(static_cast<size_t>(bytes(t.dtype, last + 1)))));
      return memory.back()->data();
    };
    for (size_t k = 0; k < in.size(); ++k) {
      if (op.in[k].absent()) continue;
      in[k] = LATHE_TRY(room(op.in[k], operand_strides(op, static_cast<int>(k))));
    }
    void* out[] = {LATHE_TRY(room(op.out[0], result_strides(op, 0)))};
    memory.push_back(LATHE_TRY(context.device.allocate(workspace_bytes + 1)));
    std::unique_ptr<Stream> stream = LATHE_TRY(context.device.open_stream());
    LATHE_TRY(launch({in, out, memory.back()->data()}, *stream));
    return stream->synchronize();
  }

  Status run(const Buffers& at) const {
    const float one = 1, zero = 0;
    const void* w = weights_ != nullptr ? weights_->data() : at.in[1];
    if (!fused_) {
      return check(dnn_.cudnnConvolutionForward(handle_, &one, at_.x.get(), at.in[0], at_.w.get(),
                                                w, at_.conv.get(), algo_, at.workspace,
                                                workspace_bytes, &zero, at_.y.get(), at.out[0]),
                   "cudnnConvolutionForward");
    }
    const auto operand = [&](int k) -> const void* { return at.in[static_cast<size_t>(k)]; };
    const void* bias = epilogue_.vector >= 0 ? operand(epilogue_.vector) : zeros_->data();
    const void* added = epilogue_.tensor >= 0 ? operand(epilogue_.tensor) : at.out[0];
    const float* beta = epilogue_.tensor >= 0 ? &one : &zero;
    return check(dnn_.cudnnConvolutionBiasActivationForward(
                     handle_, &one, at_.x.get(), at.in[0], at_.w.get(), w, at_.conv.get(), algo_,
                     at.workspace, workspace_bytes, beta, at_.y.get(), added, bias_.get(), bias,
                     activation_.get(), at_.y.get(), at.out[0]),
                 "cudnnConvolutionBiasActivationForward");
  }

  const Cudnn& dnn_;
  cudnnHandle_t handle_;
  CudaDevice& device_;
  LinearEpilogue epilogue_;
  bool fused_ = false;
  WindowDescriptors at_;
  OwnedTensorDescriptor bias_;
  OwnedActivationDescriptor activation_;
  cudnnConvolutionFwdAlgo_t algo_{};
  std::shared_ptr<Memory> weights_;
  std::unique_ptr<Memory> zeros_;  // the bias where there is none
};

class PreparedDeconv : public Prepared {
 public:
  PreparedDeconv(const Cudnn& dnn, cudnnHandle_t handle, CudaDevice& device)
      : dnn_(dnn), handle_(handle), device_(device) {}

  // The gradient of a convolution that leads from our y to our x.
  Status load(const LoadContext& context) {
    at_ = LATHE_TRY(WindowDescriptors::make(dnn_, context.op, allows_tf32(context.config)));
    weights_ = LATHE_TRY(packed_weights(context));
    if (weights_ != nullptr) {
      plain_constants = ~uint64_t{2};
      packed_bytes = weights_->size();
    }
    cudnnConvolutionBwdDataAlgoPerf_t found[kAsked];
    int count = 0;
    LATHE_TRY(check(
        dnn_.cudnnGetConvolutionBackwardDataAlgorithm_v7(
            handle_, at_.w.get(), at_.x.get(), at_.conv.get(), at_.y.get(), kAsked, &count, found),
        "cudnnGetConvolutionBackwardDataAlgorithm"));
    const auto any = [](const cudnnConvolutionBwdDataAlgoPerf_t&) { return true; };
    const auto chosen = LATHE_TRY(pick(found, count, candidate_of(context.config), any));
    algo_ = chosen.algo;
    if (anchor_operands(context.op) > 2 && !context.op.in[2].absent()) {
      LATHE_TRY(load_bias(context));
    }
    return check(dnn_.cudnnGetConvolutionBackwardDataWorkspaceSize(
                     handle_, at_.w.get(), at_.x.get(), at_.conv.get(), at_.y.get(), algo_,
                     &workspace_bytes),
                 "cudnnGetConvolutionBackwardDataWorkspaceSize");
  }

  Status launch(const Buffers& at, Stream& stream) const override {
    CudaStream& s = cuda_stream(stream);
    ContextScope scope(s.context());
    std::lock_guard lock(device_.libraries().cudnn_lock());
    LATHE_TRY(check(dnn_.cudnnSetStream(handle_, s.handle()), "cudnnSetStream"));
    const float one = 1, zero = 0;
    const void* w = weights_ != nullptr ? weights_->data() : at.in[1];
    if (bias_ != nullptr) {
      LATHE_TRY(device_.upload(at.out[0], bias_->data(), bias_->size(), stream));
    }
    return check(
        dnn_.cudnnConvolutionBackwardData(handle_, &one, at_.w.get(), w, at_.x.get(), at.in[0],
                                          at_.conv.get(), algo_, at.workspace, workspace_bytes,
                                          bias_ != nullptr ? &one : &zero, at_.y.get(), at.out[0]),
        "cudnnConvolutionBackwardData");
  }

 private:
  // y as it is before the gradient is added to it.
  Status load_bias(const LoadContext& context) {
    const TensorType& y = context.op.out[0];
    if (context.constants.size() < 3 || context.constants[2].empty()) {
      return unsupported("the bias is no constant");
    }
    HostTensor image = LATHE_TRY(HostTensor::make(y));
    const std::vector<int64_t> sizes = y.shape.sizes(), step = strides(y);
    const auto width = static_cast<size_t>(bits(y.dtype) / 8);
    const std::byte* from = context.constants[2].bytes().data();
    std::byte* to = image.mutable_bytes().data();
    for (int64_t i = 0; i < image.elements(); ++i) {
      const auto channel = static_cast<size_t>(i / step[1] % sizes[1]);
      std::memcpy(to + static_cast<size_t>(i) * width, from + channel * width, width);
    }
    bias_ = LATHE_TRY(upload_table(context.device, to, image.bytes().size()));
    plain_constants &= ~uint64_t{4};
    packed_bytes += bias_->size();
    return {};
  }

  const Cudnn& dnn_;
  cudnnHandle_t handle_;
  CudaDevice& device_;
  WindowDescriptors at_;
  cudnnConvolutionBwdDataAlgo_t algo_{};
  std::shared_ptr<Memory> weights_;
  std::unique_ptr<Memory> bias_;  // as large as y: each channel's value at each of its elements
};

Support supports_conv(const OpInstance& op, const DeviceInfo&) {
  if (Support s = check_window(op); !s) return s;
  LinearEpilogue e;
  return linear_of(op, &e);
}

Support supports_deconv(const OpInstance& op, const DeviceInfo&) {
  if (!op.fusion.empty()) return Support::no("cuDNN fuses nothing with a gradient");
  const bool bias = op.in.size() > 2 && !op.in[2].absent();
  if (bias && (!op.is_constant(2) || op.fusion.sliced())) {
    return Support::no("a bias must be a constant, and nothing a slice");
  }
  return check_window(op);
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  return candidates(kCandidates, op.in[0].dtype, device);
}

template <class T>
Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  CudaDevice& device = cuda_device(context.device);
  const Cudnn& dnn = *LATHE_TRY(Cudnn::open());
  const cudnnHandle_t handle = LATHE_TRY(device.libraries().cudnn());
  ContextScope scope(*device.context());
  std::lock_guard lock(device.libraries().cudnn_lock());
  auto prepared = std::make_unique<T>(dnn, handle, device);
  LATHE_TRY(prepared->load(context));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

}  // namespace

const Tactic& cudnn_conv() {
  static constexpr Tactic tactic{
      .name = "cudnn_conv",
      .op = "Conv",
      .doc = "cuDNN, with bias, residual and Relu inside.",
      .supports = supports_conv,
      .configs = configs,
      .load = load<PreparedConv>,
  };
  return tactic;
}

const Tactic& cudnn_deconv() {
  static constexpr Tactic tactic{
      .name = "cudnn_deconv",
      .op = "Deconv",
      .doc = "cuDNN's gradient by the input, added to the bias.",
      .supports = supports_deconv,
      .configs = configs,
      .load = load<PreparedDeconv>,
  };
  return tactic;
}

}  // namespace lathe::cuda
