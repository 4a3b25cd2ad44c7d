// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "base/math.h"
#include "engine/engine_generated.h"
#include "engine/sections.h"

namespace lathe {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
template <class T>
using List = Offset<flatbuffers::Vector<Offset<T>>>;
using Text = Offset<flatbuffers::String>;

class Writer {
  Text text(const std::string& s) { return b_.CreateSharedString(s); }

  template <class T, class F>
  auto list(const std::vector<T>& items, F&& make) {
    std::vector<decltype(make(items[0]))> made;
    made.reserve(items.size());
    for (const T& item : items) made.push_back(make(item));
    return b_.CreateVector(made);
  }

  std::pair<uint64_t, uint64_t> append(Section section, std::span<const std::byte> bytes) {
    std::vector<std::byte>& into = sections_[static_cast<size_t>(section)];
    into.resize(round_up(into.size(), kSectionAlign));
    const uint64_t offset = into.size();
    into.insert(into.end(), bytes.begin(), bytes.end());
    return {offset, bytes.size()};
  }

  auto ports(const std::vector<PlanPort>& items) -> List<lathe_fb::Port> {
    return list(
        items, [&](const PlanPort& p) { return lathe_fb::CreatePort(b_, text(p.name), p.tensor); });
  }
  auto types(const std::vector<TensorType>& items) {
    return list(items, [&](const TensorType& t) { return text(t.to_string()); });
  }
  auto slices(const std::vector<std::optional<Slice>>& items) -> List<lathe_fb::Slice> {
    return list(items, [&](const std::optional<Slice>& s) {
      return s ? lathe_fb::CreateSlice(b_, s->axis, text(s->start.to_string()),
                                       text(s->whole.to_string()))
               : lathe_fb::CreateSlice(b_);
    });
  }

  Offset<lathe_fb::Tensor> tensor(const PlanTensor& t) {
    return lathe_fb::CreateTensor(b_, text(t.name), text(t.type.to_string()), t.on_host, t.constant,
                                  t.alias_of, t.alias_axis, text(t.alias_start.to_string()));
  }

  Offset<lathe_fb::Fusion> fusion(const Fusion& f) {
    const auto in = types(f.anchor_in), out = types(f.anchor_out);
    const auto prologue =
        list(f.prologue, [&](const Expr& e) { return text(e.empty() ? "" : e.to_string()); });
    const auto epilogue = text(f.epilogue.empty() ? "" : f.epilogue.to_string());
    const auto in_slice = slices(f.in_slice), out_slice = slices(f.out_slice);
    return lathe_fb::CreateFusion(b_, in, out, prologue, epilogue, in_slice, out_slice);
  }

  Offset<lathe_fb::Certificate> certificate(const Certificate& c) {
    const auto rejected = list(c.rejected, [&](const std::string& s) { return text(s); });
    return lathe_fb::CreateCertificate(b_, c.checked, c.max_error, c.bound_used, c.elements,
                                       rejected);
  }

  Offset<lathe_fb::Step> step(const Step& s) {
    std::vector<int8_t> pairs;
    for (const auto& [o, i] : s.in_place) pairs.insert(pairs.end(), {o, i});
    const auto name = text(s.name), op = text(std::string(s.op.def->name)),
               attrs = text(s.op.attrs.to_string());
    const auto in_types = types(s.op.in), out_types = types(s.op.out);
    const bool fused = !s.op.fusion.empty() || s.op.fusion.sliced();
    const auto fusion_at = fused ? fusion(s.op.fusion) : Offset<lathe_fb::Fusion>();
    const auto in = b_.CreateVector(s.in), out = b_.CreateVector(s.out);
    const auto tactic = text(s.tactic), config = text(s.config), why = text(s.why);
    const auto in_place = b_.CreateVector(pairs);
    const auto proof = certificate(s.certificate);
    return lathe_fb::CreateStep(b_, name, op, in_types, out_types, attrs, fusion_at,
                                s.op.constant_in, in, out, s.on_host, tactic, config, s.blob,
                                in_place, s.seconds, s.measured, why, proof);
  }

  // Where each constant lies. Small ones (biases, scales) are read where they are in every run:
  // side by side they keep few pages of a mapped file in memory, between large ones a piece of
  // each.
  std::vector<uint64_t> place(const std::vector<HostTensor>& constants) {
    constexpr size_t kSmall = 64 << 10;
    std::vector<uint64_t> offsets(constants.size());
    for (const bool small : {true, false}) {
      for (size_t k = 0; k < constants.size(); ++k) {
        if ((constants[k].bytes().size() <= kSmall) != small) continue;
        offsets[k] = append(Section::Weights, constants[k].bytes()).first;
      }
    }
    return offsets;
  }

 public:
  std::array<std::vector<std::byte>, kSections> run(const Plan& plan) {
    const std::vector<uint64_t> offsets = place(plan.constants);
    auto offset = offsets.begin();
    const auto constants = list(plan.constants, [&](const HostTensor& t) {
      return lathe_fb::CreatePart(b_, text(t.type().to_string()), *offset++, t.bytes().size());
    });
    const auto blobs = list(plan.blobs, [&](const std::vector<std::byte>& blob) {
      const auto [offset, bytes] = append(Section::Kernels, blob);
      return lathe_fb::CreatePart(b_, 0, offset, bytes);
    });
    const auto inputs = ports(plan.inputs), outputs = ports(plan.outputs);
    const auto symbols = list(plan.symbols, [&](const SymbolRange& s) {
      return lathe_fb::CreateSymbol(b_, text(s.name), s.min, s.opt, s.max);
    });
    const auto constraints = list(plan.constraints, [&](const Constraint& c) {
      return lathe_fb::CreateConstraint(b_, static_cast<uint8_t>(c.kind), text(c.a.to_string()),
                                        text(c.b.to_string()), text(c.message));
    });
    const auto tensors = list(plan.tensors, [&](const PlanTensor& t) { return tensor(t); });
    const auto steps = list(plan.steps, [&](const Step& s) { return step(s); });
    const auto model = text(plan.model), key = text(plan.device_key), options = text(plan.options),
               graph = text(plan.graph);
    const auto errors = b_.CreateVector(plan.end_to_end);
    lathe_fb::PlanBuilder p(b_);
    p.add_model(model);
    p.add_device_key(key);
    p.add_device(static_cast<uint8_t>(plan.device));
    p.add_options(options);
    p.add_inputs(inputs);
    p.add_outputs(outputs);
    p.add_symbols(symbols);
    p.add_constraints(constraints);
    p.add_tensors(tensors);
    p.add_steps(steps);
    p.add_constants(constants);
    p.add_blobs(blobs);
    p.add_nodes_in_model(plan.nodes_in_model);
    p.add_end_to_end(errors);
    p.add_graph(graph);
    b_.Finish(p.Finish());
    const auto* data = reinterpret_cast<const std::byte*>(b_.GetBufferPointer());
    sections_[0].assign(data, data + b_.GetSize());
    return std::move(sections_);
  }

 private:
  FlatBufferBuilder b_;
  std::array<std::vector<std::byte>, kSections> sections_;
};

}  // namespace

Result<std::vector<std::byte>> write_engine(const Plan& plan) {
  for (const HostTensor& t : plan.constants) {
    if (t.dtype() == DType::String) return unsupported("constants of strings are not written yet");
  }
  return frame(Writer().run(plan));
}

}  // namespace lathe
