// SPDX-License-Identifier: Apache-2.0
#pragma once
// Custom operators as data: what `--op FILE` holds. docs/custom_operators.md has the schema.
//
//   std::vector<CustomDefinition> ops = LATHE_TRY(parse_definitions(json, "swish.json"));
//
// A definition is a signature, a twin (an expression over elements, or a composition of ONNX's
// operators), and perhaps a CUDA kernel. It is data: nothing of it runs on the host.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace lathe {

// Alternatives in the order of LATHE_FIELD_*.
using CustomValue =
    std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

struct CustomAttribute {
  std::string name;
  size_t kind = 0;                        // index of CustomValue's alternatives
  std::optional<CustomValue> by_default;  // none: the node must give it
};

struct CustomKernel {
  std::string source;             // CUDA C++
  std::string function;           // extern "C" __global__
  std::vector<std::string> grid;  // up to three expressions over the signature's symbols
  std::vector<std::string> block;
  std::string shared = "0";            // bytes of dynamic shared memory
  std::vector<std::string> arguments;  // 64-bit integers behind the pointers
};

struct CustomDefinition {
  std::string name;    // "com.acme::Swish"; without a domain: an operator of ONNX's own
  std::string origin;  // the file, for messages
  std::string doc;
  std::string signature;  // "(x: T[...,C], w: T[C]) -> (y: T[...,C])"
  std::vector<std::pair<std::string, std::vector<std::string>>> types;  // T: f32, f16
  std::vector<CustomAttribute> attributes;
  std::string expression;                // the twin: of one element
  std::vector<std::string> composition;  // the twin: lines "y = Op{a=1}(x)"
  int opset = 0;                         // of the composition; 0: the model's
  std::optional<CustomKernel> cuda;
  double tolerance = 16;  // units in the last place of the largest |result|
};

// All definitions of a text; errors name `origin` and the operator.
Result<std::vector<CustomDefinition>> parse_definitions(std::string_view json,
                                                        const std::string& origin);
// Of files and texts (an item that begins with '{' is the JSON itself). A kernel's "file" is read
// from the folder of the file that names it.
Result<std::vector<CustomDefinition>> read_definitions(const std::vector<std::string>& items);

}  // namespace lathe
