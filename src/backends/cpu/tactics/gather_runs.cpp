// SPDX-License-Identifier: Apache-2.0
// gather_elements, gather_nd: an element by each index, a run of memory by each tuple of them.
#include "backends/cpu/simd/chosen_runs.h"
#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

class PreparedGather : public Prepared {
 public:
  explicit PreparedGather(const OpInstance& op) : runs_(op) {
    workspace_bytes = runs_.table_bytes();
  }

  Status launch(const Buffers& at, Stream&) const override {
    auto* table = static_cast<int64_t*>(at.workspace);
    LATHE_TRY(runs_.find(at.in[1], table));
    runs_.gather(at.in[0], table, at.out[0]);
    return {};
  }

 private:
  ChosenRuns runs_;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return has_plain_rows(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedGather>(context.op));
}

}  // namespace

const Tactic& gather_elements() {
  static constexpr Tactic tactic{
      .name = "gather_elements",
      .op = "GatherElements",
      .doc = "Elements copied from looked-up places.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

const Tactic& gather_nd() {
  static constexpr Tactic tactic{
      .name = "gather_nd",
      .op = "GatherND",
      .doc = "Runs of memory copied from looked-up places.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
