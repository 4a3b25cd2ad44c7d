// SPDX-License-Identifier: Apache-2.0
#pragma once
// Input tensors from the command line: NAME=FILE.npy|.pb|.png|.jpg|random:SEED|ones.
#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "lathe/lathe.h"
#include "picture.h"

namespace lathe::cli {

struct InputOptions {
  std::vector<std::string> inputs;  // NAME=SOURCE; the name may be left out of a one-input model
  PictureOptions pictures;
  void add_to(CLI::App& command);
};

using Tensors = std::map<std::string, Tensor>;

std::string names_of(const std::vector<PortInfo>& ports);  // "image, mask"
// Where NAME ends in NAME=FILE: names of ports may hold '=' themselves. npos: there is no NAME.
size_t end_of_name(const std::string& text, const std::vector<PortInfo>& ports);

// The tensors named on the command line, by input; errors name input, file and what was expected.
// `shapes`: of tensors that are made, not read.
Result<Tensors> load_inputs(const InputOptions& options, const std::vector<PortInfo>& ports,
                            const std::map<std::string, std::vector<int64_t>>& shapes);
// Random values for inputs that are not given: sizes of symbols from `sizes`, else 1.
Result<Tensor> random_tensor(const PortInfo& port, uint64_t seed,
                             const std::vector<int64_t>& sizes);
// Shape of a port where every size is known; symbols become 1 (first dimension) or `other`.
std::vector<int64_t> default_sizes(const PortInfo& port, int64_t other);
std::map<std::string, std::vector<int64_t>> shapes_of(const Tensors& tensors);

}  // namespace lathe::cli
