// SPDX-License-Identifier: Apache-2.0
#pragma once
// Matrix products in f32 by our own kernels, with everything around them: rows that are gathered
// (windows of a picture) or made by a prologue, constant weights packed once, bias and epilogue
// while a block of the result is in cache. Tactics state a GemmProblem; this runs it.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/gemm/panel_weights.h"
#include "device/tactic.h"

namespace lathe::cpu {

// Where element (group, row, column) of a matrix lies: strides in elements, 0 repeats.
struct MatrixPlace {
  int64_t group = 0, row = 0, column = 0, bytes = 4;
};

// Rows of the left operand that do not lie in memory as they are needed. Immutable.
class RowSource {
 public:
  struct Part {
    int64_t group, first, rows;  // rows [first, first + rows) of the group
    int64_t column, columns;     // and of each these columns
    int64_t pitch;               // elements from row to row of what is written
  };
  virtual ~RowSource() = default;
  // Writes rows x columns elements of the problem's type.
  virtual void gather(const Buffers& at, const Part& part, void* to) const = 0;
};

struct GemmProblem {
  DType type = DType::F32;
  std::string why;  // not empty: the instance is none
  int64_t groups = 1, rows = 0, columns = 0, depth = 0;
  MatrixPlace a;  // operand 0, where there is no source
  std::shared_ptr<const RowSource> source;
  std::vector<MatrixPlace> prologue;  // inputs of operand 0's prologue, where it has one
  std::vector<int64_t> weight_rows;   // see WeightsView
  int64_t weight_step = 1;
  bool has_bias = false;            // operand 2: `columns` floats
  std::vector<MatrixPlace> extras;  // operands behind the anchor's, then operand 0
  std::vector<MatrixPlace> out;

  bool ok() const { return why.empty(); }
  // Groups that follow each other everywhere as rows do become rows.
  void join_groups();
};

// Places operand `k`, of the instance, as rows of the result or, for prologues, of operand 0.
// False: its rows do not follow each other evenly.
using PlaceOperand = std::function<bool(size_t k, bool in_result, MatrixPlace& into)>;
// Fills `extras` and `prologue` with what the expressions read; why not, or empty.
std::string place_operands(const OpInstance& op, const PlaceOperand& place, GemmProblem& p);

constexpr size_t kMaxGemmOperands = 16;
// What every product of ours, of operands of this type, asks of an instance; empty: nothing is
// wrong.
std::string refuse_gemm(const OpInstance& op, DType type);

std::vector<Config> gemm_configs(const GemmProblem& problem, const DeviceInfo& device);
Result<std::unique_ptr<Prepared>> load_gemm(const LoadContext& context, GemmProblem problem);

}  // namespace lathe::cpu
