// SPDX-License-Identifier: Apache-2.0
#include "trial.h"

#include <optional>
#include <vector>

#include "tuner/test_data.h"

namespace lathe {
namespace {

constexpr uint64_t kSeed = 11;

class Packs : public PackCache {
 public:
  Result<std::shared_ptr<void>> get(const std::string& key,
                                    Result<std::shared_ptr<void>> (*make)(void*),
                                    void* state) override {
    if (auto it = packs_.find(key); it != packs_.end()) return it->second;
    std::shared_ptr<void> made = LATHE_TRY(make(state));
    packs_.emplace(key, made);
    return made;
  }

 private:
  std::map<std::string, std::shared_ptr<void>> packs_;
};

const std::optional<Slice>& slice_at(const std::vector<std::optional<Slice>>& slices, size_t k) {
  static const std::optional<Slice> kNone;
  return k < slices.size() ? slices[k] : kNone;
}

// The instance's tensors in memory.
struct Bench {
  std::vector<std::optional<TestBuffer>> in;
  std::vector<TestBuffer> out;
  std::vector<void*> in_at, out_at;
};

Result<Bench> make_bench(Device& device, Stream& stream, const OpInstance& op,
                         std::span<const HostTensor> inputs) {
  Bench b;
  for (size_t k = 0; k < op.in.size(); ++k) {
    b.in.emplace_back();
    b.in_at.push_back(nullptr);
    if (op.in[k].absent()) continue;
    b.in[k] =
        LATHE_TRY(TestBuffer::make(device, stream, op.in[k], slice_at(op.fusion.in_slice, k)));
    LATHE_TRY(b.in[k]->write(inputs[k], stream));
    b.in_at[k] = b.in[k]->data();
  }
  for (size_t k = 0; k < op.out.size(); ++k) {
    b.out.push_back(
        LATHE_TRY(TestBuffer::make(device, stream, op.out[k], slice_at(op.fusion.out_slice, k))));
    b.out_at.push_back(b.out[k].data());
  }
  return b;
}

Result<std::unique_ptr<Prepared>> load(Device& device, const Tactic& tactic, const Config& config,
                                       const OpInstance& op, std::span<const HostTensor> inputs,
                                       PackCache& packs) {
  std::vector<HostTensor> constants(op.in.size());
  std::vector<uint64_t> ids(op.in.size());
  for (size_t k = 0; k < constants.size(); ++k) {
    ids[k] = k + 1;
    if (op.is_constant(static_cast<int>(k))) constants[k] = inputs[k];
  }
  return tactic.load({op, config, {}, constants, device, packs, ids});
}

// Twice, because a first launch may leave something behind in the workspace.
Status launch_and_compare(Device& device, Stream& stream, const Prepared& prepared,
                          const OpInstance& op, Bench& bench, const Expectation& expected) {
  std::unique_ptr<Memory> workspace = LATHE_TRY(device.allocate(prepared.workspace_bytes + 64));
  LATHE_TRY(device.fill(workspace->data(), 0xFF, workspace->size(), stream));
  std::vector<void*> in = bench.in_at;
  for (size_t k = 0; k < in.size(); ++k) {
    if (op.is_constant(static_cast<int>(k)) && ((prepared.plain_constants >> k) & 1) == 0) {
      in[k] = nullptr;
    }
  }
  for (int round = 0; round < 2; ++round) {
    for (TestBuffer& b : bench.out) LATHE_TRY(b.poison(stream));
    LATHE_TRY(prepared.launch({in, bench.out_at, workspace->data()}, stream));
    LATHE_TRY(stream.synchronize());
    std::vector<HostTensor> outputs;
    for (TestBuffer& b : bench.out) {
      LATHE_TRY(b.check_canaries(stream));
      outputs.push_back(LATHE_TRY(b.read(stream)));
    }
    for (const auto& b : bench.in) {
      if (b) LATHE_TRY(b->check_canaries(stream));
    }
    Certificate certificate;
    LATHE_TRY(expected.compare(op, outputs, certificate));
  }
  return {};
}

Status try_one(Device& device, const Tactic& tactic, const OpInstance& op,
               std::span<const HostTensor> inputs, const Expectation& expected,
               TrialCounts& counts) {
  std::unique_ptr<Stream> stream = LATHE_TRY(device.open_stream());
  Bench bench = LATHE_TRY(make_bench(device, *stream, op, inputs));
  std::vector<Config> configs{{}};
  if (tactic.configs != nullptr) configs = tactic.configs(op, device.info());
  for (const Config& config : configs) {
    Packs packs;
    ++counts[std::string(tactic.name)];
    auto attempt = [&]() -> Status {
      auto prepared = LATHE_TRY(load(device, tactic, config, op, inputs, packs));
      return launch_and_compare(device, *stream, *prepared, op, bench, expected);
    };
    LATHE_TRY(attempt().at(fmt::format("{} [{}]: {}", tactic.name, config, op.to_string())));
  }
  return {};
}

}  // namespace

Status try_tactics(Device& device, const OpInstance& op, std::span<const HostTensor> inputs,
                   TrialCounts& counts) {
  std::optional<Expectation> expected;
  for (const Tactic* t : device.tactics()) {
    if (t->op != op.def->name || !t->supports(op, device.info())) continue;
    if (!expected) expected = LATHE_TRY(Expectation::make(op, inputs, kSeed, true));
    LATHE_TRY(try_one(device, *t, op, inputs, *expected, counts));
  }
  return {};
}

std::string reasons(const Device& device, const OpInstance& op) {
  std::string text;
  for (const Tactic* t : device.tactics()) {
    if (t->op != op.def->name) continue;
    const Support s = t->supports(op, device.info());
    text += fmt::format("{}: {}; ", t->name, s ? "yes" : s.why);
  }
  return text;
}

Status try_reference(Device& device, const OpInstance& op, std::span<const HostTensor> inputs) {
  const Expectation expected = LATHE_TRY(Expectation::make(op, inputs, kSeed, true));
  const Tactic& reference = *device.tactics().back();
  if (!reference.supports(op, device.info())) return {};
  TrialCounts counts;
  return try_one(device, reference, op, inputs, expected, counts);
}

OpInstance with_layouts(OpInstance op, Layout in, Layout out) {
  for (size_t k = 0; k < op.in.size(); ++k) {
    const bool weights =
        k > 0 && (op.fusion.empty() || static_cast<int>(k) < op.fusion.anchor_operands);
    if (!op.in[k].absent() && !weights && op.in[k].rank() >= 3) {
      op.in[k].layout = k == 0 ? in : out;
    }
  }
  for (TensorType& t : op.out) {
    if (t.rank() >= 3) t.layout = out;
  }
  return op;
}

OpInstance with_epilogue(OpInstance op, const std::string& text,
                         std::span<const TensorType> extras) {
  op.fusion.anchor_operands = static_cast<int>(op.in.size());
  op.fusion.anchor_in = op.in;
  op.fusion.anchor_out = op.out;
  op.fusion.epilogue = *Expr::parse(text);
  op.in.insert(op.in.end(), extras.begin(), extras.end());
  for (size_t k = 0; k < op.out.size(); ++k) {
    op.out[k].dtype = op.fusion.epilogue.output_type(static_cast<int>(k));
  }
  return op;
}

}  // namespace lathe
