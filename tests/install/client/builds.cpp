// SPDX-License-Identifier: Apache-2.0
// builds MODEL FILE.engine: what a program does with the library that can build.
#include <cstdio>

#include "lathe/lathe.h"

int main(int, char** argv) {
  lathe::Result<lathe::Model> model = lathe::Model::load(argv[1]);
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.status().message().c_str()), 1;
  lathe::BuildOptions options;
  options.tune = false;
  options.timing_cache = "none";
  lathe::Result<lathe::Engine> engine = lathe::Engine::build(*model, options);
  if (!engine.ok()) return std::fprintf(stderr, "%s\n", engine.status().message().c_str()), 1;
  return engine->save(argv[2]).ok() ? 0 : 1;
}
