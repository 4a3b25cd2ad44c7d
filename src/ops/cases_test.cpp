// SPDX-License-Identifier: Apache-2.0
// Every operator's cases against its own reference: inference and reference agree, every element
// is written, parts equal the whole, and the numbers that a person computed come out.
#include "ops/cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/op_common.h"

namespace lathe {
namespace {

std::string folder() { return std::string(LATHE_SOURCE_DIR) + "/src/ops"; }

Result<std::vector<HostTensor>> run_poisoned(const OpInstance& op, std::span<const HostTensor> in,
                                             int poison) {
  std::vector<HostTensor> out;
  for (const TensorType& t : op.out) {
    out.push_back(LATHE_TRY(HostTensor::make(t)));
    std::span<std::byte> bytes = out.back().mutable_bytes();
    if (!bytes.empty()) std::memset(bytes.data(), poison, bytes.size());
  }
  RefArgs args{op, in, out, Box::whole(op.out[0].shape)};
  LATHE_TRY(op.def->reference(args));
  return out;
}

void check_types(const OpInstance& op, const std::vector<HostTensor>& out) {
  ASSERT_EQ(out.size(), op.out.size());
  for (size_t k = 0; k < out.size(); ++k) {
    EXPECT_EQ(out[k].dtype(), op.out[k].dtype);
    EXPECT_EQ(out[k].shape(), op.out[k].shape) << "the reference replaced output " << k;
  }
}

void check_every_element_is_written(const OpInstance& op, const std::vector<HostTensor>& in) {
  auto first = run_poisoned(op, in, 0xFF), second = run_poisoned(op, in, 0x55);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status().message();
  check_types(op, *first);
  for (size_t k = 0; k < op.out.size(); ++k) {
    EXPECT_EQ((*first)[k], (*second)[k]) << "output " << k << " keeps what was there before";
  }
}

Box random_box(const Shape& shape, uint64_t seed) {
  Box box = Box::whole(shape);
  for (size_t d = 0; d < box.end.size(); ++d) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    int64_t size = box.end[d];
    if (size == 0) continue;
    box.begin[d] = static_cast<int64_t>((seed >> 33) % static_cast<uint64_t>(size));
    box.end[d] = box.begin[d] + 1 +
                 static_cast<int64_t>((seed >> 45) % static_cast<uint64_t>(size - box.begin[d]));
  }
  return box;
}

void check_boxes(const OpInstance& op, const std::vector<HostTensor>& in, const HostTensor& whole) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Box box = seed == 1 ? Box::whole(whole.shape()) : random_box(whole.shape(), seed);
    Result<BoxResult> part = run_reference_box(op, in, box);
    ASSERT_TRUE(part.ok()) << part.status().message();
    EXPECT_EQ(part->value, *cut(whole, box)) << "box " << seed;
    ASSERT_EQ(part->magnitude.shape(), part->value.shape());
    for (double m : part->magnitude.span<double>()) ASSERT_GE(m, 0);
  }
}

// Expectations are written with six digits or more.
void check_values(const OpInstance& op, const HostTensor& y, const std::vector<double>& expected) {
  ASSERT_EQ(static_cast<size_t>(y.elements()), expected.size());
  double unit = op.def->tolerance.k * unit_roundoff(y.dtype());
  for (size_t i = 0; i < expected.size(); ++i) {
    double got = y.get_f64(static_cast<int64_t>(i)), e = expected[i];
    if (std::isnan(e) || std::isinf(e) || !is_float(y.dtype())) {
      EXPECT_TRUE(got == e || (std::isnan(e) && std::isnan(got)))
          << "element " << i << ": " << got << ", expected " << e;
    } else {
      EXPECT_NEAR(got, e, (unit + 1e-5) * std::fabs(e) + 1e-6) << "element " << i;
    }
  }
}

void check_text_round_trip(const OpInstance& op) {
  Result<Attrs> again = Attrs::parse(op.attrs.to_string(), op.def->attrs);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(*again, op.attrs) << op.attrs.to_string();
}

void check_error(const Case& c, const Status& status) {
  ASSERT_FALSE(status.ok()) << "must fail: " << c.error;
  EXPECT_TRUE(c.error_matches(status.message())) << status.message() << "\nexpected " << c.error;
}

// The first failure on the way of a case that must fail.
Status fail(const Case& c) {
  OpInstance op = LATHE_TRY(instance_of(c));
  std::vector<HostTensor> in = LATHE_TRY(inputs_of(c, op));
  return run_reference(op, in).status();
}

void check_case(const Case& c) {
  if (!c.error.empty()) return check_error(c, fail(c));
  Result<OpInstance> op = instance_of(c);
  ASSERT_TRUE(op.ok()) << op.status().message();
  for (const auto& [k, type] : c.expect_type) {
    ASSERT_LT(static_cast<size_t>(k), op->out.size());
    EXPECT_EQ(op->out[static_cast<size_t>(k)].to_string(), type.to_string());
  }
  check_text_round_trip(*op);
  if (!c.regions.empty()) return;  // interpret() runs the graphs inside
  Cost cost = cost_of(*op);
  EXPECT_TRUE(cost.flops >= 0 && std::isfinite(cost.flops) && cost.bytes >= 0);
  Result<std::vector<HostTensor>> in = inputs_of(c, *op);
  ASSERT_TRUE(in.ok()) << in.status().message();
  Result<std::vector<HostTensor>> out = run_reference(*op, *in);
  ASSERT_TRUE(out.ok()) << out.status().message();
  check_types(*op, *out);
  if ((op->def->flags & kRandom) != 0) return;
  check_every_element_is_written(*op, *in);
  if (bits(op->out[0].dtype) >= 8) check_boxes(*op, *in, (*out)[0]);
  for (const auto& [k, values] : c.expect) {
    ASSERT_LT(static_cast<size_t>(k), out->size());
    check_values(*op, (*out)[static_cast<size_t>(k)], values);
  }
}

class Cases : public testing::TestWithParam<const OpDef*> {};

TEST_P(Cases, HoldForTheReference) {
  Result<std::vector<Case>> cases = load_cases(*GetParam(), folder());
  ASSERT_TRUE(cases.ok()) << cases.status().message();
  EXPECT_FALSE(cases->empty());
  for (const Case& c : *cases) {
    SCOPED_TRACE(c.where());
    check_case(c);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Cases, testing::ValuesIn(all_ops().begin(), all_ops().end()),
                         [](const auto& info) { return std::string(info.param->name); });

const OpDef& pointwise() { return *find_op("Pointwise"); }

TEST(CaseText, PutsOperandsIntoTheSchemasOrder) {
  auto cases = parse_cases(*find_op("MatMul"), "b:f32[3,4] a:f32[2,3]");
  ASSERT_TRUE(cases.ok()) << cases.status().message();
  EXPECT_EQ((*cases)[0].in[0].to_string(), "f32[2,3]");
  EXPECT_EQ((*cases)[0].in.size(), 2u);
}

TEST(CaseText, NamesTheLineOfAMistake) {
  auto cases = parse_cases(pointwise(), "# fine\n\na:f32[2] fill=b:iota");
  ASSERT_FALSE(cases.ok());
  EXPECT_EQ(cases.status().message(), "pointwise.cases:3: no operand is called 'b'");
}

TEST(CaseText, FillsInputsAsTold) {
  auto cases = parse_cases(pointwise(),
                           "a:i32[4] b:i32[3] c:f32[5] range=a:2..3 fill=b:{7,8} fill=c:shuffle "
                           "expr=\"(a:i32, b:i32, c:f32) -> a\" error: x... # comment");
  ASSERT_TRUE(cases.ok()) << cases.status().message();
  const Case& c = (*cases)[0];
  EXPECT_TRUE(c.error_matches("xyz"));
  EXPECT_FALSE(c.error_matches("yz"));
  OpInstance op{.def = &pointwise(), .in = c.in, .out = {}, .attrs = {}, .fusion = {}};
  std::vector<HostTensor> in = *inputs_of(c, op);
  for (int64_t v : in[0].to_i64()) EXPECT_TRUE(v == 2 || v == 3);
  EXPECT_EQ(in[1].to_i64(), (std::vector<int64_t>{7, 8, 7}));
  std::vector<double> shuffled = in[2].to_f64();
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, (std::vector<double>{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace lathe
