// SPDX-License-Identifier: Apache-2.0
#include "ops/attrs.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lathe {
namespace {

constexpr AttrDef kSchema[] = {
    {"axis", AttrKind::Int, "0", ""},       {"alpha", AttrKind::Float, "1", ""},
    {"mode", AttrKind::Text, "max", ""},    {"pads", AttrKind::Ints, "[]", ""},
    {"scales", AttrKind::Floats, "[]", ""}, {"to", AttrKind::DType, "f32", ""},
    {"shape", AttrKind::Dims, "[]", ""},    {"expr", AttrKind::Expr, "", ""},
    {"value", AttrKind::Tensor, "", ""},
};

Attrs parsed(std::string_view text) {
  Result<Attrs> a = Attrs::parse(text, kSchema);
  EXPECT_TRUE(a.ok()) << a.status().message();
  return a.ok() ? *a : Attrs();
}
std::string message(std::string_view text) {
  return Attrs::parse(text, kSchema).status().message();
}

TEST(Attrs, PrintsWhatItParsed) {
  for (std::string_view text : {
           "{axis=-1}",
           "{alpha=0.1, axis=3}",
           "{alpha=1}",
           "{alpha=inf, scales=[1, 0.5, nan]}",
           "{mode=\"a \\\"b\\\", c\"}",
           "{pads=[1, 1, -2], to=bf16}",
           "{shape=dims[2*N + 2, 3]}",
           "{pads=[], shape=dims[]}",
           "{expr=\"(a:f32, b:f32) -> max(a, b)\"}",
           "{value=f32[2] {1, 2}}",
       }) {
    EXPECT_EQ(parsed(text).to_string(), text);
  }
  EXPECT_EQ(Attrs().to_string(), "");
  EXPECT_TRUE(parsed("").empty());
}

TEST(Attrs, ReadsShortForms) {
  EXPECT_EQ(parsed("{mode=max}").text("mode"), "max");
  EXPECT_EQ(parsed("{shape=[N, 3]}").dims("shape")[0], Dim::symbol("N"));
  EXPECT_EQ(parsed("{alpha=2}").f("alpha"), 2.0);
}

TEST(Attrs, KeepsNamesSortedAndReplaces) {
  Attrs a;
  a.set("pads", Ints{1}).set("axis", int64_t{1}).set("axis", int64_t{2});
  EXPECT_EQ(a.to_string(), "{axis=2, pads=[1]}");
  a.erase("axis");
  EXPECT_FALSE(a.has("axis"));
}

TEST(Attrs, EqualityIsOfBits) {
  Attrs nan, zero, minus;
  nan.set("alpha", std::nan(""));
  zero.set("alpha", 0.0);
  minus.set("alpha", -0.0);
  EXPECT_EQ(nan, nan);
  EXPECT_FALSE(zero == minus);
}

TEST(Attrs, LongTensorsPrintAsAHashOnRequest) {
  Attrs a;
  a.set("value", HostTensor::of<float>({32}, std::vector<float>(32, 1.0f)));
  EXPECT_NE(a.to_string(false).find("{value=f32[32] {hash "), std::string::npos);
  EXPECT_EQ(parsed(a.to_string()), a);
}

TEST(Attrs, StoresExpressionsInCanonicalForm) {
  Expr e({DType::F32, DType::F32});
  int b = e.input(1), a = e.input(0);
  e.output(e.call(ScalarOp::Sub, {a, b}));
  Attrs built;
  built.set("expr", e);
  EXPECT_EQ(built, parsed("{expr=\"(a:f32, b:f32) -> sub(a, b)\"}"));
}

TEST(Attrs, RefusesNonsenseWithAReason) {
  EXPECT_EQ(message("axis=1"), "attributes must stand in {...}");
  EXPECT_EQ(message("{axis}"), "'axis' is not name=value");
  EXPECT_EQ(message("{foo=1}"), "unknown attribute 'foo'");
  EXPECT_EQ(message("{axis=1, axis=2}"), "attribute 'axis' is given twice");
  EXPECT_EQ(message("{axis=1.5}"), "attribute 'axis': '1.5' is not an integer");
  EXPECT_EQ(message("{axis=99999999999999999999}"),
            "attribute 'axis': '99999999999999999999' is not an integer");
  EXPECT_EQ(message("{pads=1}"), "attribute 'pads': '1' is not a list [...]");
  EXPECT_EQ(message("{pads=[1}"), "']' is missing");
  EXPECT_EQ(message("{mode=\"max}"), "a quote is not closed");
  EXPECT_EQ(message("{to=f33}"), "attribute 'to': 'f33' is not an element type");
}

}  // namespace
}  // namespace lathe
