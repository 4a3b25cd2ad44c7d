// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "ops/elementwise.h"
#include "ops/op.h"
#include "ops/op_common.h"

namespace lathe {
namespace {

// Row sums in double with their magnitude: an anchor that needs no other file.
Status infer_rows(InferContext& c) {
  c.add(c.dtype(0), {c.shape(0)[0], 1});
  return {};
}
Status reference_rows(const RefArgs& args) {
  int64_t width = args.op.in[0].shape[1].value();
  for_each(args.box, [&](const int64_t* c, int64_t at) {
    double sum = 0, terms = 0;
    for (int64_t k = 0; k < width; ++k) {
      double v = args.in[0].get_f64(c[0] * width + k);
      sum += v;
      terms += std::fabs(v);
    }
    args.out[0].set_f64(at, sum);
    if (args.magnitude != nullptr) args.magnitude->set_f64(at, terms);
  });
  return {};
}
constexpr OpDef kRows{
    .name = "Rows", .doc = "", .operands = "x", .infer = infer_rows, .reference = reference_rows};
constexpr OpDef kRowsWithoutBoxes{.name = "Rows",
                                  .doc = "",
                                  .operands = "x",
                                  .flags = kNone,
                                  .infer = infer_rows,
                                  .reference = reference_rows};

Expr parsed(std::string_view text) { return *Expr::parse(text); }

// Outputs (rows(-x) + e) * 2 and rows(-x).
OpInstance fused(const OpDef& def) {
  TensorType x{DType::F32, {3, 2}}, y{DType::F32, {3, 1}}, e{DType::F32, {1}};
  OpInstance op{.def = &def, .in = {x, e}, .out = {y, y}, .attrs = {}, .fusion = {}};
  op.fusion.anchor_operands = 1;
  op.fusion.anchor_in = {x};
  op.fusion.anchor_out = {y};
  op.fusion.prologue = {parsed("(a:f32, b:f32) -> neg(a)")};
  op.fusion.epilogue = parsed("(a:f32, b:f32, c:f32) -> mul(add(a, b), 2), a");
  return op;
}

const HostTensor kX = HostTensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
const HostTensor kE = HostTensor::of<float>({1}, {10});

TEST(Reference, RunsPrologueAnchorAndEpilogue) {
  HostTensor in[] = {kX, kE};
  auto out = run_reference(fused(kRows), in);
  ASSERT_TRUE(out.ok()) << out.status().message();
  EXPECT_EQ((*out)[0].to_f64(), (std::vector<double>{14, 6, -2}));
  EXPECT_EQ((*out)[1].to_f64(), (std::vector<double>{-3, -7, -11}));
}

TEST(Reference, ABoxIsAPartOfTheWhole) {
  HostTensor in[] = {kX, kE};
  Box box{{1, 0}, {3, 1}};
  for (const OpDef* def : {&kRows, &kRowsWithoutBoxes}) {
    auto part = run_reference_box(fused(*def), in, box);
    ASSERT_TRUE(part.ok()) << part.status().message();
    EXPECT_EQ(part->value.to_f64(), (std::vector<double>{6, -2}));
  }
  EXPECT_FALSE(run_reference_box(fused(kRows), in, Box{{1, 0}, {4, 1}}).ok());
}

TEST(Reference, MagnitudeGrowsThroughTheEpilogue) {
  HostTensor in[] = {kX, kE};
  auto part = run_reference_box(fused(kRows), in, Box::whole({3, 1}));
  ASSERT_TRUE(part.ok());
  // Twice the sum's terms at least, and not a multiple of them.
  std::vector<double> m = part->magnitude.to_f64();
  EXPECT_GE(m[2], 2 * 11);
  EXPECT_LE(m[2], 6 * 11);
}

TEST(Reference, TheLastEpilogueInputIsOperandZeroAfterItsPrologue) {
  TensorType x{DType::F32, {4}};
  Attrs attrs;
  attrs.set("expr", parsed("(a:f32) -> mul(a, a)"));
  OpInstance op{.def = find_op("Pointwise"), .in = {x}, .out = {x}, .attrs = attrs, .fusion = {}};
  op.fusion.anchor_operands = 1;
  op.fusion.anchor_in = op.fusion.anchor_out = {x};
  op.fusion.prologue = {parsed("(a:f32) -> add(a, 1)")};
  op.fusion.epilogue = parsed("(a:f32, b:f32) -> add(a, b)");
  HostTensor in[] = {HostTensor::of<float>({4}, {0, 1, 2, 3})};
  auto out = run_reference(op, in);
  ASSERT_TRUE(out.ok()) << out.status().message();
  EXPECT_EQ((*out)[0].to_f64(), (std::vector<double>{2, 6, 12, 20}));
}

TEST(Reference, RefusesTensorsOfOtherTypes) {
  HostTensor short_x[] = {HostTensor::of<float>({1, 2}, {1, 2}), kE};
  EXPECT_EQ(run_reference(fused(kRows), short_x).status().message(),
            "Rows: operand 0 must be f32[3,2], not f32[1,2]");
  HostTensor one[] = {kX};
  EXPECT_EQ(run_reference(fused(kRows), one).status().message(),
            "Rows: expected 2 operands, got 1");
}

TEST(Reference, RefusesAnEpilogueThatReadsWhatIsNotThere) {
  OpInstance op = fused(kRows);
  op.fusion.epilogue = parsed("(a:f32, b:f32, c:f32) -> c, a");  // operand 0 has another shape
  HostTensor in[] = {kX, kE};
  EXPECT_EQ(run_reference(op, in).status().message(),
            "Rows: the expression reads input 2, which is absent");
}

double magnitude_of(std::string_view expr, float a, float b) {
  Attrs attrs;
  attrs.set("expr", parsed(expr));
  TensorType t{DType::F32, {1}};
  OpInstance op = infer(*find_op("Pointwise"), {t, t}, attrs)->op;
  HostTensor in[] = {HostTensor::of<float>({1}, {a}), HostTensor::of<float>({1}, {b})};
  return run_reference_box(op, in, Box::whole({1}))->magnitude.to_f64()[0];
}

TEST(Magnitude, SeesCancellationInsideAnExpression) {
  // The product is rounded at 1e6, whatever is left of it.
  EXPECT_GE(magnitude_of("(a:f32, b:f32) -> sub(mul(a, a), b)", 1000.1f, 1000200.0f), 1e6);
  EXPECT_EQ(magnitude_of("(a:f32, b:f32) -> max(a, b)", 3, 4), 0);
  EXPECT_LE(magnitude_of("(a:f32, b:f32) -> add(a, b)", 1, 2), 3.001);
  EXPECT_EQ(magnitude_of("(a:f32, b:f32) -> div(a, b)", NAN, 2), 0);
}

TEST(Cut, TakesTheBox) {
  EXPECT_EQ(cut(kX, Box{{1, 1}, {3, 2}})->to_f64(), (std::vector<double>{4, 6}));
}

TEST(Cost, CountsFusedInstructionsAndBytes) {
  Cost cost = cost_of(fused(kRows));
  EXPECT_EQ(cost.flops, 3 + 6 + 2 * 3);  // rows, neg, add and mul
  EXPECT_EQ(cost.bytes, 4 * (6 + 1 + 3 + 3));
}

}  // namespace
}  // namespace lathe
