// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include <fmt/format.h>
#include <png.h>
// libjpeg's header needs these two first.
#include <jpeglib.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

namespace lathe::cli {
namespace {

// A small file may claim any size: what it makes us allocate is bounded before.
constexpr int64_t kLargest = 32768;          // pixels a side
constexpr int64_t kMost = int64_t{1} << 27;  // pixels in all

Status bad_picture(const std::string& path, std::string_view why) {
  return Status(Code::InvalidInput, fmt::format("{}: {}", path, why));
}

bool fits(int64_t width, int64_t height) {
  return width <= kLargest && height <= kLargest && width * height <= kMost;
}

Status too_large(const std::string& path, int64_t width, int64_t height) {
  return bad_picture(
      path, fmt::format("the picture is {}x{}, expected at most {} a side and {} pixels", width,
                        height, kLargest, kMost));
}

Result<Picture> read_png(const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0)
    return bad_picture(path, image.message);
  if (!fits(image.width, image.height)) {
    png_image_free(&image);
    return too_large(path, image.width, image.height);
  }
  image.format = PNG_FORMAT_RGB;
  Picture p{static_cast<int>(image.width), static_cast<int>(image.height), {}};
  p.rgb.resize(PNG_IMAGE_SIZE(image));
  const png_color background{255, 255, 255};
  if (png_image_finish_read(&image, &background, p.rgb.data(), 0, nullptr) == 0)
    return bad_picture(path, image.message);
  return p;
}

// libjpeg reports errors by a callback that must not return.
struct JpegError {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

void on_jpeg_error(j_common_ptr info) {
  auto* error = reinterpret_cast<JpegError*>(info->err);
  (*info->err->format_message)(info, error->message);
  std::longjmp(error->jump, 1);
}
void on_jpeg_warning(j_common_ptr, int) {}

// Leaves the pixels out when there are too many. No object with a destructor lives across the jump
// but `picture`, which the caller owns.
bool decode_jpeg(std::FILE* file, Picture& picture, JpegError& error) {
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&error.manager);
  error.manager.error_exit = on_jpeg_error;
  error.manager.emit_message = on_jpeg_warning;
  if (setjmp(error.jump) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_stdio_src(&info, file);
  jpeg_read_header(&info, TRUE);
  picture.width = static_cast<int>(info.image_width);
  picture.height = static_cast<int>(info.image_height);
  if (!fits(picture.width, picture.height)) {
    jpeg_destroy_decompress(&info);
    return true;
  }
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  picture.rgb.resize(static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) * 3);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = picture.rgb.data() + static_cast<size_t>(info.output_scanline) *
                                            static_cast<size_t>(picture.width) * 3;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

Result<Picture> read_jpeg(const std::string& path, std::FILE* file) {
  Picture picture;
  JpegError error{};
  if (!decode_jpeg(file, picture, error)) return bad_picture(path, error.message);
  if (!fits(picture.width, picture.height)) return too_large(path, picture.width, picture.height);
  return picture;
}

std::string lower_extension(const std::string& path) {
  const size_t dot = path.rfind('.');
  std::string e = dot == std::string::npos ? "" : path.substr(dot + 1);
  std::transform(e.begin(), e.end(), e.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return e;
}

// Weights of source pixels for one output pixel: a triangle as wide as the step when shrinking.
struct Tap {
  int first;
  std::vector<float> weights;
};

std::vector<Tap> taps(int from, int to) {
  std::vector<Tap> all;
  const double step = static_cast<double>(from) / to, reach = std::max(1.0, step);
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * step - 0.5;
    const int first = std::max(0, static_cast<int>(std::ceil(center - reach)));
    const int last = std::min(from - 1, static_cast<int>(std::floor(center + reach)));
    Tap tap{first, {}};
    float sum = 0;
    for (int s = first; s <= last; ++s) {
      tap.weights.push_back(static_cast<float>(std::max(0.0, 1 - std::abs(s - center) / reach)));
      sum += tap.weights.back();
    }
    for (float& w : tap.weights) w /= sum;
    all.push_back(std::move(tap));
  }
  return all;
}

struct Target {
  int64_t channels = 3, height = 0, width = 0;
  bool channels_first = true;
};

Result<Target> target_of(const Picture& picture, const PortInfo& port) {
  auto size = [&](size_t d) { return port.shape[d].size; };
  const size_t rank = port.shape.size();
  Status wrong(
      Code::InvalidInput,
      fmt::format("input '{}': a picture needs an input of 3 or 4 dimensions with 1 or 3 channels",
                  port.name));
  if (rank != 4 && rank != 3) return wrong;
  const size_t base = rank - 3;
  auto is_channels = [&](size_t d) { return size(d) == 1 || size(d) == 3; };
  Target t;
  t.channels_first = is_channels(base) || !is_channels(rank - 1);
  const size_t c = t.channels_first ? base : rank - 1, h = t.channels_first ? base + 1 : base;
  if (!is_channels(c) && size(c) != -1) return wrong;
  t.channels = size(c) == 1 ? 1 : 3;
  t.height = size(h) > 0 ? size(h) : picture.height;
  t.width = size(h + 1) > 0 ? size(h + 1) : picture.width;
  return t;
}

}  // namespace

bool is_picture(const std::string& path) {
  const std::string e = lower_extension(path);
  return e == "png" || e == "jpg" || e == "jpeg";
}

Result<Picture> read_picture(const std::string& path) {
  std::error_code error;  // opening a pipe would wait for somebody to write
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
    return bad_picture(path, "it is no regular file");
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr)
    return Status(Code::NotFound, fmt::format("{}: cannot open: {}", path, std::strerror(errno)));
  unsigned char magic[4] = {};
  const size_t got = std::fread(magic, 1, sizeof(magic), file.get());
  std::rewind(file.get());
  if (got == 4 && magic[0] == 0x89 && magic[1] == 'P') return read_png(path);
  if (got >= 2 && magic[0] == 0xff && magic[1] == 0xd8) return read_jpeg(path, file.get());
  return bad_picture(path, "it is no PNG or JPEG picture");
}

Status write_png(const std::string& path, const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  if (png_image_write_to_file(&image, path.c_str(), 0, picture.rgb.data(), 0, nullptr) == 0) {
    return Status(Code::DeviceLost, fmt::format("{}: {}", path, image.message));
  }
  return {};
}

Picture resized(const Picture& from, int width, int height) {
  if (from.width == width && from.height == height) return from;
  const std::vector<Tap> across = taps(from.width, width), down = taps(from.height, height);
  std::vector<float> rows(static_cast<size_t>(from.height) * static_cast<size_t>(width) * 3);
  for (int y = 0; y < from.height; ++y) {
    const uint8_t* row =
        from.rgb.data() + static_cast<size_t>(y) * static_cast<size_t>(from.width) * 3;
    for (int x = 0; x < width; ++x) {
      const Tap& tap = across[static_cast<size_t>(x)];
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (size_t k = 0; k < tap.weights.size(); ++k)
          sum += tap.weights[k] *
                 row[(static_cast<size_t>(tap.first) + k) * 3 + static_cast<size_t>(c)];
        rows[(static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) * 3 +
             static_cast<size_t>(c)] = sum;
      }
    }
  }
  Picture to{width, height, {}};
  const size_t line = static_cast<size_t>(width) * 3;
  to.rgb.resize(line * static_cast<size_t>(height));
  for (int y = 0; y < height; ++y) {
    const Tap& tap = down[static_cast<size_t>(y)];
    for (size_t i = 0; i < line; ++i) {
      float sum = 0;
      for (size_t k = 0; k < tap.weights.size(); ++k)
        sum += tap.weights[k] * rows[(static_cast<size_t>(tap.first) + k) * line + i];
      to.rgb[static_cast<size_t>(y) * line + i] =
          static_cast<uint8_t>(std::clamp(sum + 0.5f, 0.0f, 255.0f));
    }
  }
  return to;
}

Result<Tensor> picture_tensor(const Picture& picture, const PortInfo& port,
                              const PictureOptions& options) {
  Result<Target> target = target_of(picture, port);
  if (!target.ok()) return target.status();
  if (options.resize == "none" &&
      (target->height != picture.height || target->width != picture.width)) {
    return Status(Code::InvalidInput,
                  fmt::format("input '{}': the picture is {}x{}, expected {}x{}", port.name,
                              picture.width, picture.height, target->width, target->height));
  }
  const Picture p =
      resized(picture, static_cast<int>(target->width), static_cast<int>(target->height));
  const int64_t c = target->channels, h = target->height, w = target->width;
  std::vector<int64_t> sizes =
      target->channels_first ? std::vector<int64_t>{c, h, w} : std::vector<int64_t>{h, w, c};
  if (port.shape.size() == 4) sizes.insert(sizes.begin(), 1);
  std::vector<float> values(static_cast<size_t>(c * h * w));
  auto at = [](const std::vector<double>& v, int64_t k) {
    return v[v.size() == 1 ? 0 : static_cast<size_t>(k) % v.size()];
  };
  for (int64_t i = 0; i < h * w; ++i) {
    const uint8_t* rgb = p.rgb.data() + i * 3;
    for (int64_t k = 0; k < c; ++k) {
      const int64_t source = options.layout == "bgr" ? 2 - k : k;
      double v = c == 1 || options.layout == "gray"
                     ? 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
                     : rgb[source];
      v = v * at(options.scale, k) - at(options.mean, k);
      values[static_cast<size_t>(target->channels_first ? k * h * w + i : i * c + k)] =
          static_cast<float>(v);
    }
  }
  if (port.type == Type::F32)
    return Tensor::of<float>(std::move(sizes), std::span<const float>(values));
  if (port.type == Type::U8) {
    std::vector<uint8_t> bytes(values.size());
    for (size_t i = 0; i < values.size(); ++i)
      bytes[i] = static_cast<uint8_t>(std::clamp(values[i] + 0.5f, 0.0f, 255.0f));
    return Tensor::of<uint8_t>(std::move(sizes), std::span<const uint8_t>(bytes));
  }
  return Tensor::of<float>(std::move(sizes), std::span<const float>(values)).converted(port.type);
}

}  // namespace lathe::cli
