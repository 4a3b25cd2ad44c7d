// SPDX-License-Identifier: Apache-2.0
// scatter_elements, scatter_nd: a copy, in place where it may be, and what each index says.
#include "backends/cpu/simd/chosen_runs.h"
#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

class PreparedScatter : public Prepared {
 public:
  explicit PreparedScatter(const OpInstance& op) : runs_(op) {
    workspace_bytes = runs_.table_bytes();
    CopyPlan::Sides all{{op.in[0].shape.elements()}, {1}, {1}};
    all.bytes = bits(op.in[0].dtype) / 8;
    copy_ = CopyPlan(std::move(all));
  }

  Status launch(const Buffers& at, Stream&) const override {
    auto* table = static_cast<int64_t*>(at.workspace);
    LATHE_TRY(runs_.find(at.in[1], table));
    if (at.out[0] != at.in[0]) copy_.run(at.out[0], at.in[0]);
    runs_.scatter(at.in[2], table, at.out[0]);
    return {};
  }

 private:
  ChosenRuns runs_;
  CopyPlan copy_;
};

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (op.attrs.text("reduction") != "none")
    return Support::no("updates replace, nothing is reduced");
  return has_plain_rows(op);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedScatter>(context.op));
}

bool may_alias(const OpInstance&, int in, int out) { return in == 0 && out == 0; }

}  // namespace

const Tactic& scatter_elements() {
  static constexpr Tactic tactic{
      .name = "scatter_elements",
      .op = "ScatterElements",
      .doc = "Elements copied to looked-up places in order; in place where it may be.",
      .supports = supports,
      .load = load,
      .may_alias = may_alias,
  };
  return tactic;
}

const Tactic& scatter_nd() {
  static constexpr Tactic tactic{
      .name = "scatter_nd",
      .op = "ScatterND",
      .doc = "Runs of memory copied to looked-up places in order; in place where it may be.",
      .supports = supports,
      .load = load,
      .may_alias = may_alias,
  };
  return tactic;
}

}  // namespace lathe::cpu
