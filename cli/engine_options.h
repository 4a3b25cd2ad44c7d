// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options that build an engine, and opening MODEL.onnx or FILE.engine alike.
#include <CLI/CLI.hpp>
#include <functional>
#include <limits>
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

  // The argument, described by `what`, and every option of `lathe build`.
  void add_to(CLI::App& command, const char* what = "MODEL.onnx or FILE.engine");
  // Shape texts into BuildOptions::shapes.
  Status finish();
  // What was given and means nothing where the argument is an engine: "--fp16, --no-tune".
  std::string build_only() const;

 private:
  std::vector<const CLI::Option*> build_only_;
  const CLI::Option* device_ = nullptr;
  friend Result<Engine> load_engine(const EngineOptions& options);
};

// A number from `least` to `most`, for CLI11.
CLI::Validator in_range(double least, double most = std::numeric_limits<double>::infinity());

// "images:1x3x224x224" (several: comma separated) into name and sizes.
Status parse_shapes(const std::vector<std::string>& texts,
                    std::map<std::string, std::vector<int64_t>>& shapes);

using Shapes = std::map<std::string, std::vector<int64_t>>;
// Reads what is given for the ports, before the minutes that a build takes; answers the input
// shapes that a model is built for where the user named none.
using ReadGiven = std::function<Result<Shapes>(const std::vector<PortInfo>& inputs,
                                               const std::vector<PortInfo>& outputs)>;

// The engine of a file, or built from a model with a progress bar.
Result<Engine> open_engine(EngineOptions& options, const ReadGiven& read = {});
Result<Model> load_model(const EngineOptions& options);
// The engine of a model, with a progress bar; the options are finished.
Result<Engine> build_model(const Model& model, EngineOptions& options);
// The engine of a file; a warning names options that only a build looks at.
Result<Engine> load_engine(const EngineOptions& options);
bool is_engine_file(const std::string& path);
// --why of a command whose standard output is its own: to stderr.
void show_reasons(const Engine& engine, const EngineOptions& options);

}  // namespace lathe::cli
