// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ops/op.h"

namespace lathe {
namespace {

Status infer_sum(InferContext& c) {
  Shape shape = LATHE_TRY(c.broadcast(c.shape(0), c.shape(1)));
  if (c.has(2)) LATHE_TRY(c.require_equal(c.shape(2)[0], shape[0], "rows of bias"));
  c.add(c.dtype(0), shape);
  return {};
}
Status reference_nothing(const RefArgs&) { return {}; }

constexpr AttrDef kInferTestAttrs[] = {{"axis", AttrKind::Int, "", ""},
                                       {"mode", AttrKind::Text, "fast", ""}};
constexpr OpDef kSum{.name = "Sum",
                     .doc = "",
                     .operands = "x y [bias]",
                     .attrs = kInferTestAttrs,
                     .infer = infer_sum,
                     .reference = reference_nothing};
constexpr OpDef kMany{.name = "Many",
                      .doc = "",
                      .operands = "x...",
                      .infer = [](InferContext& c) -> Status {
                        c.add(c.dtype(0), c.shape(0));
                        return {};
                      },
                      .reference = reference_nothing};

const Dim kN = Dim::symbol("N"), kM = Dim::symbol("M");
TensorType f32(Shape shape) { return {DType::F32, std::move(shape)}; }
Attrs axis() { return std::move(Attrs().set("axis", int64_t{1})); }

std::string message(const OpDef& def, std::vector<TensorType> in, Attrs attrs) {
  return infer(def, std::move(in), std::move(attrs)).status().message();
}

TEST(Infer, ChecksTheNumberOfOperands) {
  EXPECT_EQ(message(kSum, {f32({1})}, axis()), "Sum: expected 2 to 3 operands (x y [bias]), got 1");
  EXPECT_EQ(message(kMany, {}, {}), "Many: expected 1 or more operands (x...), got 0");
  EXPECT_EQ(message(kSum, {f32({1}), TensorType()}, axis()), "Sum: operand y is missing");
  EXPECT_EQ(message(kMany, {f32({1}), TensorType()}, {}), "Many: operand x is missing");
  EXPECT_TRUE(infer(kSum, {f32({1}), f32({1}), TensorType()}, axis()).ok());
  EXPECT_TRUE(infer(kMany, {f32({1}), f32({1}), f32({1})}, {}).ok());
}

TEST(Infer, ChecksAndCompletesAttributes) {
  EXPECT_EQ(message(kSum, {f32({1}), f32({1})}, {}), "Sum: attribute 'axis' is missing");
  EXPECT_EQ(message(kSum, {f32({1}), f32({1})}, axis().set("size", 1.0)),
            "Sum: unknown attribute 'size'");
  EXPECT_EQ(message(kSum, {f32({1}), f32({1})}, Attrs().set("axis", 1.0)),
            "Sum: attribute 'axis' must be an integer, not a number");
  EXPECT_EQ(infer(kSum, {f32({1}), f32({1})}, axis())->op.attrs.text("mode"), "fast");
}

TEST(Infer, RefusesSizesThatNothingCanHold) {
  EXPECT_EQ(message(kMany, {f32({-1})}, {}), "Many: operand x has a negative size: f32[-1]");
  EXPECT_FALSE(infer(kMany, {f32({int64_t{1} << 40, int64_t{1} << 40})}, {}).ok());
}

TEST(Infer, RefusesArithmeticThatOverflowed) {
  Dim huge = Dim(INT64_MAX) + Dim(1);
  EXPECT_EQ(message(kMany, {f32({huge, kN})}, {}), "Many: " + huge.evaluate({}).status().message());
}

TEST(Infer, RecordsWhatItCannotProve) {
  auto inferred = infer(kSum, {f32({kN, 3}), f32({kM, 3}), f32({7})}, axis());
  ASSERT_TRUE(inferred.ok()) << inferred.status().message();
  ASSERT_EQ(inferred->constraints.size(), 2u);
  const Constraint& broadcast = inferred->constraints[0];
  EXPECT_TRUE(broadcast.check({{"N", 4}, {"M", 1}}).ok());
  EXPECT_EQ(broadcast.check({{"N", 4}, {"M", 2}}).message(),
            "dimensions: N = 4 and M = 2 do not broadcast");
  EXPECT_EQ(inferred->constraints[1].message, "rows of bias");
}

TEST(Infer, RefutesWhatCannotHold) {
  EXPECT_EQ(message(kSum, {f32({4}), f32({4}), f32({5})}, axis()),
            "Sum: rows of bias: 5 and 4 must be equal");
  EXPECT_EQ(message(kSum, {f32({kN + 1}), f32({kN + 1}), f32({kN})}, axis()),
            "Sum: rows of bias: N and N + 1 must be equal");
}

TEST(Constraint, SaysValuesAndExpressions) {
  Constraint equal{Constraint::Kind::Equal, kN * 2, 8, "node 'a' (Conv): channels"};
  EXPECT_TRUE(equal.check({{"N", 4}}).ok());
  EXPECT_EQ(equal.check({{"N", 3}}).message(),
            "node 'a' (Conv): channels: 2*N = 6 and 8 must be equal");
  Constraint positive{Constraint::Kind::Positive, kN - 2, {}, "height"};
  EXPECT_EQ(positive.check({{"N", 2}}).message(), "height: N - 2 = 0 must be positive");
  Constraint nonnegative{Constraint::Kind::Nonnegative, kN - 2, {}, "height"};
  EXPECT_TRUE(nonnegative.check({{"N", 2}}).ok());
  EXPECT_FALSE(nonnegative.check({{"N", 1}}).ok());
}

TEST(OpInstance, PrintsTypesAttributesAndConstants) {
  OpInstance op = infer(kSum, {f32({kN, 3}), f32({3})}, axis())->op;
  op.constant_in = 2;
  EXPECT_EQ(op.to_string(), "Sum{axis=1, mode=\"fast\"}(f32[N,3], const f32[3]) -> (f32[N,3])");
  EXPECT_FALSE(op.is_concrete());
}

TEST(OpInstance, EvaluatesAndInfersAnew) {
  OpInstance op = infer(kSum, {f32({kN, 3}), f32({kM, 3})}, axis())->op;
  Result<OpInstance> ok = op.evaluate({{"N", 1}, {"M", 5}});
  ASSERT_TRUE(ok.ok()) << ok.status().message();
  EXPECT_TRUE(ok->is_concrete());
  EXPECT_EQ(ok->out[0].to_string(), "f32[5,3]");
  EXPECT_FALSE(op.evaluate({{"N", 2}, {"M", 5}}).ok());
  EXPECT_FALSE(op.evaluate({{"N", 2}}).ok());
}

// Contents through Pointwise: what exporters compute shapes with.
class PointwiseContents : public testing::Test {
 protected:
  // The printed contents of output 0, or "unknown".
  static std::string contents(std::string_view expr, std::vector<Contents> operands) {
    Attrs attrs;
    attrs.set("expr", *Expr::parse(expr));
    std::vector<TensorType> in;
    std::vector<std::optional<Contents>> known;
    for (Contents& c : operands) {
      DType type = attrs.expr("expr").inputs()[in.size()];
      in.push_back({type, {static_cast<int64_t>(c.size())}});
      known.emplace_back(std::move(c));
    }
    Result<Inferred> r = infer(*find_op("Pointwise"), std::move(in), attrs, known);
    if (!r.ok()) return r.status().message();
    if (!r->contents[0]) return "unknown";
    std::string out;
    for (const Dim& d : *r->contents[0]) out += (out.empty() ? "" : ", ") + d.to_string();
    return out;
  }
};

TEST_F(PointwiseContents, FollowIntegerArithmetic) {
  EXPECT_EQ(contents("(a:i64, b:i64) -> add(a, b)", {{kN, 3}, {1, kM}}), "N + 1, M + 3");
  EXPECT_EQ(contents("(a:i64, b:i64) -> mul(a, b)", {{kN, 3}, {2}}), "2*N, 6");
  EXPECT_EQ(contents("(a:i64) -> div(a, 2:i64)", {{kN, 7, -7}}), "floordiv(N, 2), 3, -3");
  EXPECT_EQ(contents("(a:i64) -> div(sub(a, 3:i64), 2:i64)", {{kN}}), "truncdiv(N - 3, 2)");
  EXPECT_EQ(contents("(a:i64, b:i64) -> div(a, b)", {{6}, {kN}}), "floordiv(6, max(1, N))");
  EXPECT_EQ(contents("(a:i64) -> div(mul(a, 4:i64), 4:i64)", {{kN}}), "N");
  EXPECT_EQ(contents("(a:i64, b:i64) -> sub(a, b)", {{kN}, {kN}}), "0");
  EXPECT_EQ(contents("(a:i32) -> add(a, 1:i32)", {{INT32_MAX}}), std::to_string(INT32_MIN));
}

TEST_F(PointwiseContents, FollowDecidableComparisons) {
  constexpr std::string_view kWhere = "(a:i64, b:i64) -> select(eq(a, -1:i64), b, a)";
  EXPECT_EQ(contents(kWhere, {{-1, 5, kN}, {7, 8, 9}}), "7, 5, N");
  EXPECT_EQ(contents("(a:i64) -> cast(gt(a, -1:i64), i64)", {{kN}}), "1");
  EXPECT_EQ(contents("(a:i64) -> cast(eq(a, 3:i64), i64)", {{kN}}), "unknown");
  EXPECT_EQ(contents("(a:i64) -> eq(a, 3:i64)", {{3, 4}}), "1, 0");
}

TEST_F(PointwiseContents, FollowSizesThroughFloats) {
  EXPECT_EQ(contents("(a:i64) -> cast(floor(mul(cast(a, f32), 2)), i64)", {{kN, 5}}), "2*N, 10");
  EXPECT_EQ(contents("(a:i64) -> cast(floor(mul(cast(a, f32), 0.5)), i64)", {{5}}), "2");
  EXPECT_EQ(contents("(a:i64) -> cast(a, f32)", {{kN, 5}}), "N, 5");
  EXPECT_EQ(contents("(a:f32) -> mul(a, 0.5)", {{5}}), "unknown");
}

TEST_F(PointwiseContents, StopWhereTheValueIsInDoubt) {
  EXPECT_EQ(contents("(a:i64) -> cast(a, i8)", {{kN}}), "unknown");                // may wrap
  EXPECT_EQ(contents("(a:i64, b:i64) -> div(a, b)", {{6}, {kN - 1}}), "unknown");  // what sign
  EXPECT_EQ(contents("(a:u64, b:u64) -> sub(a, b)", {{kN}, {kM}}), "unknown");
}

}  // namespace
}  // namespace lathe
