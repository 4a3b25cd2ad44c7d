// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/prologue_rows.h"

#include "backends/cpu/gemm/gemm_epilogue.h"
#include "backends/cpu/simd/expr_kernel.h"

namespace lathe::cpu {
namespace {

class PrologueRows : public RowSource {
 public:
  PrologueRows(const OpInstance& op, const GemmProblem& problem)
      : kernel_(op.fusion.prologue[0]),
        places_(problem.prologue),
        own_(static_cast<size_t>(op.fusion.anchor_operands)) {}

  void gather(const Buffers& at, const Part& part, void* to) const override {
    Rows in[kMaxGemmOperands];
    for (size_t k = 0; k < places_.size(); ++k) {
      if (!kernel_.reads(static_cast<int>(k))) continue;
      const MatrixPlace& p = places_[k];
      void* base = at.in[k == 0 ? 0 : own_ + k - 1];
      in[k] = {element(base, p, part.group, part.first, part.column), p.column, p.row};
    }
    const Rows out{to, 1, part.pitch};
    kernel_.run({in, places_.size()}, {&out, 1}, part.rows, part.columns);
  }

 private:
  ExprKernel kernel_;
  std::vector<MatrixPlace> places_;
  size_t own_;
};

}  // namespace

std::shared_ptr<const RowSource> prologue_rows(const OpInstance& op, const GemmProblem& problem) {
  return std::make_shared<PrologueRows>(op, problem);
}

}  // namespace lathe::cpu
