// SPDX-License-Identifier: Apache-2.0
#include "engine/plugins.h"

#include <algorithm>

#include "custom/names.h"
#include "ops/plugin_problem.h"

namespace lathe {
namespace {

// "acme_ops 1.2.0"; empty: the step needs none.
std::string plugin_of(const Step& step) {
  return step.op.def->is("Custom") ? step.op.attrs.text("plugin") : "";
}

Result<std::shared_ptr<const PluginLibrary>> library_for(const std::string& identity,
                                                         const PluginLibraries& libraries) {
  const size_t blank = identity.rfind(' ');
  const std::string name = identity.substr(0, blank);
  const std::string version = blank == identity.npos ? "" : identity.substr(blank + 1);
  if (!is_plain_name(name) || !is_plain_name(version))
    return invalid("it needs a plugin whose name or version is none");
  for (const auto& library : libraries) {
    if (library->name() != name) continue;
    if (library->serves(version)) return library;
    return unsupported("it needs plugin {}, and {} holds {}", identity, library->path(),
                       library->identity())
        .with_cure("name a library of the same major version that is not older, or build again");
  }
  return not_found("it needs plugin {}, which is not loaded", identity)
      .with_cure("name its library: --plugin FILE.so (in Python plugins=[FILE])");
}

Status bind(Step& step, const PluginLibraries& libraries) {
  const auto library = LATHE_TRY(library_for(plugin_of(step), libraries));
  const std::string& name = step.op.attrs.text("name");
  const LatheOperator* op = library->find(name);
  if (op == nullptr) return not_found("{} has no operator {}", library->path(), name);
  const Attrs given = LATHE_TRY(Attrs::parse(step.op.attrs.text("fields"), fields_of(*op)));
  const Attrs fields = LATHE_TRY(complete_fields(*op, given));
  auto bound = std::make_shared<const PluginOperator>(PluginOperator{library, op});
  const std::string signature = LATHE_TRY(plugin_signature(*bound, fields, step.op.in));
  if (signature != step.op.attrs.text("signature")) {
    return invalid("plugin {} says {}, and was built as {}", library->identity(), signature,
                   step.op.attrs.text("signature"));
  }
  step.op.plugin = std::move(bound);
  return {};
}

}  // namespace

std::vector<std::string> plugins_needed(const Plan& plan) {
  std::vector<std::string> needed;
  for (const Step& s : plan.steps) {
    const std::string plugin = plugin_of(s);
    if (!plugin.empty() && std::find(needed.begin(), needed.end(), plugin) == needed.end())
      needed.push_back(plugin);
  }
  return needed;
}

Status bind_plugins(Plan& plan, const PluginLibraries& libraries) {
  for (Step& s : plan.steps) {
    if (plugin_of(s).empty()) continue;
    LATHE_TRY(
        bind(s, libraries).at(fmt::format("step '{}' ({})", s.name, s.op.attrs.text("name"))));
  }
  return {};
}

}  // namespace lathe
