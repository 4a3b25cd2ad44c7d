// SPDX-License-Identifier: Apache-2.0
// lathe ops | devices | version
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "command.h"
#include "show.h"

namespace lathe::cli {
namespace {

int show_ops(bool json) {
  nlohmann::json list = nlohmann::json::array();
  for (const OpDescription& op : operators()) {
    if (json) {
      list.push_back({{"name", op.name},
                      {"operands", op.operands},
                      {"results", op.results},
                      {"doc", op.doc},
                      {"attributes", op.attributes}});
      continue;
    }
    fmt::print("{} ({}) -> {}\n", op.name, op.operands, op.results);
    for (const std::string& a : op.attributes) fmt::print("    {}\n", a);
  }
  if (json) fmt::print("{}\n", json_text(list));
  return kFine;
}

int show_devices(bool json) {
  nlohmann::json list = nlohmann::json::array();
  for (const DeviceDescription& d : devices()) {
    if (json) {
      list.push_back({{"id", d.id},
                      {"name", d.name},
                      {"features", d.features},
                      {"libraries", d.libraries},
                      {"error", d.error}});
    } else if (d.error.empty()) {
      fmt::print("{:<8} {} ({}; {})\n", d.id, d.name, d.features, d.libraries);
    } else {
      fmt::print("{:<8} not usable: {}\n", d.id, d.error);
    }
  }
  if (json) fmt::print("{}\n", json_text(list));
  return kFine;
}

}  // namespace

void add_facts(CLI::App& app, int& exit_code) {
  auto json = std::make_shared<bool>(false);
  CLI::App* ops = app.add_subcommand("ops", "List Lathe's operators");
  ops->add_flag("--json", *json, "print as JSON");
  ops->callback([json, &exit_code] { exit_code = show_ops(*json); });
  CLI::App* devices = app.add_subcommand("devices", "List the devices found here");
  devices->add_flag("--json", *json, "print as JSON");
  devices->callback([json, &exit_code] { exit_code = show_devices(*json); });
  CLI::App* v = app.add_subcommand("version", "Print the version");
  v->add_flag("--json", *json, "print as JSON");
  v->callback([json, &exit_code] {
    fmt::print(fmt::runtime(*json ? "{{\"version\": \"{}\"}}\n" : "lathe {}\n"), version());
    exit_code = kFine;
  });
}

}  // namespace lathe::cli
