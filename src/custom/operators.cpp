// SPDX-License-Identifier: Apache-2.0
#include "custom/operators.h"

namespace lathe {

Result<std::shared_ptr<const CustomOperators>> CustomOperators::open(
    const std::vector<std::string>& ops, const std::vector<std::string>& plugins) {
  auto all = std::make_shared<CustomOperators>();
  all->definitions = LATHE_TRY(read_definitions(ops));
  all->plugins = LATHE_TRY(open_plugins(plugins));
  for (const CustomDefinition& d : all->definitions) {
    if (all->plugin(d.name) == nullptr) continue;
    return invalid("{}: operator '{}' is in a plugin, too", d.origin, d.name);
  }
  return std::shared_ptr<const CustomOperators>(std::move(all));
}

const CustomDefinition* CustomOperators::definition(std::string_view name) const {
  for (const CustomDefinition& d : definitions) {
    if (d.name == name) return &d;
  }
  return nullptr;
}

std::shared_ptr<const PluginOperator> CustomOperators::plugin(std::string_view name) const {
  for (const auto& library : plugins) {
    if (const LatheOperator* op = library->find(name); op != nullptr)
      return std::make_shared<PluginOperator>(PluginOperator{library, op});
  }
  return nullptr;
}

std::string custom_name(std::string_view domain, std::string_view type) {
  return domain.empty() ? std::string(type) : fmt::format("{}::{}", domain, type);
}

bool is_custom(const CustomOperators* custom, std::string_view domain, std::string_view type) {
  if (custom == nullptr) return false;
  const std::string name = custom_name(domain, type);
  return custom->definition(name) != nullptr || custom->plugin(name) != nullptr;
}

}  // namespace lathe
