// SPDX-License-Identifier: Apache-2.0
// host_reference: any operator on the host, between copies: by the first tactic there that takes
// it, or, where that is found wrong, by its reference. Slow; it is why a CUDA build never fails for
// want of a kernel.
#include <numeric>

#include "backends/cuda/cuda_state.h"
#include "device/tactic.h"

namespace lathe::cuda {
namespace {

const std::optional<Slice>& slice_of(const std::vector<std::optional<Slice>>& slices, size_t k) {
  static const std::optional<Slice> kNone;
  return k < slices.size() ? slices[k] : kNone;
}

// Bytes from the tensor's first element to the end of its last one.
int64_t extent_bytes(const TensorType& type, const std::optional<Slice>& slice,
                     const std::vector<int64_t>& strides) {
  if (!slice) return *storage_bytes(type);
  int64_t last = 0;
  for (int d = 0; d < type.rank(); ++d) {
    if (type.shape[d].is(0)) return 0;
    last += (type.shape[d].value() - 1) * strides[static_cast<size_t>(d)];
  }
  return bytes(type.dtype, last + 1);
}

// One tactic of the host with everything that its launches share.
class PreparedOnHost : public Prepared {
 public:
  PreparedOnHost(Device& device, Device& host, OpInstance op)
      : device_(device), host_(host), op_(std::move(op)) {
    capturable = false;
    plain_constants = 0;
    for (size_t k = 0; k < op_.in.size(); ++k) {
      const auto& slice = slice_of(op_.fusion.in_slice, k);
      if (op_.in[k].absent()) {
        in_bytes_.push_back(0);
        continue;
      }
      in_bytes_.push_back(
          extent_bytes(op_.in[k], slice,
                       slice ? operand_strides(op_, static_cast<int>(k)) : std::vector<int64_t>{}));
    }
    for (size_t k = 0; k < op_.out.size(); ++k) {
      const auto& slice = slice_of(op_.fusion.out_slice, k);
      out_bytes_.push_back(
          extent_bytes(op_.out[k], slice,
                       slice ? result_strides(op_, static_cast<int>(k)) : std::vector<int64_t>{}));
    }
  }

  // The host's first tactic that takes the instance and needs no compiler; or its reference.
  Status load(const LoadContext& context) {
    constants_.assign(context.constants.begin(), context.constants.end());
    constants_.resize(op_.in.size());
    stream_ = LATHE_TRY(host_.open_stream());
    std::string reasons;
    for (const Tactic* t : host_.tactics()) {
      if ((t->op != "*" && t->op != op_.def->name) || t->source != nullptr) continue;
      if (context.config == kReferenceConfig && t->op != "*") continue;
      // Nobody checks on the host what a plugin's tactic gives: its reference is slow and right.
      if (op_.plugin != nullptr && has_reference(op_) && t->op != "*") continue;
      if (Support s = t->supports(op_, host_.info()); !s) {
        reasons += fmt::format("{}: {}; ", t->name, s.why);
        continue;
      }
      const std::vector<Config> configs =
          t->configs != nullptr ? t->configs(op_, host_.info()) : std::vector<Config>{{}};
      if (configs.empty()) continue;
      Result<std::unique_ptr<Prepared>> loaded =
          t->load({op_, configs[0], {}, constants_, host_, context.cache, context.constant_ids});
      if (loaded.ok()) {
        prepared_ = *std::move(loaded);
        packed_bytes = prepared_->packed_bytes;
        return {};
      }
      reasons += fmt::format("{}: {}; ", t->name, loaded.status().message());
    }
    return unsupported("no tactic of the host: {}", reasons);
  }

  Status launch(const Buffers& at, Stream& stream) const override {
    if (cuda_stream(stream).is_capturing()) {
      return unsupported("work on the host cannot be captured");
    }
    std::vector<std::vector<std::byte>> memory;
    std::vector<void*> in(op_.in.size(), nullptr), out(op_.out.size(), nullptr);
    for (size_t k = 0; k < in.size(); ++k) {
      if (op_.in[k].absent()) continue;
      if (!constants_[k].empty()) {
        const bool plain = k >= 64 || ((prepared_->plain_constants >> k) & 1);
        if (plain) in[k] = const_cast<std::byte*>(constants_[k].bytes().data());
        continue;
      }
      in[k] = LATHE_TRY(fetch(at.in[k], in_bytes_[k], memory, stream));
    }
    for (size_t k = 0; k < out.size(); ++k) {
      // What lies between a slice's rows is not ours: it travels there and back unchanged.
      out[k] = LATHE_TRY(fetch(at.out[k], out_bytes_[k], memory, stream));
    }
    LATHE_TRY(stream.synchronize());
    std::unique_ptr<Memory> workspace =
        LATHE_TRY(host_.allocate(std::max<size_t>(prepared_->workspace_bytes, 64)));
    LATHE_TRY(prepared_->launch({in, out, workspace->data()}, *stream_));
    for (size_t k = 0; k < out.size(); ++k) {
      LATHE_TRY(device_.upload(at.out[k], out[k], static_cast<size_t>(out_bytes_[k]), stream));
    }
    return stream.synchronize();
  }

 private:
  Result<void*> fetch(void* from, int64_t bytes, std::vector<std::vector<std::byte>>& memory,
                      Stream& stream) const {
    constexpr size_t kAlignment = 64;
    memory.emplace_back(static_cast<size_t>(bytes) + kAlignment);
    void* to = memory.back().data();
    size_t space = memory.back().size();
    std::align(kAlignment, static_cast<size_t>(bytes), to, space);
    LATHE_TRY(device_.download(to, from, static_cast<size_t>(bytes), stream));
    return to;
  }

  Device& device_;
  Device& host_;
  OpInstance op_;
  std::vector<int64_t> in_bytes_, out_bytes_;
  std::vector<HostTensor> constants_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Prepared> prepared_;
};

Support check(const TensorType& type, bool sliced) {
  if (type.dtype == DType::String) return Support::no("strings have no place in device memory");
  if (sliced && bits(type.dtype) < 8) return Support::no("a slice may cut a byte of this type");
  if (sliced && type.layout == Layout::Blocked16) {
    return Support::no("slices of blocked layouts are the host's");
  }
  return Support::yes();
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  for (size_t k = 0; k < op.in.size(); ++k) {
    if (Support s = check(op.in[k], slice_of(op.fusion.in_slice, k).has_value()); !s) return s;
  }
  for (size_t k = 0; k < op.out.size(); ++k) {
    if (Support s = check(op.out[k], slice_of(op.fusion.out_slice, k).has_value()); !s) return s;
  }
  return Support::yes();
}

std::vector<Config> configs(const OpInstance&, const DeviceInfo&) {
  return {Config(), Config(kReferenceConfig)};
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  auto prepared = std::make_unique<PreparedOnHost>(context.device,
                                                   cuda_device(context.device).host(), context.op);
  LATHE_TRY(prepared->load(context));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

// Two copies over PCIe and about what the host's loops reach.
double expect(const OpInstance& op, const Config&, const DeviceInfo&) {
  const Cost cost = cost_of(op);
  return 5e-5 + cost.flops / 1e9 + cost.bytes / 5e9;
}

}  // namespace

const Tactic& host_reference() {
  static constexpr Tactic tactic{
      .name = "host_reference",
      .op = "*",
      .doc = "Any operator on the host, between copies: slow, right, the last resort.",
      .supports = supports,
      .configs = configs,
      .load = load,
      .expect = expect,
      .version = 2,
  };
  return tactic;
}

}  // namespace lathe::cuda
