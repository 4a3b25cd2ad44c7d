// SPDX-License-Identifier: Apache-2.0
#include "ops/window.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lathe {
namespace {

Attrs attrs_of(Ints strides, Ints dilations, Ints pads) {
  Attrs a;
  a.set("strides", std::move(strides)).set("dilations", std::move(dilations));
  return a.set("pads", std::move(pads));
}

struct Sized {
  std::string size;
  size_t constraints;
};

Sized size_of(const Dim& in, int64_t kernel, const Attrs& attrs, Rounding rounding) {
  InferContext c(attrs, {}, {});
  Result<Window> w = window_of(attrs, {kernel});
  EXPECT_TRUE(w.ok()) << w.status().message();
  Result<Dim> size = window_output(c, in, *w, 0, rounding);
  EXPECT_TRUE(size.ok()) << size.status().message();
  return {size->to_string(), c.constraints.size()};
}

const Dim kH = Dim::symbol("H");

TEST(Window, ThreeByThreeWithPaddingKeepsASymbolicSize) {
  const Sized s = size_of(kH, 3, attrs_of({1}, {1}, {1, 1}), Rounding::Floor);
  EXPECT_EQ(s.size, "H");
  EXPECT_EQ(s.constraints, 0u);
}

TEST(Window, ASizeThatMayBeNegativeBecomesAConstraint) {
  const Sized s = size_of(kH, 5, attrs_of({1}, {1}, {0, 0}), Rounding::Floor);
  EXPECT_EQ(s.size, "H - 4");
  EXPECT_EQ(s.constraints, 1u);
}

TEST(Window, RoundingUpNeedsNoMinimumWhenNoWindowCanStartBeyondTheInput) {
  const Sized s = size_of(kH, 3, attrs_of({2}, {1}, {0, 0}), Rounding::Ceil);
  EXPECT_EQ(s.size.find("min"), std::string::npos) << s.size;
}

TEST(Window, RoundingUpAgreesWithTheDefinition) {
  for (int64_t in = 1; in < 12; ++in) {
    for (int64_t kernel = 1; kernel < 5; ++kernel) {
      for (int64_t stride = 1; stride < 6; ++stride) {
        for (int64_t pad = 0; pad < kernel; ++pad) {
          const int64_t room = in + 2 * pad - kernel;
          if (room < 0) continue;
          int64_t size = (room + stride - 1) / stride + 1;
          if ((size - 1) * stride >= in + pad) --size;  // ONNX: the last window starts inside
          const Sized s = size_of(in, kernel, attrs_of({stride}, {1}, {pad, pad}), Rounding::Ceil);
          EXPECT_EQ(s.size, std::to_string(size))
              << in << " " << kernel << " " << stride << " " << pad;
        }
      }
    }
  }
}

TEST(Window, TransposedByTwoDoublesASymbolicSize) {
  const Attrs attrs = attrs_of({2}, {1}, {1, 1});
  InferContext c(attrs, {}, {});
  Result<Dim> size = window_output_transposed(c, kH, *window_of(attrs, {4}), 0, 0);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(size->to_string(), "2*H");
  EXPECT_TRUE(c.constraints.empty());
}

TEST(Window, TapsOfAHugeKernelAreOnlyThoseInsideTheInput) {
  const Attrs attrs = attrs_of({1}, {1}, {kMaxWindow, 0});
  const Window w = *window_of(attrs, {kMaxWindow});
  const std::vector<int64_t> in{4};
  const int64_t at = 2;  // the window's last two elements lie on inputs 0 and 1
  std::vector<Tap> taps;
  find_taps(w, in, &at, taps);
  ASSERT_EQ(taps.size(), 2u);
  EXPECT_EQ(taps[0].input, 0);
  EXPECT_EQ(taps[0].kernel, kMaxWindow - 2);
  EXPECT_EQ(taps[1].input, 1);
}

TEST(Window, TransposedTapsAreTheMirrorOfTheForwardOnes) {
  const Attrs attrs = attrs_of({2}, {3}, {2, 1});
  const Window w = *window_of(attrs, {3});
  const std::vector<int64_t> large{11}, small{4};  // (11 + 3 - 7) / 2 + 1
  std::vector<Tap> taps;
  std::vector<std::vector<int64_t>> forward, mirrored;
  for (int64_t o = 0; o < small[0]; ++o) {
    find_taps(w, large, &o, taps);
    for (const Tap& t : taps) forward.push_back({t.input, o, t.kernel});
  }
  for (int64_t i = 0; i < large[0]; ++i) {
    find_taps_transposed(w, small, &i, taps);
    for (const Tap& t : taps) mirrored.push_back({i, t.input, t.kernel});
  }
  std::sort(forward.begin(), forward.end());
  std::sort(mirrored.begin(), mirrored.end());
  EXPECT_FALSE(forward.empty());
  EXPECT_EQ(forward, mirrored);
}

}  // namespace
}  // namespace lathe
