// SPDX-License-Identifier: Apache-2.0
// Every operator's cases on every tactic of the CPU, in every layout that the tactic takes.
#include "ops/cases.h"

#include <gtest/gtest.h>

#include "backends/cpu/cpu_device.h"
#include "trial.h"

namespace lathe {
namespace {

std::vector<Case> cases_of(const OpDef& def) {
  Result<std::vector<Case>> cases = load_cases(def, LATHE_SOURCE_DIR "/src/ops");
  EXPECT_TRUE(cases.ok()) << cases.status().message();
  return cases.ok() ? *cases : std::vector<Case>{};
}

bool has_layouts(const OpInstance& op) {
  return !op.in.empty() && !op.in[0].absent() && op.in[0].rank() >= 3 && op.out[0].rank() >= 3 &&
         is_computable(op.in[0].dtype) && is_computable(op.out[0].dtype);
}

bool takes_epilogue(const OpInstance& op) {
  return !op.def->is("Pointwise") && !op.def->is("Reorder") && op.out.size() == 1 &&
         op.out[0].dtype == DType::F32 && !op.in.empty() && op.out[0].shape.elements() > 0;
}

// The case as it stands, then with constant weights, then in the other layouts, and each again with
// an activation behind it.
std::vector<OpInstance> variants(const OpInstance& op) {
  std::vector<OpInstance> all{op};
  if (op.def->is("Reorder")) return all;
  if (op.in.size() > 1) {
    all.push_back(op);
    all.back().constant_in = ((uint64_t{1} << op.in.size()) - 1) & ~uint64_t{1};
    for (size_t k = 0; k < op.in.size(); ++k) {
      if (op.in[k].absent()) all.back().constant_in &= ~(uint64_t{1} << k);
    }
  }
  if (has_layouts(op)) {
    constexpr std::pair<Layout, Layout> kLayouts[] = {{Layout::ChannelsLast, Layout::ChannelsLast},
                                                      {Layout::RowMajor, Layout::ChannelsLast},
                                                      {Layout::Blocked16, Layout::Blocked16}};
    const OpInstance base = all.back();
    for (const auto& [in, out] : kLayouts) all.push_back(with_layouts(base, in, out));
  }
  if (!takes_epilogue(op)) return all;
  for (size_t k = 0, count = all.size(); k < count; ++k) {
    all.push_back(with_epilogue(all[k], "(a:f32) -> mul(a, sigmoid(a))", {}));
  }
  return all;
}

TEST(Conformance, EveryTacticAgreesWithTheReferenceOnEveryCase) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  TrialCounts counts;
  for (const OpDef* def : all_ops()) {
    for (const Case& c : cases_of(*def)) {
      if (!c.error.empty() || !c.regions.empty()) continue;  // no tactic runs graphs
      Result<OpInstance> op = instance_of(c);
      ASSERT_TRUE(op.ok()) << c.where();
      Result<std::vector<HostTensor>> inputs = inputs_of(c, *op);
      ASSERT_TRUE(inputs.ok()) << c.where();
      for (const OpInstance& v : variants(*op)) {
        const Status s = try_tactics(*cpu, v, *inputs, counts);
        EXPECT_TRUE(s.ok()) << c.where() << "\n  " << s.message();
      }
    }
  }
  for (const Tactic* t : cpu->tactics()) {
    if (t->op == "*") continue;
    if (t->name == "plugin") continue;  // no case has a plugin behind it: tests/custom
    // oneDNN's Winograd exists for AVX-512 alone, and no longer in version 3.
    const bool winograd =
        cpu->info().has("avx512") && cpu->info().libraries.starts_with("onednn 2");
    if (t->name == "winograd_nhwc" && !winograd) continue;
    if (t->name.starts_with("tile_") && !cpu->info().has("bf16")) continue;
    EXPECT_GT(counts[std::string(t->name)], 0) << t->name << " took no case";
  }
}

TEST(Conformance, TheReferenceTacticConvertsLayouts) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  for (const char* name : {"Conv", "Pool", "Pointwise", "Softmax", "MatMul"}) {
    for (const Case& c : cases_of(*find_op(name))) {
      if (!c.error.empty()) continue;
      Result<OpInstance> op = instance_of(c);
      Result<std::vector<HostTensor>> inputs = inputs_of(c, *op);
      for (const OpInstance& v : variants(*op)) {
        const Status s = try_reference(*cpu, v, *inputs);
        EXPECT_TRUE(s.ok()) << c.where() << "\n  " << s.message();
      }
    }
  }
}

}  // namespace
}  // namespace lathe
