// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options that build an engine, and opening MODEL.onnx or FILE.engine alike.
#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "lathe/lathe.h"

namespace lathe::cli {

struct EngineOptions {
  std::string file;
  BuildOptions build;
  ModelOptions model;
  std::vector<std::string> shapes, min_shapes, opt_shapes, max_shapes;
  std::string verify = "sample";
  bool no_tune = false, no_fuse = false, why = false;

  // MODEL argument and every option of `lathe build`.
  void add_to(CLI::App& command);
  // Shape texts into BuildOptions::shapes.
  Status finish();
};

// "images:1x3x224x224" (several: comma separated) into name and sizes.
Status parse_shapes(const std::vector<std::string>& texts,
                    std::map<std::string, std::vector<int64_t>>& shapes);

// The engine of a file, or built from a model with a progress bar. `fixed` input shapes (of tensors
// that are given) are used where the user named none.
Result<Engine> open_engine(EngineOptions& options,
                           const std::map<std::string, std::vector<int64_t>>& fixed = {});
bool is_engine_file(const std::string& path);
// --why of a command whose standard output is its own: to stderr.
void show_reasons(const Engine& engine, const EngineOptions& options);

}  // namespace lathe::cli
