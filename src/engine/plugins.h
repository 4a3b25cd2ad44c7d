// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plugins behind a plan's Custom steps. An engine names them; only the user names their files.
#include <string>
#include <vector>

#include "custom/library.h"
#include "engine/plan.h"

namespace lathe {

// "acme_ops 1.2.0", each once, in the order of the steps.
std::vector<std::string> plugins_needed(const Plan& plan);
// Gives every step that needs a plugin its code. Fails when one is not among `libraries`, is of
// another version, or describes the operator otherwise than the plan does.
Status bind_plugins(Plan& plan, const PluginLibraries& libraries);

}  // namespace lathe
