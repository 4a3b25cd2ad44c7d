// SPDX-License-Identifier: Apache-2.0
// runs FILE.engine: what a program does with the library that only runs engines.
#include <cstdio>

#include "lathe/lathe.h"

int main(int, char** argv) {
  lathe::Result<lathe::Engine> engine = lathe::Engine::load(argv[1]);
  if (!engine.ok()) return std::fprintf(stderr, "%s\n", engine.status().message().c_str()), 1;
  lathe::Result<lathe::Session> session = engine->open();
  if (!session.ok()) return std::fprintf(stderr, "%s\n", session.status().message().c_str()), 1;
  const std::vector<float> pixels(64, 0.5f);
  lathe::Status s =
      session->set_input("image", lathe::Tensor::of<float>({1, 1, 8, 8}, std::span(pixels)));
  if (s.ok()) s = session->run();
  if (!s.ok()) {
    s = std::move(s).at("digits");
    return std::fprintf(stderr, "%s: %s\n", to_string(s.code()), s.message().c_str()), 1;
  }
  std::printf("%zu logits by lathe %s\n", session->output("logits")->data<float>().size(),
              lathe::version());
  return 0;
}
