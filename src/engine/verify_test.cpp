// SPDX-License-Identifier: Apache-2.0
// verify(Plan): one test for each lie that a plan may tell.
#include <gtest/gtest.h>

#include "engine/plan_builder.h"

namespace lathe {
namespace {

constexpr std::string_view kRelu = "(a:f32) -> max(a, 0)";
constexpr std::string_view kAdd = "(a:f32, b:f32) -> add(a, b)";

TensorType f32(std::initializer_list<Dim> shape) { return {DType::F32, Shape(shape)}; }

// x [N,4] + const c [4] -> sum -> y, and a view of the sum.
class VerifyPlan : public testing::Test {
 protected:
  VerifyPlan() {
    x = b.input("x", f32({Dim::symbol("N"), 4}));
    c = b.constant("c", HostTensor::of<float>({4}, {1, 2, 3, 4}));
    sum = b.pointwise(kAdd, {x, c});
    y = b.pointwise(kRelu, {sum});
    view = b.tensor("view", f32({Dim::symbol("N") * 4}));
    b.alias(view, sum);
    z = b.pointwise(kRelu, {view});
    b.output("y", y);
    b.output("z", z);
    b.plan.symbols = {{"N", 1, 2, 8}};
    b.plan.steps[1].in_place = {{0, 0}};
  }
  void refused(std::string_view why) {
    const Status s = verify(b.plan);
    ASSERT_FALSE(s.ok());
    EXPECT_NE(s.message().find(why), std::string::npos) << s.message();
  }
  Plan& plan() { return b.plan; }

  PlanBuilder b;
  TensorId x, c, sum, y, view, z;
};

TEST_F(VerifyPlan, AcceptsAGoodPlan) {
  const Status s = verify(plan());
  EXPECT_TRUE(s.ok()) << s.message();
}

TEST_F(VerifyPlan, RefusesTensorsThatDoNotExist) {
  plan().steps[1].in[0] = 99;
  refused("step 'Pointwise_1': operand 0: tensor 99 does not exist");
}
TEST_F(VerifyPlan, RefusesNegativeTensors) {
  plan().steps[1].out[0] = -2;
  refused("tensor -2 does not exist");
}
TEST_F(VerifyPlan, RefusesInputsThatDoNotExist) {
  plan().inputs[0].tensor = 50;
  refused("input 'x': tensor 50 does not exist");
}
TEST_F(VerifyPlan, RefusesOutputsThatDoNotExist) {
  plan().outputs[0].tensor = -1;
  refused("output 'y': tensor -1 does not exist");
}
TEST_F(VerifyPlan, RefusesTensorsWithoutAType) {
  b.at(y).type = {};
  refused("it has no type");
}
TEST_F(VerifyPlan, RefusesConstantsThatDoNotExist) {
  b.at(c).constant = 1;
  refused("constant 1 does not exist");
}
TEST_F(VerifyPlan, RefusesConstantsOfAnotherType) {
  plan().constants[0] = HostTensor::of<float>({2}, {1, 2});
  refused("its constant is of another type");
}
TEST_F(VerifyPlan, RefusesConstantsThatAreAliases) {
  b.alias(c, sum);
  refused("both a constant and an alias");
}
TEST_F(VerifyPlan, RefusesAnInputThatIsAConstant) {
  plan().inputs[0].tensor = c;
  refused("input 'x': it is no tensor of its own");
}
TEST_F(VerifyPlan, RefusesOneTensorAsTwoInputs) {
  plan().inputs.push_back({"again", x});
  refused("input 'again': its tensor is another input, too");
}
TEST_F(VerifyPlan, RefusesSymbolsThatNoInputBinds) {
  b.tensor("loose", f32({Dim::symbol("M")}));
  refused("symbol 'M' is no dimension of an input");
}
TEST_F(VerifyPlan, RefusesConstraintsOnSymbolsThatNoInputBinds) {
  plan().constraints.push_back({Constraint::Kind::Positive, Dim::symbol("K"), 0, ""});
  refused("symbol 'K' is no dimension of an input");
}
TEST_F(VerifyPlan, RefusesRangesUpsideDown) {
  plan().symbols[0].min = 5;
  refused("symbol 'N' has min 5, opt 2, max 8");
}

TEST_F(VerifyPlan, RefusesAliasesOfAnotherElementType) {
  b.at(view).type.dtype = DType::I32;
  refused("its alias has another element type");
}
TEST_F(VerifyPlan, RefusesAliasesOfAnotherSize) {
  b.at(view).type.shape = {Dim::symbol("N") * 5};
  refused("its alias has another number of elements");
}
TEST_F(VerifyPlan, RefusesAliasesWithMorePadding) {
  const TensorId padded =
      b.tensor("padded", {DType::F32, {Dim::symbol("N"), 4, 1}, Layout::Blocked16});
  b.alias(padded, sum);
  refused("its alias is padded in another way");
}
TEST_F(VerifyPlan, RefusesTokensFirstWhereKernelsDoNotKnowIt) {
  TensorType type{DType::F32, {2, 3, 4}, Layout::TokensFirst};
  const TensorId heads = b.input("heads", type), result = b.pointwise(kRelu, {heads});
  b.at(result).type = plan().steps.back().op.out[0] = type;
  refused("f32[2,3,4]@shd is a layout of Attention alone");
}
TEST_F(VerifyPlan, RefusesAliasesThatFormACycle) {
  const TensorId p = b.tensor("p", f32({4})), q = b.tensor("q", f32({4}));
  b.alias(p, q, 0, 0);
  b.alias(q, p, 0, 0);
  refused("form a cycle");
}
TEST_F(VerifyPlan, RefusesTowersOfAliases) {
  TensorId t = sum;
  for (int k = 0; k < 2000; ++k) {
    const TensorId next = b.tensor("v", b.at(sum).type);
    b.alias(next, t);
    t = next;
  }
  refused("nest too deep");
}
TEST_F(VerifyPlan, RefusesPartsThatLeaveTheirWhole) {
  const TensorId part = b.tensor("part", f32({Dim::symbol("N"), 3}));
  b.alias(part, sum, 1, 2);
  refused("may leave the whole");
  b.alias(part, sum, 1, Dim(-1));
  refused("may leave the whole");
}
TEST_F(VerifyPlan, RefusesPartsOfAnotherShape) {
  const TensorId part = b.tensor("part", f32({2, 2}));
  b.alias(part, sum, 1, 0);
  refused("is no part of");
}
TEST_F(VerifyPlan, RefusesViewsOfPartsThatLieInPieces) {
  const TensorId part = b.tensor("part", f32({Dim::symbol("N"), 2}));
  b.alias(part, sum, 1, 0);
  const TensorId flat = b.tensor("flat", f32({Dim::symbol("N") * 2}));
  b.alias(flat, part);
  refused("which lies in pieces");
}
TEST_F(VerifyPlan, RefusesOutputsThatLieInPieces) {
  const TensorId part = b.tensor("part", f32({Dim::symbol("N"), 2}));
  b.alias(part, sum, 1, 0);
  b.output("part", part);
  refused("output 'part' lies in pieces");
}
TEST_F(VerifyPlan, RefusesHostMemoryInACpuPlan) {
  b.at(y).on_host = true;
  refused("the device is the host");
}
TEST_F(VerifyPlan, RefusesHostStepsInACpuPlan) {
  plan().steps[0].on_host = true;
  refused("the device is the host");
}

TEST_F(VerifyPlan, RefusesAStepWithoutAnOperator) {
  plan().steps[0].op.def = nullptr;
  refused("it has no operator");
}
TEST_F(VerifyPlan, RefusesAnotherNumberOfOperands) {
  plan().steps[0].in.push_back(x);
  refused("it has 3 operands and 1 results, its operator 2 and 1");
}
TEST_F(VerifyPlan, RefusesResultTypesThatInferenceDoesNotGive) {
  b.at(y).type.shape = {Dim::symbol("N"), 400};
  plan().steps[1].op.out[0] = b.at(y).type;
  refused("inference gives");
}
TEST_F(VerifyPlan, RefusesTensorsOfAnotherTypeThanTheirOperator) {
  b.at(y).type.shape = {Dim::symbol("N"), 400};
  refused("the operator gives");
}
TEST_F(VerifyPlan, RefusesOperandsOfAnotherType) {
  plan().steps[1].in[0] = view;
  refused("the operator expects");
}
TEST_F(VerifyPlan, RefusesOperandsThatAreMissing) {
  plan().steps[1].in[0] = -1;
  refused("operand 0: it is missing");
}
TEST_F(VerifyPlan, RefusesConstantsThatTheOperatorTakesForActivations) {
  plan().steps[0].op.constant_in = 0;
  refused("disagree on whether it is a constant");
}
TEST_F(VerifyPlan, RefusesReadingBeforeWriting) {
  std::swap(plan().steps[0], plan().steps[1]);
  refused("is read before it is written");
}
TEST_F(VerifyPlan, RefusesOutputsThatNobodyWrites) {
  plan().outputs[1].tensor = b.tensor("nothing", f32({4}));
  refused("output 'z' is never written");
}
TEST_F(VerifyPlan, RefusesWritingTwice) {
  plan().steps[2].out[0] = y;
  plan().steps[2].op = plan().steps[1].op;
  plan().steps[2].in[0] = sum;
  refused("is written twice");
}
TEST_F(VerifyPlan, RefusesWritingAnInput) {
  plan().steps[1].out[0] = x;
  refused("is an input's or a constant's memory");
}
TEST_F(VerifyPlan, RefusesWritingIntoAPartOfAnInput) {
  const TensorId part = b.tensor("part", f32({Dim::symbol("N"), 4}));
  b.alias(part, x, 1, 0);
  plan().steps[1].out[0] = part;
  refused("is an input's or a constant's memory");
}
TEST_F(VerifyPlan, RefusesWritingIntoAPartOfAConstant) {
  const TensorId big = b.constant("big", HostTensor::of<float>({8}, {0, 0, 0, 0, 0, 0, 0, 0}));
  const TensorId part = b.tensor("part", f32({4}));
  b.alias(part, big, 0, 0);
  const TensorId w = b.pointwise(kRelu, {c});
  plan().steps.back().out[0] = part;
  (void)w;
  refused("is an input's or a constant's memory");
}
TEST_F(VerifyPlan, RefusesWritingAView) {
  const TensorId other = b.tensor("other", f32({Dim::symbol("N"), 4}));
  b.alias(other, y);
  plan().steps[2].out[0] = other;
  plan().steps[2].op = plan().steps[1].op;
  plan().steps[2].in[0] = sum;
  refused("is a view");
}
TEST_F(VerifyPlan, RefusesKernelsThatDoNotExist) {
  plan().steps[0].blob = 0;
  refused("kernel 0 does not exist");
}
TEST_F(VerifyPlan, RefusesPairsInPlaceThatDoNotExist) {
  plan().steps[0].in_place = {{0, 2}};
  refused("a pair in place");
  plan().steps[0].in_place = {{-1, 0}};
  refused("a pair in place");
}

// Two halves of a channel Concat, each written by its producer.
class VerifySlices : public testing::Test {
 protected:
  VerifySlices() {
    x = b.input("x", f32({2, 3, 8}));
    whole = b.tensor("whole", f32({2, 6, 8}));
    for (int k = 0; k < 2; ++k) {
      part[k] = b.pointwise(kRelu, {x});
      b.alias(part[k], whole, 1, 3 * k);
      b.plan.steps.back().op.fusion.out_slice = {Slice{1, 3 * k, 6}};
    }
    y = b.pointwise(kRelu, {whole});
    b.output("y", y);
  }
  void refused(std::string_view why) {
    const Status s = verify(b.plan);
    ASSERT_FALSE(s.ok());
    EXPECT_NE(s.message().find(why), std::string::npos) << s.message();
  }
  PlanBuilder b;
  TensorId x, whole, part[2], y;
};

TEST_F(VerifySlices, AcceptsAWholeWhosePartsAreAllWritten) {
  const Status s = verify(b.plan);
  EXPECT_TRUE(s.ok()) << s.message();
}
TEST_F(VerifySlices, AcceptsAWholeWithinAWhole) {
  const TensorId outer = b.tensor("outer", f32({4, 6, 8}));
  const TensorId other = b.pointwise(kRelu, {whole});
  b.alias(whole, outer, 0, 0);
  b.alias(other, outer, 0, 2);
  b.output("outer", outer);
  const Status s = verify(b.plan);
  EXPECT_TRUE(s.ok()) << s.message();
}
TEST_F(VerifySlices, RefusesAWholeWithAGap) {
  b.plan.steps.erase(b.plan.steps.begin());
  refused("tensor 'whole' is read before it is written");
}
TEST_F(VerifySlices, RefusesPartsThatOverlapInsteadOfCovering) {
  b.alias(b.plan.steps[1].out[0], whole, 1, 0);
  b.plan.steps[1].op.fusion.out_slice = {Slice{1, 0, 6}};
  refused("tensor 'whole' is read before it is written");
}
TEST_F(VerifySlices, RefusesASliceOfALargerWholeThanThereIs) {
  b.plan.steps[1].op.fusion.out_slice = {Slice{1, 3, 600}};
  refused("is not the slice that is stated");
}
TEST_F(VerifySlices, RefusesASliceThatStartsElsewhere) {
  b.plan.steps[1].op.fusion.out_slice = {Slice{1, 2, 6}};
  refused("is not the slice that is stated");
}
TEST_F(VerifySlices, RefusesASliceOfATensorThatIsNoPart) {
  b.plan.steps[2].op.fusion.out_slice = {Slice{1, 0, 6}};
  refused("is not the slice that is stated");
}
TEST_F(VerifySlices, RefusesAPartInPiecesThatIsNoSlice) {
  b.plan.steps[1].op.fusion.out_slice.clear();
  refused("lies in pieces");
}
TEST_F(VerifySlices, RefusesWritingTheWholeOverItsParts) {
  const Step& s = b.step("Concat", {x, x}, Attrs().set("axis", int64_t{1}));
  (void)s;
  b.plan.steps.back().out[0] = whole;
  refused("is written twice");
}

TEST(VerifyFusion, RefusesAnAnchorInAnotherLayout) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({1, 4, 8, 8}));
  const TensorId w = b.constant("w", *HostTensor::zeros(f32({4, 4, 1, 1})));
  const Ints ones{1, 1}, none{0, 0, 0, 0};
  Step& s =
      b.step("Conv", {x, w}, Attrs().set("strides", ones).set("dilations", ones).set("pads", none));
  s.op.fusion.anchor_operands = 2;
  s.op.fusion.anchor_in = s.op.in;
  s.op.fusion.anchor_out = s.op.out;
  s.op.fusion.epilogue = *Expr::parse("(a:f32, b:f32) -> max(a, 0)");
  b.output("y", s.out[0]);
  const Status good = verify(b.plan);
  EXPECT_TRUE(good.ok()) << good.message();
  b.plan.steps[0].op.fusion.anchor_out[0].layout = Layout::Blocked16;
  const Status bad = verify(b.plan);
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.message().find("changes its layout"), std::string::npos) << bad.message();
}

}  // namespace
}  // namespace lathe
