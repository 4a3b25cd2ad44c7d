// SPDX-License-Identifier: Apache-2.0
#pragma once
// A Custom instance as its plugin sees it (include/lathe/plugin.h): fields, types, sizes.
//
//   PluginProblem problem = LATHE_TRY(PluginProblem::make(op));
//   tactic.launch(state, problem.get(), &buffers, sink.get());
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "custom/library.h"
#include "ops/op.h"

namespace lathe {

// Fields as a schema; the texts are the library's.
std::vector<AttrDef> fields_of(const LatheOperator& op);
// The fields given, checked against the schema, with defaults filled in.
Result<Attrs> complete_fields(const LatheOperator& op, Attrs given);
// What the plugin says of these operands, by types and ranks alone.
Result<std::string> plugin_signature(const PluginOperator& plugin, const Attrs& fields,
                                     std::span<const TensorType> operands);

class PluginProblem {
 public:
  // Of a concrete instance that is bound to its plugin. `constants` by operand, empty: unknown.
  static Result<PluginProblem> make(const OpInstance& op,
                                    std::span<const HostTensor> constants = {});
  static Result<PluginProblem> of_ranks(const Attrs& fields, const LatheOperator& op,
                                        std::span<const TensorType> operands);
  PluginProblem(PluginProblem&&) noexcept = default;
  PluginProblem(const PluginProblem&) = delete;

  LatheProblem device = {};  // device, compute_capability and threads: the caller's to set
  // Valid as long as this problem, wherever it moves.
  const LatheProblem* get();
  const LatheProblem* get() const { return &device; }
  void make_row_major();  // for the reference, whose tensors are, whatever the instance's are
  void forget_constants();

 private:
  PluginProblem() = default;
  Status add_fields(const LatheOperator& op);
  Status add_tensors(std::span<const TensorType> types, bool with_sizes,
                     std::vector<LatheTensor>& into);

  Attrs fields_;  // what the values point into
  std::vector<LatheValue> values_;
  std::deque<std::vector<int64_t>> sizes_;
  std::vector<LatheTensor> operands_, results_;
};

}  // namespace lathe
