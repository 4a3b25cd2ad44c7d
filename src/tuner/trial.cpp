// SPDX-License-Identifier: Apache-2.0
#include "tuner/trial.h"

#include <algorithm>

namespace lathe {
namespace {

constexpr uint8_t kWorkspacePoison = 0xFF;
constexpr size_t kWorkspaceCanary = 256;  // behind the workspace

bool same_size(const TensorType& a, const TensorType& b) {
  const Result<int64_t> x = storage_bytes(a), y = storage_bytes(b);
  return x.ok() && y.ok() && *x == *y;
}

}  // namespace

const std::optional<Slice>& slice_at(const std::vector<std::optional<Slice>>& slices, size_t k) {
  static const std::optional<Slice> kNone;
  return k < slices.size() ? slices[k] : kNone;
}

std::vector<void*> operands_of(const Prepared& prepared, const OpInstance& op,
                               std::vector<void*> at) {
  for (size_t k = 0; k < at.size() && k < 64; ++k) {
    const bool packed = ((prepared.plain_constants >> k) & 1) == 0;
    if (packed && op.is_constant(static_cast<int>(k))) at[k] = nullptr;
  }
  return at;
}

Result<Trial> Trial::make(Device& device, Stream& stream, const OpInstance& op,
                          std::span<const HostTensor> constants, uint64_t seed) {
  Trial t;
  t.device_ = &device;
  t.stream_ = &stream;
  t.op_ = &op;
  t.inputs_ = LATHE_TRY(make_inputs(op, constants, seed));
  for (size_t k = 0; k < op.in.size(); ++k) {
    t.in_.emplace_back();
    t.in_at_.push_back(nullptr);
    if (op.in[k].absent()) continue;
    t.in_[k] =
        LATHE_TRY(TestBuffer::make(device, stream, op.in[k], slice_at(op.fusion.in_slice, k)));
    LATHE_TRY(t.in_[k]->write(t.inputs_[k], stream));
    t.in_at_[k] = t.in_[k]->data();
  }
  for (size_t k = 0; k < op.out.size(); ++k) {
    t.out_.push_back(
        LATHE_TRY(TestBuffer::make(device, stream, op.out[k], slice_at(op.fusion.out_slice, k))));
    t.out_at_.push_back(t.out_[k].data());
  }
  LATHE_TRY(t.reserve_workspace(0));
  return t;
}

Status Trial::reserve_workspace(size_t bytes) {
  if (workspace_ == nullptr || workspace_->size() < bytes + kWorkspaceCanary)
    workspace_ = LATHE_TRY(device_->allocate(bytes + kWorkspaceCanary));
  workspace_bytes_ = bytes;
  return {};
}

Status Trial::launch_poisoned(const Prepared& prepared, std::span<void* const> out_at,
                              uint8_t poison) {
  for (TestBuffer& b : out_) LATHE_TRY(b.poison(*stream_, poison));
  LATHE_TRY(device_->fill(workspace_->data(), kWorkspacePoison, workspace_bytes_ + kWorkspaceCanary,
                          *stream_));
  const std::vector<void*> in = operands_of(prepared, *op_, in_at_);
  LATHE_TRY(prepared.launch({in, out_at, workspace_->data()}, *stream_));
  LATHE_TRY(stream_->synchronize());
  std::vector<uint8_t> tail(kWorkspaceCanary);
  const auto* end = static_cast<const std::byte*>(workspace_->data()) + workspace_bytes_;
  LATHE_TRY(device_->download(tail.data(), end, kWorkspaceCanary, *stream_));
  LATHE_TRY(stream_->synchronize());
  const bool clean =
      std::all_of(tail.begin(), tail.end(), [](uint8_t b) { return b == kWorkspacePoison; });
  return clean ? Status() : internal("it wrote past its workspace");
}

// A launch that leaves its operands alone.
Status Trial::run_watched(const Prepared& prepared, uint8_t poison) {
  LATHE_TRY(launch_poisoned(prepared, out_at_, poison));
  if (check_operands().ok()) return {};
  // Another candidate may have done it, while it was timed: they are restored.
  LATHE_TRY(launch_poisoned(prepared, out_at_, poison));
  return check_operands();
}

Status Trial::check(const Prepared& prepared, const Config& config, const Expectation& expected,
                    Certificate& into) {
  LATHE_TRY(run_watched(prepared));
  std::vector<HostTensor> outputs;
  for (TestBuffer& b : out_) {
    LATHE_TRY(b.check_canaries(*stream_));
    outputs.push_back(LATHE_TRY(b.peek(*stream_)));
  }
  return expected.compare(*op_, outputs, into, operand_roundoff(*op_, config));
}

// The operands are what they were; restored for the candidates that follow where they are not.
Status Trial::check_operands() {
  Status meddled;
  for (size_t k = 0; k < in_.size(); ++k) {
    if (!in_[k]) continue;
    Status s = in_[k]->check_unchanged(*stream_);
    if (s.ok()) continue;
    meddled = std::move(s);
    LATHE_TRY(in_[k]->write(inputs_[k], *stream_));
  }
  return meddled;
}

// An element that keeps two different poisons was not written.
Status Trial::check_written(const Prepared& prepared) {
  constexpr uint8_t kPoisons[] = {0xFF, 0x5A};
  std::vector<std::vector<HostTensor>> runs;
  for (const uint8_t poison : kPoisons) {
    LATHE_TRY(run_watched(prepared, poison));
    runs.emplace_back();
    for (TestBuffer& b : out_) {
      LATHE_TRY(b.check_canaries(*stream_));
      runs.back().push_back(LATHE_TRY(b.read(*stream_)));
    }
  }
  for (size_t k = 0; k < out_.size(); ++k) {
    const auto size = std::max<size_t>(1, static_cast<size_t>(bits(op_->out[k].dtype)) / 8);
    const std::span<const std::byte> a = runs[0][k].bytes(), b = runs[1][k].bytes();
    for (size_t at = 0; at + size <= a.size(); at += size) {
      bool kept = true;
      for (size_t i = at; i < at + size; ++i)
        kept = kept && a[i] == std::byte{kPoisons[0]} && b[i] == std::byte{kPoisons[1]};
      if (kept) return internal("it left element {} of result {} unwritten", at / size, k);
    }
  }
  return {};
}

Status Trial::check_in_place(const Tactic& tactic, const Prepared& prepared, const Config& config,
                             const Expectation& expected) {
  if (tactic.may_alias == nullptr || op_->fusion.sliced()) return {};
  for (size_t o = 0; o < out_.size(); ++o) {
    for (size_t k = 0; k < in_.size(); ++k) {
      if (!in_[k] || op_->is_constant(static_cast<int>(k))) continue;
      if (!same_size(op_->in[k], op_->out[o])) continue;
      if (!tactic.may_alias(*op_, static_cast<int>(k), static_cast<int>(o))) continue;
      Status wrong = check_pair(prepared, config, expected, {o, k});
      LATHE_TRY(in_[k]->write(inputs_[k], *stream_));
      if (!wrong.ok())
        return std::move(wrong).at(fmt::format("result {} in place of operand {}", o, k));
    }
  }
  return {};
}

Status Trial::check_pair(const Prepared& prepared, const Config& config,
                         const Expectation& expected,
                         std::pair<size_t, size_t> output_and_operand) {
  const auto [o, k] = output_and_operand;
  std::vector<void*> out_at = out_at_;
  out_at[o] = in_at_[k];
  LATHE_TRY(launch_poisoned(prepared, out_at));
  std::vector<HostTensor> outputs;
  for (size_t n = 0; n < out_.size(); ++n) {
    outputs.push_back(n == o ? LATHE_TRY(in_[k]->read_as(op_->out[o], *stream_))
                             : LATHE_TRY(out_[n].peek(*stream_)));
  }
  Certificate ignored;
  return expected.compare(*op_, outputs, ignored, operand_roundoff(*op_, config));
}

}  // namespace lathe
