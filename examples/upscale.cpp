// SPDX-License-Identifier: Apache-2.0
// upscale FILE.engine PICTURE OUT.png: enlarges a PNG or JPEG twofold with the demo's network.
#include <chrono>
#include <cstdio>

#include "tiles.h"

namespace {

// Reads a picture, runs the engine over its tiles, writes the result.
lathe::Status upscale(const char* engine_file, const char* from, const char* to) {
  constexpr int kTile = 192;
  lathe::Result<lathe::cli::Picture> picture = lathe::cli::read_picture(from);
  if (!picture.ok()) return picture.status();
  lathe::Result<lathe::Engine> engine = lathe::Engine::load(engine_file);
  if (!engine.ok()) return engine.status();
  lathe::Result<lathe::Session> session = engine->open();
  if (!session.ok()) return session.status();
  const auto begin = std::chrono::steady_clock::now();
  lathe::Result<lathe::cli::Picture> large = lathe::demo::enlarge(*session, *picture, kTile);
  if (!large.ok()) return large.status();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (lathe::Status s = lathe::cli::write_png(to, *large); !s.ok()) return s;
  std::printf("%dx%d to %dx%d in %.2f s\n", picture->width, picture->height, large->width,
              large->height, took.count());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: upscale FILE.engine PICTURE OUT.png\n");
    return 2;
  }
  const lathe::Status s = upscale(argv[1], argv[2], argv[3]);
  if (s.ok()) return 0;
  std::fprintf(stderr, "upscale: %s\n", s.message().c_str());
  return 2;
}
