// SPDX-License-Identifier: Apache-2.0
// Custom: an operator that a user defines, as data or by a plugin (docs/custom_operators.md).
#include "custom/library.h"
#include "ops/op.h"
#include "ops/plugin_problem.h"
#include "ops/program.h"
#include "ops/signature.h"

namespace lathe {
namespace {

Status infer_custom(InferContext& c) {
  const Signature s = LATHE_TRY(Signature::parse(c.attrs.text("signature")));
  std::vector<Signature::Equality> equal;
  const DimMap values = LATHE_TRY(s.match(c.in, &equal));
  for (const Signature::Equality& e : equal) LATHE_TRY(c.require_equal(e.have, e.want, e.what));
  for (TensorType& t : s.results(values)) c.add(t.dtype, std::move(t.shape));
  return {};
}

bool has_twin(const OpInstance& op) {
  const bool by_plugin = op.plugin != nullptr && op.plugin->op->reference != nullptr;
  return by_plugin || !op.attrs.text("twin").empty();
}

Status run_plugin(const RefArgs& a) {
  PluginProblem problem = LATHE_TRY(PluginProblem::make(a.op));
  problem.make_row_major();
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const HostTensor& t : a.in) in.push_back(t.bytes().data());
  for (HostTensor& t : a.out) out.push_back(t.mutable_bytes().data());
  const LatheBuffers at{in.data(), out.data(), nullptr, nullptr};
  TextSink error;
  Status s = error.call(
      [&](LatheText* text) { return a.op.plugin->op->reference(problem.get(), &at, text); });
  return s.ok() ? s : std::move(s).at(fmt::format("plugin {}", a.op.plugin->library->identity()));
}

Status run_twin(const RefArgs& a) {
  const Signature s = LATHE_TRY(Signature::parse(a.op.attrs.text("signature")));
  const Program twin =
      LATHE_TRY(Program::parse(a.op.attrs.text("twin"), static_cast<int>(s.in.size())));
  std::vector<Signature::Equality> ignored;  // inference demanded them
  Bindings sizes;
  for (const auto& [name, d] : LATHE_TRY(s.match(a.op.in, &ignored))) sizes[name] = d.value();
  std::vector<HostTensor> out = LATHE_TRY(twin.run(a.in, sizes));
  if (out.size() != a.out.size())
    return invalid("the twin gives {} results, the signature says {}", out.size(), a.out.size());
  for (size_t k = 0; k < out.size(); ++k) {
    if (out[k].type() != a.out[k].type())
      return invalid("the twin's result {} is {}, the signature says {}", k,
                     out[k].type().to_string(), a.out[k].type().to_string());
    a.out[k] = std::move(out[k]);
  }
  return {};
}

Status reference_custom(const RefArgs& a) {
  const std::string& name = a.op.attrs.text("name");
  if (!has_twin(a.op)) return unsupported("{} has no CPU twin", name);
  Status s = a.op.attrs.text("twin").empty() ? run_plugin(a) : run_twin(a);
  if (!s.ok()) return std::move(s).at(name);
  if (a.magnitude == nullptr) return {};
  for (int64_t i = 0; i < a.magnitude->elements(); ++i)
    a.magnitude->set_f64(i, std::abs(a.out[0].get_f64(i)));
  return {};
}

constexpr AttrDef kCustomAttrs[] = {
    {"name", AttrKind::Text, "", "\"com.acme::Scale\", the model's name for it"},
    {"signature", AttrKind::Text, "", "\"(x: f32[N,C]) -> (y: f32[N,2*C])\": shape inference"},
    {"plugin", AttrKind::Text, "\"\"", "\"acme_ops 1.2.0\": the plugin that brings its code"},
    {"fields", AttrKind::Text, "\"\"", "what the plugin reads, \"{alpha=0.5, mode=\\\"x\\\"}\""},
    {"twin", AttrKind::Text, "\"\"", "the same in Lathe's operators, one a line"},
    {"cuda", AttrKind::Text, "\"\"", "CUDA C++ source of a kernel"},
    {"kernel", AttrKind::Text, "\"\"", "the kernel's name"},
    {"grid", AttrKind::Text, "\"\"", "\"ceildiv(N*C, 256), 1, 1\": blocks, of sizes"},
    {"block", AttrKind::Text, "\"\"", "threads of a block"},
    {"shared", AttrKind::Text, "\"0\"", "bytes of dynamic shared memory"},
    {"arguments", AttrKind::Text, "\"\"", "64-bit integers behind the pointers"},
    {"tolerance", AttrKind::Float, "16", "units in the last place of the largest |result|"},
};

}  // namespace

const OpDef& op_custom() {
  static constexpr OpDef def{
      .name = "Custom",
      .doc =
          "What a user's operator computes: its twin says, or its plugin. Types and shapes are "
          "those "
          "of the signature, whose symbols stand for the operands' sizes. See "
          "docs/custom_operators.md.",
      .operands = "x...",
      .results = "y...",
      .attrs = kCustomAttrs,
      .flags = kOpaque,
      .tolerance = {16, "the instance's attribute says what its author allows"},
      .infer = infer_custom,
      .reference = reference_custom,
      .has_reference = has_twin,
  };
  return def;
}

}  // namespace lathe
