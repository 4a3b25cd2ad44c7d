// SPDX-License-Identifier: Apache-2.0
#include "tiles.h"

#include <algorithm>
#include <cmath>

namespace lathe::demo {
namespace {

constexpr int kScale = 2;

struct Rect {
  int x, y, width, height;
};

// The tile with the overlap around it, within the picture.
Rect with_reach(const Rect& tile, const cli::Picture& picture) {
  const int x = std::max(0, tile.x - kReach), y = std::max(0, tile.y - kReach);
  return {x, y, std::min(picture.width, tile.x + tile.width + kReach) - x,
          std::min(picture.height, tile.y + tile.height + kReach) - y};
}

// f32[1,3,height,width] in 0..1.
Result<Tensor> cut(const cli::Picture& picture, const Rect& part) {
  Result<Tensor> t = Tensor::make(Type::F32, {1, 3, part.height, part.width});
  if (!t.ok()) return t;
  auto* to = reinterpret_cast<float*>(t->mutable_bytes().data());
  for (int c = 0; c < 3; ++c) {
    for (int y = part.y; y < part.y + part.height; ++y) {
      for (int x = part.x; x < part.x + part.width; ++x) {
        const size_t at =
            (static_cast<size_t>(y) * static_cast<size_t>(picture.width) + static_cast<size_t>(x)) *
                3 +
            static_cast<size_t>(c);
        *to++ = static_cast<float>(picture.rgb[at]) / 255.0f;
      }
    }
  }
  return t;
}

// What `tile` became, out of what `part` became.
void paste(const Tensor& y, const Rect& part, const Rect& tile, cli::Picture& into) {
  const std::span<const float> from = y.data<float>();
  const size_t width = static_cast<size_t>(part.width) * kScale;
  const size_t plane = width * static_cast<size_t>(part.height) * kScale;
  for (int row = 0; row < tile.height * kScale; ++row) {
    for (int column = 0; column < tile.width * kScale; ++column) {
      const auto fy = static_cast<size_t>((tile.y - part.y) * kScale + row);
      const auto fx = static_cast<size_t>((tile.x - part.x) * kScale + column);
      const auto ty = static_cast<size_t>(tile.y * kScale + row);
      const auto tx = static_cast<size_t>(tile.x * kScale + column);
      for (size_t c = 0; c < 3; ++c) {
        const float v = std::clamp(from[c * plane + fy * width + fx], 0.0f, 1.0f);
        into.rgb[(ty * static_cast<size_t>(into.width) + tx) * 3 + c] =
            static_cast<uint8_t>(std::lround(v * 255.0f));
      }
    }
  }
}

}  // namespace

Result<cli::Picture> enlarge(Session& session, const cli::Picture& picture, int tile) {
  cli::Picture large;
  large.width = picture.width * kScale;
  large.height = picture.height * kScale;
  large.rgb.resize(static_cast<size_t>(large.width) * static_cast<size_t>(large.height) * 3);
  for (int y = 0; y < picture.height; y += tile) {
    for (int x = 0; x < picture.width; x += tile) {
      const Rect inner{x, y, std::min(tile, picture.width - x), std::min(tile, picture.height - y)};
      const Rect outer = with_reach(inner, picture);
      Result<Tensor> input = cut(picture, outer);
      if (!input.ok()) return input.status();
      if (Status s = session.set_input("image", *input); !s.ok()) return s;
      if (Status s = session.run(); !s.ok()) return s;
      Result<Tensor> output = session.output("upscaled");
      if (!output.ok()) return output.status();
      paste(*output, outer, inner, large);
    }
  }
  return large;
}

}  // namespace lathe::demo
