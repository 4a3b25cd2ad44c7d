// SPDX-License-Identifier: Apache-2.0
#pragma once
// The stages between the optimized graph and the finished plan, in the order that compile() runs
// them. Each edits the plan in place and leaves it sound: verify(Plan) holds after every one.
#include "compiler/compiler.h"
#include "compiler/plan_edit.h"

namespace lathe {

// What every stage may ask.
struct Stage {
  const CompileDevices& devices;
  const CompileOptions& options;
  Tuner& tuner;
  const Bindings& point;  // the sizes that are tuned
  const Progress& progress;
};

// A step, at the tuned point, as a link of a chain to be timed.
inline Chain::Link link_of(const Plan& plan, const Step& step, OpInstance at) {
  return {std::move(at),
          {step.in.begin(), step.in.end()},
          {step.out.begin(), step.out.end()},
          constants_of(plan, step)};
}

// Whether the first of two chains runs as fast as the second. A tie goes to it, the form of fewer
// steps, which moves less memory once nothing is in cache. Appends to `why` where it does not:
// "`refused`: 2.0 us `first`, 1.0 us `second`; ".
struct ChainWords {
  std::string_view refused, first, second;
};
bool is_as_fast(const Stage& stage, std::span<const Chain> chains, const ChainWords& words,
                std::string& why);

// Custom operators that are data, as the operators of their twins.
Status expand_twins(Graph& graph);
// One step for each node, nothing chosen yet.
Result<Plan> lower(const Graph& graph, const CompileOptions& options);
// The tuned value of each symbol; constraints hold there.
Result<Bindings> tuned_point(const Plan& plan);

// FP16 or BF16 storage around the operators that gain from it, casts at the borders.
Status narrow_types(Plan& plan, const Stage& stage);
// Pointwise steps into anchors' epilogues and prologues where the fused chain runs faster, and
// into each other.
Status fuse(Plan& plan, const Stage& stage);
// ChannelsLast or RowMajor for every tensor, with as few conversions as possible.
Status assign_layouts(Plan& plan, const Stage& stage);
// Q, K, V and the result of an attention lie as the products around it write and read them, where
// the chain runs faster so: no transposes.
Status place_heads(Plan& plan, const Stage& stage);
// Steps that only rename bytes, alone or in a row, become aliases: reshapes, transposes between a
// convolution's NHWC and the graph's own channels-last, dense parts.
Status make_views(Plan& plan, const Stage& stage);
// Operands of a Concat written, results of a Slice read where they lie in the larger tensor, where
// the chain runs faster so.
Status place_parts(Plan& plan, const Stage& stage);
// Says of every pair of neighbours that stayed two steps why, where fuse() did not.
void explain_neighbours(Plan& plan, bool fuse);
// A tactic for each step.
Status choose_tactics(Plan& plan, const Stage& stage);
// The plan with its weights packed for the tuned sizes.
Result<std::shared_ptr<LoadedEngine>> open_prepared(const Plan& plan, const Stage& stage);
// The whole engine, opened of this plan, against the unfused FP32 chain on seeded inputs.
Status certify(Plan& plan, const std::shared_ptr<LoadedEngine>& engine, const Plan& unfused,
               const Stage& stage);

}  // namespace lathe
