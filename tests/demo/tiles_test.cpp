// SPDX-License-Identifier: Apache-2.0
// Enlarging in tiles gives what enlarging at once gives.
#include "tiles.h"

#include "api/demo_engine.h"

namespace lathe::testing {
namespace {

cli::Picture picture(int width, int height) {
  cli::Picture p;
  p.width = width;
  p.height = height;
  for (int i = 0; i < width * height * 3; ++i)
    p.rgb.push_back(static_cast<uint8_t>((i * 89 + i / 97 * 31) % 256));
  return p;
}

int largest_difference(const cli::Picture& a, const cli::Picture& b) {
  EXPECT_EQ(a.rgb.size(), b.rgb.size());
  int largest = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i)
    largest = std::max(largest, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
  return largest;
}

TEST(Tiles, LeaveNoSeam) {
  const Engine engine = demo_engine("upscale.onnx");
  Result<Session> session = engine.open();
  ASSERT_TRUE(session.ok()) << session.status().message();
  const cli::Picture small = picture(61, 47);
  Result<cli::Picture> whole = demo::enlarge(*session, small, 1000);
  Result<cli::Picture> tiled = demo::enlarge(*session, small, 20);
  ASSERT_TRUE(whole.ok() && tiled.ok());
  EXPECT_EQ(whole->width, 122);
  EXPECT_EQ(whole->height, 94);
  // Sums are added in another order, so that a value halfway between two bytes may round apart.
  EXPECT_LE(largest_difference(*whole, *tiled), 1);
}

TEST(Tiles, EnlargeAPictureOfOnePixel) {
  const Engine engine = demo_engine("upscale.onnx");
  Result<Session> session = engine.open();
  Result<cli::Picture> large = demo::enlarge(*session, picture(1, 1), 192);
  ASSERT_TRUE(large.ok()) << large.status().message();
  EXPECT_EQ(large->rgb.size(), 12u);
}

}  // namespace
}  // namespace lathe::testing
