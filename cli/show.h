// SPDX-License-Identifier: Apache-2.0
#pragma once
// Engines as text and JSON.
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "lathe/lathe.h"

namespace lathe::cli {

// Names are a stranger's: control characters, which would move the terminal's cursor or begin a
// line that we did not write, as '?'.
std::string printable(std::string text);
std::string json_text(const nlohmann::json& json);  // bytes that are no UTF-8 replaced

std::string type_text(const PortInfo& port);  // "f32[N,3,224,224]"
std::string summary(const Engine& engine);    // inputs, outputs, steps, certificate
// Of a model that no engine can be made of: inputs, outputs, the nodes that stand against it.
std::string summary(const std::string& name, const Model& model, const OptimizedModel& optimized);
std::string layers(const Engine& engine);   // a table of steps
std::string reasons(const Engine& engine);  // why, step by step
nlohmann::json engine_json(const Engine& engine);
nlohmann::json model_json(const std::string& name, const Model& model,
                          const OptimizedModel& optimized);

}  // namespace lathe::cli
