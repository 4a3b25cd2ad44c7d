// SPDX-License-Identifier: Apache-2.0
#pragma once
// Pictures as tensors: PNG and JPEG read into RGB, resized, scaled; RGB written as PNG.
#include <cstdint>
#include <string>
#include <vector>

#include "lathe/lathe.h"

namespace lathe::cli {

struct Picture {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  // height x width x 3
};

struct PictureOptions {
  std::string layout = "rgb";               // rgb, bgr, gray
  std::vector<double> mean = {0, 0, 0};     // taken away after scaling
  std::vector<double> scale = {1.0 / 255};  // times the byte; one number or one for each channel
  std::string resize = "bilinear";          // bilinear, none
};

Result<Picture> read_picture(const std::string& path);
Status write_png(const std::string& path, const Picture& picture);
// Antialiased when it shrinks, as pictures are usually prepared for networks.
Picture resized(const Picture& picture, int width, int height);
// Into the shape that `port` expects: NCHW or NHWC by where 1 or 3 stands; unknown sizes take the
// picture's. Element types: f32, f16, u8.
Result<Tensor> picture_tensor(const Picture& picture, const PortInfo& port,
                              const PictureOptions& options);
bool is_picture(const std::string& path);

}  // namespace lathe::cli
