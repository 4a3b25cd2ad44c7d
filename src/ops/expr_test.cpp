// SPDX-License-Identifier: Apache-2.0
#include "ops/expr.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "ops/expr_eval.h"

namespace lathe {
namespace {

using Values = std::vector<ScalarBits>;

ScalarBits real(double v) {
  ScalarBits b;
  b.f = v;
  return b;
}
ScalarBits whole(int64_t v) {
  ScalarBits b;
  b.i = v;
  return b;
}

Expr parsed(std::string_view text) {
  Result<Expr> e = Expr::parse(text);
  EXPECT_TRUE(e.ok()) << text << ": " << e.status().message();
  return e.ok() ? *e : Expr();
}

ScalarBits run(const Expr& e, Values in) {
  Values out(e.outputs().size());
  evaluate(e, in, out);
  return out[0];
}

// Bits equal, or both NaN.
bool same(DType type, ScalarBits a, ScalarBits b) {
  if (!is_float(type)) return a.i == b.i;
  return (std::isnan(a.f) && std::isnan(b.f)) ||
         std::bit_cast<uint64_t>(a.f) == std::bit_cast<uint64_t>(b.f);
}

std::string message(std::string_view text) { return Expr::parse(text).status().message(); }

TEST(ExprText, PrintsWhatItParsed) {
  for (std::string_view text : {
           "(a:f32, b:f32) -> mul(a, sigmoid(add(a, b)))",
           "(a:f32) -> let t = exp(a) in add(t, t)",
           "(a:f32) -> let t = exp(a) in let t1 = log(t) in mul(t, t1), t1",
           "(a:f32) -> add(mul(a, 2), exp(a)), a",
           "(a:i64, b:bool) -> select(b, a, -3:i64)",
           "(a:f16) -> add(a, 1.5:f16)",
           "(a:f32) -> max(a, -inf)",
           "(a:f64) -> add(a, nan:f64)",
           "(a:f32) -> add(a, -0)",
           "(a:u64) -> bitand(a, 18446744073709551615:u64)",
           "(a:f32) -> cast_sat(cast(a, i32), i8)",
           "(a:bool) -> xor(a, true)",
           "(a:f32) -> mul(a, 1e-05)",
           "() -> 3:i8",
       }) {
    EXPECT_EQ(parsed(text).to_string(), text);
  }
}

TEST(ExprText, ReadsNamesOfTheReadersChoice) {
  EXPECT_EQ(parsed("(x:f32, bias:f32) -> let s = add(x, bias) in mul(s, tanh(s))").to_string(),
            "(a:f32, b:f32) -> let t = add(a, b) in mul(t, tanh(t))");
}

TEST(ExprText, NamesInputsBeyondZ) {
  std::string text = "(";
  for (int k = 0; k < 28; ++k) text += (k > 0 ? ", x" : "x") + std::to_string(k) + ":f32";
  std::string printed = parsed(text + ") -> let s = add(x26, x27) in mul(s, s)").to_string();
  EXPECT_TRUE(printed.ends_with("z:f32, a1:f32, b1:f32) -> let tt = add(a1, b1) in mul(tt, tt)"))
      << printed;
}

TEST(ExprText, RefusesNonsenseWithAReason) {
  EXPECT_EQ(message("(a:f32) -> foo(a)"), "expression: expected a known name at 'foo(a)'");
  EXPECT_EQ(message("(a:f32) -> add(a)"), "expression: expected , at ')'");
  EXPECT_EQ(message("(a:f32, b:i32) -> add(a, b)"), "add: arguments differ in type: f32 and i32");
  EXPECT_EQ(message("(a:bool) -> exp(a)"), "exp is not defined for bool");
  EXPECT_EQ(message("(a:i32) -> add(a, 300:i8)"), "expression: 300 is out of range for i8");
  EXPECT_EQ(message("(a:f32, a:f32) -> a"), "expression: 'a' is defined twice");
  EXPECT_EQ(message("(a:string) -> a"), "expression: string is not a type to compute with");
  EXPECT_EQ(message("(a:f32) -> a a"), "expression: expected the end at 'a'");
  EXPECT_FALSE(Expr::parse("").ok());
  EXPECT_FALSE(Expr::parse("(a:f32) -> ").ok());
}

TEST(ExprText, RefusesDepthThatWouldOverflowAStack) {
  std::string text = "(a:f32) -> ";
  for (int k = 0; k < 100000; ++k) text += "neg(";
  EXPECT_EQ(message(text), "expression: more than 2048 instructions");
}

TEST(ExprBuilder, MakesEqualNodesOnce) {
  Expr e({DType::F32});
  int a = e.input(0);
  EXPECT_EQ(e.call(ScalarOp::Exp, {a}), e.call(ScalarOp::Exp, {a}));
  EXPECT_EQ(e.literal(DType::F32, std::nan("")), e.literal(DType::F32, -std::nan("")));
  EXPECT_NE(e.literal(DType::F32, 0.0), e.literal(DType::F32, -0.0));
  EXPECT_EQ(e.cast(a, DType::F32), a);
}

TEST(ExprBuilder, CanonicalOrderDoesNotDependOnTheOrderOfBuilding) {
  Expr e({DType::F32, DType::F32});
  int b = e.input(1), unread = e.literal(DType::F32, 7), a = e.input(0);
  (void)unread;
  e.output(e.call(ScalarOp::Sub, {a, b}));
  EXPECT_EQ(e.canonical(), parsed("(a:f32, b:f32) -> sub(a, b)"));
  EXPECT_EQ(e.to_string(), "(a:f32, b:f32) -> sub(a, b)");
}

TEST(ExprRewrite, InlinesAnArgument) {
  Expr outer = parsed("(a:f32, b:f32, c:f32) -> add(mul(a, b), c)");
  Expr inner = parsed("(a:f32, b:f32) -> exp(sub(a, b))");
  EXPECT_EQ(outer.inlined(1, inner).to_string(),
            "(a:f32, b:f32, c:f32, d:f32) -> add(mul(a, exp(sub(c, d))), b)");
}

TEST(ExprRewrite, RenumbersAndMergesInputs) {
  Expr e = parsed("(a:f32, b:f32) -> sub(a, b)");
  const int same_input[] = {0, 0}, swapped[] = {1, 0};
  EXPECT_EQ(e.with_inputs(same_input, {DType::F32}).to_string(), "(a:f32) -> sub(a, a)");
  EXPECT_EQ(e.with_inputs(swapped, {DType::F32, DType::F32}).to_string(),
            "(a:f32, b:f32) -> sub(b, a)");
}

TEST(ExprRewrite, KnowsTheIdentity) {
  EXPECT_TRUE(parsed("(a:f32, b:f32) -> a").is_identity());
  EXPECT_FALSE(parsed("(a:f32, b:f32) -> b").is_identity());
  EXPECT_FALSE(parsed("(a:f32) -> a, a").is_identity());
}

TEST(ExprSimplified, DropsWhatChangesNoBit) {
  auto simple = [](std::string_view text) { return parsed(text).simplified().to_string(); };
  EXPECT_EQ(simple("(a:f32) -> mul(a, add(0.5, 0.5))"), "(a:f32) -> a");
  EXPECT_EQ(simple("(a:i32) -> add(a, 0:i32)"), "(a:i32) -> a");
  EXPECT_EQ(simple("(a:f32) -> neg(neg(a))"), "(a:f32) -> a");
  EXPECT_EQ(simple("(a:f16) -> cast(cast(a, f32), f16)"), "(a:f16) -> a");
  EXPECT_EQ(simple("(a:i32) -> cast(cast(a, i64), i8)"), "(a:i32) -> cast(a, i8)");
  EXPECT_EQ(simple("(a:f32) -> select(lt(1, 2), exp(a), a)"), "(a:f32) -> exp(a)");
}

TEST(ExprSimplified, KeepsWhatWouldChangeABit) {
  for (std::string_view text : {
           "(a:f32) -> add(a, 0)",                // -0 + 0 is 0
           "(a:f32) -> sub(a, a)",                // inf, nan
           "(a:f32) -> mul(a, 0)",                // inf, nan, -0
           "(a:f32) -> cast(cast(a, f16), f32)",  // rounds
           "(a:i32) -> cast(cast(a, f32), i32)",  // rounds
           "(a:i16) -> cast(cast(a, f32), i8)",   // floats saturate, integers wrap
       }) {
    EXPECT_EQ(parsed(text).simplified().to_string(), text);
  }
}

TEST(ExprVerify, RefusesBrokenNodes) {
  EXPECT_TRUE(parsed("(a:f32) -> exp(a)").verify().ok());
  Expr e({DType::F32});
  e.output(3);
  EXPECT_FALSE(e.verify().ok());
}

TEST(ExprEvaluate, RoundsAfterEveryInstruction) {
  Expr half = parsed("(a:f16, b:f16) -> sub(add(a, b), a)");
  EXPECT_EQ(run(half, {real(2048), real(1)}).f, 0);  // 2049 is no f16
  Expr brain = parsed("(a:bf16) -> add(a, 1:bf16)");
  EXPECT_EQ(run(brain, {real(256)}).f, 256);
  Expr single = parsed("(a:f32) -> div(a, 3)");
  EXPECT_EQ(run(single, {real(1)}).f, static_cast<double>(1.0f / 3.0f));
  EXPECT_EQ(run(parsed("(a:f64) -> div(a, 3:f64)"), {real(1)}).f, 1.0 / 3.0);
}

TEST(ExprEvaluate, IntegersWrapInTheirWidth) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(run(parsed("(a:i64) -> neg(a)"), {whole(kMin)}).i, kMin);
  EXPECT_EQ(run(parsed("(a:i64) -> div(a, -1:i64)"), {whole(kMin)}).i, kMin);
  EXPECT_EQ(run(parsed("(a:i64) -> mod(a, -1:i64)"), {whole(kMin)}).i, 0);
  EXPECT_EQ(run(parsed("(a:u8) -> add(a, 1:u8)"), {whole(255)}).i, 0);
  EXPECT_EQ(run(parsed("(a:i32) -> mul(a, a)"), {whole(65536)}).i, 0);
  EXPECT_EQ(run(parsed("(a:u64) -> div(a, 2:u64)"), {whole(-1)}).i, INT64_MAX);
  EXPECT_EQ(run(parsed("(a:u64) -> cast(a, f64)"), {whole(-1)}).f, 0x1p64);
}

TEST(ExprEvaluate, FloatsSaturateOnTheWayToIntegers) {
  auto cast = [](std::string_view to, double v) {
    return run(parsed(fmt::format("(a:f64) -> cast(a, {})", to)), {real(v)}).i;
  };
  EXPECT_EQ(cast("i64", 1e300), INT64_MAX);
  EXPECT_EQ(cast("i64", -1e300), INT64_MIN);
  EXPECT_EQ(cast("u64", 1e300), -1);
  EXPECT_EQ(cast("u64", 0x1p63), INT64_MIN);
  EXPECT_EQ(cast("u32", -5), 0);
  EXPECT_EQ(cast("i32", -2147483648.9), INT32_MIN);
  EXPECT_EQ(cast("i16", std::nan("")), 0);
}

// Random expressions over every type.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  Expr make() {
    std::vector<DType> inputs;
    for (int k = 0; k < 3; ++k) inputs.push_back(any_type());
    Expr e(inputs);
    std::vector<int> nodes;
    for (int k = 0; k < 3; ++k) nodes.push_back(e.input(k));
    for (int k = 0; k < 14; ++k) nodes.push_back(grow(e, nodes));
    e.output(nodes.back());
    e.output(nodes[nodes.size() - 2]);
    return e;
  }

  ScalarBits value(DType type) {
    static constexpr double kReals[] = {0.0,   -0.0,  1,     -1,    0.5, 3.7,
                                        -2.25, 1e-40, 65504, -1e30, 3e38};
    if (!is_float(type)) {
      static constexpr int64_t kWholes[] = {0,    1,   -1,        2,         7,
                                            -128, 127, INT32_MIN, INT64_MIN, INT64_MAX};
      return whole(
          wrap_to(type, pick(3) == 0 ? static_cast<int64_t>(random_()) : kWholes[pick(10)]));
    }
    if (pick(8) == 0) return real(std::nan(""));
    if (pick(8) == 0) return real(pick(2) == 0 ? INFINITY : -INFINITY);
    return real(round_to(type, kReals[pick(11)]));
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  DType any_type() {
    static constexpr DType kTypes[] = {DType::F32, DType::F16, DType::BF16, DType::F64,
                                       DType::I8,  DType::I32, DType::I64,  DType::U8,
                                       DType::U64, DType::Bool};
    return kTypes[pick(10)];
  }
  int literal(Expr& e, DType type) {
    ScalarBits v = value(type);
    return is_float(type) ? e.literal(type, v.f) : e.literal_int(type, v.i);
  }
  int grow(Expr& e, const std::vector<int>& nodes) {
    int a = nodes[static_cast<size_t>(pick(static_cast<int>(nodes.size())))];
    DType type = e.nodes()[static_cast<size_t>(a)].dtype;
    if (pick(4) == 0) return e.cast(a, any_type(), pick(2) == 0);
    for (int tries = 0; tries < 50; ++tries) {
      auto op = static_cast<ScalarOp>(static_cast<int>(ScalarOp::Add) +
                                      pick(static_cast<int>(ScalarOp::Select) - 3));
      int b = pick(2) == 0 ? literal(e, type) : a;
      for (int n : nodes) {
        if (pick(3) == 0 && e.nodes()[static_cast<size_t>(n)].dtype == type) b = n;
      }
      if (op == ScalarOp::Select) return e.call(op, {literal(e, DType::Bool), a, b});
      std::vector<DType> types(static_cast<size_t>(arity(op)), type);
      if (!result_type(op, types).ok()) continue;
      return arity(op) == 1 ? e.call(op, {a}) : e.call(op, {a, b});
    }
    return a;
  }

  std::mt19937 random_;
};

TEST(ExprProperty, RewritesKeepEveryBit) {
  for (unsigned seed = 0; seed < 1500; ++seed) {
    Generator generator(seed);
    Expr e = generator.make();
    ASSERT_TRUE(e.verify().ok()) << e.verify().message();
    Expr simple = e.simplified(), again = parsed(e.to_string());
    ASSERT_TRUE(simple.verify().ok());
    ASSERT_EQ(again, e.canonical()) << e.to_string();
    ASSERT_EQ(again.to_string(), e.to_string());
    ASSERT_EQ(simple.canonical(), simple);
    for (int trial = 0; trial < 20; ++trial) {
      Values in, expected(2), got(2);
      for (DType t : e.inputs()) in.push_back(generator.value(t));
      evaluate(e, in, expected);
      for (const Expr* other : {&simple, &again}) {
        evaluate(*other, in, got);
        for (int k = 0; k < 2; ++k) {
          size_t i = static_cast<size_t>(k);
          ASSERT_TRUE(same(e.output_type(k), got[i], expected[i])) << e.to_string() << "\n"
                                                                   << other->to_string();
        }
      }
    }
  }
}

}  // namespace
}  // namespace lathe
