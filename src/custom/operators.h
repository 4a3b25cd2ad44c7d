// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the user named with --op and --plugin: the operators that a model may use beside ONNX's.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "custom/definition.h"
#include "custom/library.h"

namespace lathe {

struct CustomOperators {
  std::vector<CustomDefinition> definitions;
  PluginLibraries plugins;

  // `ops` as read_definitions takes them, `plugins` paths of libraries. An operator that both
  // define is refused.
  static Result<std::shared_ptr<const CustomOperators>> open(
      const std::vector<std::string>& ops, const std::vector<std::string>& plugins);
  // By "domain::Operator"; null: not defined.
  const CustomDefinition* definition(std::string_view name) const;
  std::shared_ptr<const PluginOperator> plugin(std::string_view name) const;
};

// "domain::Operator", or "Operator" where the domain is ai.onnx's, "".
std::string custom_name(std::string_view domain, std::string_view type);
bool is_custom(const CustomOperators* custom, std::string_view domain, std::string_view type);

}  // namespace lathe
