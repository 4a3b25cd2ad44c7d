// SPDX-License-Identifier: Apache-2.0
#include "tensor/dim.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/math.h"
#include "base/random.h"
#include "tensor/dim_truncate.h"

namespace lathe {
namespace {

const Dim n = Dim::symbol("N");
const Dim m = Dim::symbol("M");
const Dim h = Dim::symbol("H");

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
constexpr int64_t kSmallest = std::numeric_limits<int64_t>::min();

TEST(Dim, PolynomialsAreEqualHoweverTheyWereBuilt) {
  EXPECT_EQ((n + 1) * 2, 2 * n + 2);
  EXPECT_EQ((n + m) * (n - m), n * n - m * m);
  EXPECT_EQ(n - n, Dim(0));
  EXPECT_FALSE(n == m);
  EXPECT_FALSE(n == Dim(1));
  EXPECT_EQ((n * 3).evaluate({{"N", 5}}).ok() ? *(n * 3).evaluate({{"N", 5}}) : -1, 15);
}

TEST(Dim, DivisionTakesOutWhatDividesExactly) {
  EXPECT_EQ(Dim::floor_div(4 * n + 8, 4), n + 2);
  EXPECT_EQ(Dim::floor_div(4 * n + 3, 4), n);
  EXPECT_EQ(Dim::floor_div(4 * n - 1, 4), n - 1);
  EXPECT_EQ(Dim::floor_div(4 * n + h, 4), n + Dim::floor_div(h, 4));
  EXPECT_EQ(Dim::floor_div(6 * n * h, 2 * n), 3 * h);
  EXPECT_EQ(Dim::floor_div(n * h + m, n), h + Dim::floor_div(m, n));
  EXPECT_EQ(Dim::floor_div((n + 1) * (h + 2), n + 1), h + 2);
  EXPECT_EQ(Dim::floor_div(2 * n, 4), Dim::floor_div(n, 2));
  EXPECT_EQ(Dim::floor_div(2 * n + 1, 4), Dim::floor_div(n, 2));
  EXPECT_EQ(Dim::floor_div(n, -2), Dim(0) - Dim::ceil_div(n, 2));
}

TEST(Dim, TruncatingDivisionIsTheFloorWhereThatIsProved) {
  EXPECT_EQ(trunc_div(n + 3, 2), Dim::floor_div(n + 3, 2));
  EXPECT_EQ(trunc_div(Dim(0) - n, 2), Dim(0) - Dim::floor_div(n, 2));
  EXPECT_EQ(trunc_div(4 * n - 8, 4), n - 2);
  EXPECT_EQ(trunc_div(n - 3, -2), Dim(0) - trunc_div(n - 3, 2));
  EXPECT_EQ(trunc_div(n - 3, 2).to_string(), "truncdiv(N - 3, 2)");
  EXPECT_TRUE((trunc_div(n - 3, 4) + 1).provably_positive());
  for (int64_t v : {0, 1, 2, 3, 9}) {
    EXPECT_EQ(*trunc_div(n - 3, 2).evaluate({{"N", v}}), (v - 3) / 2);
    EXPECT_EQ(*trunc_div(Dim(3), n - 2).evaluate({{"N", v == 2 ? 4 : v}}),
              3 / ((v == 2 ? 4 : v) - 2));
  }
}

TEST(Dim, TruncatingDivisionsBecomeFloorsOfWhatIsNotNegative) {
  std::vector<Dim> numerators;
  const Dim half = trunc_div(h - 1, 2);
  const Dim sizes = with_floors(n * (trunc_div(half - 1, 2) + 1), numerators);
  EXPECT_EQ(sizes, n * Dim::floor_div(h + 1, 4));
  EXPECT_EQ(numerators, (std::vector<Dim>{h - 1, Dim::floor_div(h - 1, 2) - 1}));
  const Dim clipped = Dim::max(trunc_div(h - 5, 2), 0);
  EXPECT_EQ(with_floors(clipped, numerators), clipped);
}

TEST(Dim, RemainderDropsWhatDividesExactly) {
  EXPECT_EQ(Dim::mod(4 * n + 3, 4), Dim(3));
  EXPECT_EQ(Dim::mod(4 * n, 4), Dim(0));
  EXPECT_EQ(Dim::mod(5 * n, 4), Dim::mod(n, 4));
  EXPECT_EQ(Dim::mod(2 * n + 1, 4), 2 * Dim::mod(n, 2) + 1);
  EXPECT_EQ(Dim::mod(n * h, n), Dim(0));
  EXPECT_EQ(Dim::mod(Dim::mod(n, 4), 8), Dim::mod(n, 4));
}

TEST(Dim, ConvolutionSizesHaveOneSpelling) {
  Dim half = Dim::floor_div(h - 1, 2) + 1;
  EXPECT_EQ(half, Dim::floor_div(h + 1, 2));
  EXPECT_EQ(half, Dim::ceil_div(h, 2));
  EXPECT_EQ(half, Dim::floor_div(h + 2 * 3 - 7, 2) + 1);
  EXPECT_EQ(half, Dim(0) - Dim::floor_div(Dim(0) - h, 2));
  EXPECT_EQ(Dim::floor_div(half - 1, 2) + 1, Dim::floor_div(h + 3, 4));
  EXPECT_EQ(Dim::floor_div(Dim::floor_div(h, 2), 3), Dim::floor_div(h, 6));
  EXPECT_EQ(Dim::floor_div(Dim::floor_div(h, 2) * 2 + 2, 2), Dim::floor_div(h, 2) + 1);
}

TEST(Dim, MinAndMaxResolveWhatIsOrdered) {
  EXPECT_EQ(Dim::max(n, n + 3), n + 3);
  EXPECT_EQ(Dim::min(n, n + 3), n);
  EXPECT_EQ(Dim::max(n, n), n);
  EXPECT_EQ(Dim::max(n, 0), n);
  EXPECT_EQ(Dim::min(n, -1), Dim(-1));
  EXPECT_EQ(Dim::max(n, m), Dim::max(m, n));
  EXPECT_EQ(Dim::max(Dim::max(n, m), h), Dim::max(n, Dim::max(h, m)));
  EXPECT_EQ(Dim::max(Dim::max(n, m), n + m), n + m);
}

TEST(Dim, BroadcastFollowsNumPy) {
  EXPECT_EQ(Dim::broadcast(n, 1), n);
  EXPECT_EQ(Dim::broadcast(1, n), n);
  EXPECT_EQ(Dim::broadcast(n, n), n);
  EXPECT_EQ(Dim::broadcast(n, 5), Dim(5));
  EXPECT_EQ(Dim::broadcast(5, n), Dim(5));
  EXPECT_EQ(Dim::broadcast(n, 0), Dim(0));
  EXPECT_EQ(Dim::broadcast(n, m + 2), m + 2);
  EXPECT_EQ(Dim::broadcast(Dim::broadcast(n, m), n), Dim::broadcast(m, n));
}

TEST(Dim, ProvesSigns) {
  EXPECT_TRUE((n + 1).provably_positive());
  EXPECT_FALSE(n.provably_positive());
  EXPECT_TRUE(n.provably_nonnegative());
  EXPECT_FALSE((n - 1).provably_nonnegative());
  EXPECT_TRUE((n * h + 2 * m).provably_nonnegative());
  EXPECT_TRUE((Dim::floor_div(h - 1, 2) + 1).provably_nonnegative());
  EXPECT_TRUE((Dim::mod(n - h, 4) + 1).provably_positive());
  EXPECT_TRUE(Dim::max(n - h, 1).provably_positive());
  EXPECT_TRUE((4 - Dim::mod(n, 4)).provably_positive());
}

TEST(Dim, DividesExactlyOrSaysNo) {
  EXPECT_EQ(*(6 * n * h).exact_div(2 * n), 3 * h);
  EXPECT_EQ(*(n * n - 1).exact_div(n + 1), n - 1);
  EXPECT_FALSE((n + 1).exact_div(2).has_value());
  EXPECT_FALSE((n + h).exact_div(n).has_value());
  EXPECT_EQ(*Dim(0).exact_div(n), Dim(0));
  EXPECT_FALSE(n.exact_div(0).has_value());
}

TEST(Dim, OverflowIsAnErrorWhenEvaluatedAndNeverAConstant) {
  Dim huge = Dim(int64_t{1} << 62) * 4;
  EXPECT_FALSE(huge.is_constant());
  EXPECT_FALSE(huge.provably_nonnegative());
  EXPECT_FALSE(huge.evaluate({}).ok());
  EXPECT_FALSE((huge * 0 + n).evaluate({{"N", 1}}).ok());
  EXPECT_FALSE((n + kLargest + 1).evaluate({{"N", 0}}).ok());
  EXPECT_FALSE((n * n).evaluate({{"N", int64_t{1} << 62}}).ok());
  EXPECT_FALSE((Dim(0) - kSmallest).evaluate({}).ok());
  EXPECT_FALSE(Dim::floor_div(kSmallest, -1).evaluate({}).ok());
  EXPECT_EQ(Dim::mod(kSmallest, -1), Dim(0));
  EXPECT_EQ(Dim::floor_div(kSmallest, 2), Dim(kSmallest / 2));
  EXPECT_FALSE(Dim::floor_div(n, 0).evaluate({{"N", 3}}).ok());
  EXPECT_EQ(product(std::vector<Dim>{int64_t{1} << 62, 8, 0}), Dim(0));
}

TEST(Dim, ExtremesDoNotTrap) {
  const int64_t values[] = {kSmallest, kSmallest + 1, -3, -1, 0, 1, 3, kLargest - 1, kLargest};
  for (int64_t a : values) {
    for (int64_t b : values) {
      for (const Dim& x : {Dim(a), n * a, n + a, n * a + b}) {
        for (const Dim& y : {Dim(b), m * b, n * b, m + b}) {
          for (auto f : {Dim::floor_div, Dim::ceil_div, trunc_div, Dim::mod, Dim::min, Dim::max,
                         Dim::broadcast}) {
            Dim d = f(x, y);
            Result<Dim> again = Dim::parse(d.to_string());
            ASSERT_TRUE(again.ok()) << again.status().message();
            EXPECT_EQ(*again, d) << d.to_string();
            (void)d.evaluate({{"N", 7}, {"M", 2}});
          }
          (void)x.exact_div(y);
          (void)((x + y) * (x - y)).provably_positive();
        }
      }
    }
  }
}

TEST(Dim, StaysBoundedUnderHostileGrowth) {
  Dim d = n;
  for (int i = 0; i < 500; ++i) d = Dim::max(d * d + m, Dim::mod(d + i, h + 1) + Dim::min(d, m));
  EXPECT_LT(d.to_string().size(), 200000u);
  Dim power = n + m + 1;
  for (int i = 0; i < 200; ++i) power = power * power;
  EXPECT_FALSE(power.evaluate({{"N", 0}, {"M", 0}}).ok());
  Dim nested = n;
  for (int i = 0; i < 5000; ++i) nested = Dim::floor_div(nested + 1, m + i);
  EXPECT_LT(nested.to_string().size(), 200000u);
  Dim wide = 0;
  for (int i = 0; i < 5000; ++i) wide = wide + Dim::symbol("s" + std::to_string(i));
  EXPECT_LT(wide.to_string().size(), 200000u);
}

TEST(Dim, SaysWhyItCannotBeEvaluated) {
  EXPECT_EQ(n.evaluate({}).status().message(), "the size of dimension 'N' is not known");
  EXPECT_EQ(n.evaluate({{"N", -2}}).status().message(),
            "dimension 'N' is -2; sizes are not negative");
  EXPECT_EQ(Dim::floor_div(n, m).evaluate({{"N", 1}, {"M", 0}}).status().message(),
            "a dimension divides by zero");
}

TEST(Dim, PrintsOneForm) {
  EXPECT_EQ((2 + n * 2).to_string(), "2*N + 2");
  EXPECT_EQ(Dim::floor_div(h, 2).to_string(), "floordiv(H, 2)");
  EXPECT_EQ((m * n * n - n - 3).to_string(), "M*N*N - N - 3");
  EXPECT_EQ((Dim(0) - n).to_string(), "-N");
  EXPECT_EQ(Dim(-7).to_string(), "-7");
  EXPECT_EQ(Dim::symbol("batch size").to_string(), "batch_x20size");
  EXPECT_EQ(Dim::symbol("0").to_string(), "_0");
}

TEST(Dim, ReadsOrdinaryExpressions) {
  EXPECT_EQ(*Dim::parse("2 * (N + 1)"), 2 * n + 2);
  EXPECT_EQ(*Dim::parse("H // 2 - -3"), Dim::floor_div(h, 2) + 3);
  EXPECT_EQ(*Dim::parse("ceildiv(H,2)"), Dim::ceil_div(h, 2));
  EXPECT_EQ(*Dim::parse("-9223372036854775808"), Dim(kSmallest));
  EXPECT_EQ(*Dim::parse("min"), Dim::symbol("min"));
  for (const char* bad : {"", "N +", "N M", "foo(N, 2)", "min(N)", "(N", "9223372036854775808",
                          "floordiv(N, 2", "*", "N)", "overflow(", "1.5"}) {
    EXPECT_FALSE(Dim::parse(bad).ok()) << bad;
  }
  EXPECT_FALSE(Dim::parse(std::string(60000, '(')).ok());
  EXPECT_TRUE(Dim::parse(std::string(60000, '-') + "N").ok());
}

TEST(Dim, SubstitutionSimplifies) {
  Dim d = Dim::floor_div(h + 1, 2) * n;
  EXPECT_EQ(d.substitute({{"H", 2 * m}}), m * n);
  EXPECT_EQ(d.substitute({{"H", 7}, {"N", 2}}), Dim(8));
  EXPECT_EQ(d.substitute({}), d);
  std::set<std::string> names;
  d.collect_symbols(names);
  EXPECT_EQ(names, (std::set<std::string>{"H", "N"}));
}

// A random expression, kept as a tree beside the Dim that it builds.
struct Tree {
  int op;  // -1: leaf
  int64_t leaf = 0;
  std::string symbol;
  std::vector<Tree> arguments;
};

constexpr const char* kSymbols[] = {"A", "B", "C"};

Tree random_tree(Random& r, int depth) {
  if (depth == 0 || r.integer(0, 5) == 0) {
    if (r.integer(0, 1) == 0) return {-1, r.integer(-4, 6), "", {}};
    return {-1, 0, kSymbols[r.integer(0, 2)], {}};
  }
  Tree t{static_cast<int>(r.integer(0, 9)), 0, "", {}};
  t.arguments.push_back(random_tree(r, depth - 1));
  t.arguments.push_back(random_tree(r, depth - 1));
  return t;
}

Dim build(const Tree& t) {
  if (t.op < 0) return t.symbol.empty() ? Dim(t.leaf) : Dim::symbol(t.symbol);
  Dim a = build(t.arguments[0]), b = build(t.arguments[1]);
  switch (t.op) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return Dim::floor_div(a, b);
    case 4: return Dim::ceil_div(a, b);
    case 5: return Dim::mod(a, b);
    case 6: return Dim::min(a, b);
    case 7: return Dim::max(a, b);
    case 8: return trunc_div(a, b);
    default: return Dim::broadcast(a, b);
  }
}

// Nothing where the tree divides by zero, broadcasts what does not agree, or grows past 2^40.
std::optional<int64_t> evaluate(const Tree& t, const Bindings& values) {
  if (t.op < 0) return t.symbol.empty() ? t.leaf : values.at(t.symbol);
  auto x = evaluate(t.arguments[0], values), y = evaluate(t.arguments[1], values);
  if (!x || !y || std::abs(*x) > 1 << 20 || std::abs(*y) > 1 << 20) return std::nullopt;
  int64_t a = *x, b = *y;
  if (((t.op >= 3 && t.op <= 5) || t.op == 8) && b == 0) return std::nullopt;
  switch (t.op) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return floor_div(a, b);
    case 4: return -floor_div(-a, b);
    case 5: return floor_mod(a, b);
    case 6: return std::min(a, b);
    case 7: return std::max(a, b);
    case 8: return a / b;
    default: break;
  }
  if (a != b && a != 1 && b != 1) return std::nullopt;
  return a == 1 ? b : a;
}

TEST(DimProperty, NormalFormTextAndSubstitutionKeepTheValue) {
  Random r(7);
  int compared = 0;
  for (int round = 0; round < 6000; ++round) {
    Tree t = random_tree(r, 1 + static_cast<int>(r.integer(0, 4)));
    Dim d = build(t);
    Result<Dim> read = Dim::parse(d.to_string());
    ASSERT_TRUE(read.ok()) << d.to_string() << ": " << read.status().message();
    ASSERT_EQ(*read, d) << d.to_string() << " read as " << read->to_string();
    for (int i = 0; i < 12; ++i) {
      Bindings values;
      std::map<std::string, Dim, std::less<>> constants;
      for (const char* s : kSymbols) constants[s] = values[s] = r.integer(0, i < 6 ? 3 : 40);
      auto expected = evaluate(t, values);
      if (!expected) continue;
      ++compared;
      Result<int64_t> got = d.evaluate(values);
      ASSERT_TRUE(got.ok()) << d.to_string() << ": " << got.status().message();
      ASSERT_EQ(*got, *expected) << d.to_string() << " A=" << values["A"] << " B=" << values["B"]
                                 << " C=" << values["C"];
      ASSERT_EQ(d.substitute(constants), Dim(*expected)) << d.to_string();
      ASSERT_TRUE(!d.provably_positive() || *expected > 0) << d.to_string();
      ASSERT_TRUE(!d.provably_nonnegative() || *expected >= 0) << d.to_string();
    }
  }
  EXPECT_GT(compared, 20000);
}

TEST(DimProperty, ExactQuotientsMultiplyBack) {
  Random r(11);
  int divided = 0;
  for (int round = 0; round < 3000; ++round) {
    Dim a = build(random_tree(r, 3)), b = build(random_tree(r, 2));
    if (b.is(0)) continue;
    auto exact = a.exact_div(b);
    EXPECT_TRUE(!exact || *exact * b == a) << a.to_string() << " / " << b.to_string();
    Dim whole = a * b;
    if (auto q = whole.exact_div(b)) {
      ++divided;
      EXPECT_EQ(*q, a) << whole.to_string() << " / " << b.to_string();
    }
  }
  EXPECT_GT(divided, 1000);
}

TEST(DimProperty, TheOrderIsTotal) {
  Random r(13);
  std::vector<Dim> dims;
  for (int i = 0; i < 60; ++i) dims.push_back(build(random_tree(r, 3)));
  for (const Dim& a : dims) {
    for (const Dim& b : dims) {
      EXPECT_EQ((a < b) + (b < a) + (a == b), 1);
      for (const Dim& c : dims) {
        EXPECT_TRUE(!(a < b && b < c) || a < c);
      }
    }
  }
}

}  // namespace
}  // namespace lathe
