// SPDX-License-Identifier: Apache-2.0
#pragma once
// Operators without operands: their reference runs at load, a launch copies its result.
#include <cstring>

#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {

class PreparedConstant : public Prepared {
 public:
  explicit PreparedConstant(const OpInstance& op) {
    OpInstance dense = op;
    dense.out[0].layout = Layout::RowMajor;
    dense.fusion = {};
    if (Result<std::vector<HostTensor>> r = run_reference(dense, {}); r.ok()) value_ = (*r)[0];
    CopyPlan::Sides s{op.out[0].shape.sizes(), result_strides(op, 0), strides(dense.out[0])};
    s.bytes = bits(op.out[0].dtype) / 8;
    copy_ = CopyPlan(std::move(s));
  }
  Status launch(const Buffers& at, Stream&) const override {
    if (value_.empty()) return internal("the reference failed at load");
    copy_.run(at.out[0], value_.bytes().data());
    return {};
  }

 private:
  HostTensor value_;
  CopyPlan copy_;
};

// A large result is cheaper to compute than to hold.
inline Support constant_support(const OpInstance& op) {
  if (op.out[0].shape.elements() > (1 << 20)) return Support::no("more than a million elements");
  return movable(op);
}

}  // namespace lathe::cpu
