// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small plans for tests, one step a line.
//
//   PlanBuilder b;
//   TensorId x = b.input("x", {DType::F32, {Dim::symbol("N"), 8}});
//   b.output("y", b.pointwise("(a:f32) -> max(a, 0)", {x}));
#include <initializer_list>
#include <string>
#include <utility>

#include "engine/plan.h"

namespace lathe {

struct PlanBuilder {
  Plan plan;

  PlanTensor& at(TensorId t) { return plan.tensors[static_cast<size_t>(t)]; }

  TensorId tensor(std::string name, TensorType type) {
    PlanTensor t;
    t.name = std::move(name);
    t.type = std::move(type);
    plan.tensors.push_back(std::move(t));
    return static_cast<TensorId>(plan.tensors.size() - 1);
  }
  TensorId input(std::string name, TensorType type) {
    const TensorId t = tensor(name, std::move(type));
    plan.inputs.push_back({std::move(name), t});
    return t;
  }
  TensorId constant(std::string name, HostTensor value) {
    const TensorId t = tensor(std::move(name), value.type());
    at(t).constant = static_cast<int32_t>(plan.constants.size());
    plan.constants.push_back(std::move(value));
    return t;
  }
  void output(std::string name, TensorId t) { plan.outputs.push_back({std::move(name), t}); }

  // A step for the operator; its results are new tensors. LATHE_CHECKs that inference agrees.
  Step& step(std::string_view op, std::initializer_list<TensorId> in, Attrs attrs = {}) {
    Step s;
    std::vector<TensorType> types;
    for (TensorId t : in) types.push_back(at(t).type);
    Result<Inferred> inferred = infer(*find_op(op), std::move(types), std::move(attrs));
    LATHE_CHECK(inferred.ok());
    s.op = std::move(inferred->op);
    s.in = in;
    s.name = fmt::format("{}_{}", op, plan.steps.size());
    s.tactic = "reference";
    for (size_t k = 0; k < s.in.size(); ++k) {
      if (at(s.in[k]).constant >= 0) s.op.constant_in |= uint64_t{1} << k;
    }
    for (const TensorType& t : s.op.out)
      s.out.push_back(tensor(fmt::format("{}.{}", s.name, s.out.size()), t));
    plan.steps.push_back(std::move(s));
    return plan.steps.back();
  }
  static Expr expression(std::string_view text) {
    Result<Expr> e = Expr::parse(text);
    LATHE_CHECK(e.ok());
    return *std::move(e);
  }
  TensorId pointwise(std::string_view expr, std::initializer_list<TensorId> in) {
    return step("Pointwise", in, Attrs().set("expr", expression(expr))).out[0];
  }
  // The tensor as the same bytes of another, or as a part of it along `axis`.
  void alias(TensorId t, TensorId of, int axis = -1, Dim start = 0) {
    at(t).alias_of = of;
    at(t).alias_axis = axis;
    at(t).alias_start = std::move(start);
  }
};

}  // namespace lathe
