// SPDX-License-Identifier: Apache-2.0
#include "show.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace lathe::cli {
namespace {

std::string shortened(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 3) + "...";
}

// "Conv" of "Conv{...}(...)".
std::string op_name(const StepInfo& s) { return s.op.substr(0, s.op.find_first_of("{(")); }

std::string micros(double seconds) { return fmt::format("{:.1f}", seconds * 1e6); }

std::string sizes_text(const std::vector<int64_t>& sizes) {
  std::string text;
  for (const int64_t s : sizes)
    text += (text.empty() ? "" : "x") + (s < 0 ? std::string("any") : std::to_string(s));
  return text;
}

// "  from 1x3x8x8 to 1x3x64x64, tuned at 1x3x32x32" of an input that is not fixed.
std::string profile_text(const Engine& engine, const PortInfo& port) {
  const Result<InputProfile> p = engine.profile(port.name);
  if (!p.ok() || p->min == p->max) return "";
  return fmt::format("  from {} to {}, tuned at {}", sizes_text(p->min), sizes_text(p->max),
                     sizes_text(p->opt));
}

// Bytes of a session on the engine's device at the sizes that it was tuned at.
std::optional<int64_t> memory_at_tuned_point(const Engine& engine) {
  Result<Session> session = engine.open();
  if (!session.ok()) return std::nullopt;
  for (const PortInfo& p : engine.inputs()) {
    const Result<InputProfile> profile = engine.profile(p.name);
    if (!profile.ok() || !session->set_shape(p.name, profile->opt).ok()) return std::nullopt;
  }
  const Result<int64_t> bytes = session->device_memory_size();
  return bytes.ok() ? std::optional(*bytes) : std::nullopt;
}

nlohmann::json ports_json(const std::vector<PortInfo>& ports) {
  nlohmann::json list = nlohmann::json::array();
  for (const PortInfo& p : ports) list.push_back({{"name", p.name}, {"type", type_text(p)}});
  return list;
}

}  // namespace

std::string printable(std::string text) {
  auto moves = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), moves, '?');
  return text;
}

std::string json_text(const nlohmann::json& json) {
  constexpr int kIndent = 2;
  return json.dump(kIndent, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string type_text(const PortInfo& port) {
  std::string dims;
  for (const DimInfo& d : port.shape) {
    dims += (dims.empty() ? "" : ",") + (d.size >= 0 ? std::to_string(d.size) : d.symbol);
  }
  return fmt::format("{}[{}]", to_string(port.type), printable(dims));
}

std::string summary(const Engine& engine) {
  std::string text = fmt::format("{} on {}\n", printable(engine.model_name()), engine.device());
  for (const PortInfo& p : engine.inputs())
    text += fmt::format("  input   {:<24} {}{}\n", printable(p.name), type_text(p),
                        profile_text(engine, p));
  for (const PortInfo& p : engine.outputs())
    text += fmt::format("  output  {:<24} {}\n", printable(p.name), type_text(p));
  for (const std::string& p : engine.plugins()) text += fmt::format("  needs   plugin {}\n", p);
  const std::vector<StepInfo> steps = engine.steps();
  double seconds = 0;
  size_t checked = 0;
  for (const StepInfo& s : steps) {
    seconds += s.seconds, checked += s.checked;
    // What the user wrote and is wrong does not hide behind --why.
    const size_t rejected = s.op.starts_with("Custom") ? s.why.find("rejected: ") : s.why.npos;
    if (rejected != s.why.npos)
      text += fmt::format("  warning step '{}': {}\n", printable(s.name),
                          printable(s.why.substr(rejected)));
  }
  text += fmt::format("  {} nodes became {} steps; their times add up to {:.3f} ms\n",
                      engine.nodes_in_model(), steps.size(), seconds * 1e3);
  if (engine.build_seconds() > 0)
    text += fmt::format("  built in {:.1f} s: tuning {:.1f}, checking {:.1f}\n",
                        engine.build_seconds(), engine.tuning_seconds(), engine.checking_seconds());
  text += fmt::format(
      "  certificate: {} of {} steps checked against the reference, largest error {:.2g}", checked,
      steps.size(), engine.certified_step_error());
  const std::vector<double> end = engine.certified_end_to_end();
  if (!end.empty()) {
    text += fmt::format("; whole against the unfused FP32 chain {:.2g}",
                        *std::max_element(end.begin(), end.end()));
  }
  text += "\n";
  if (const std::optional<int64_t> bytes = memory_at_tuned_point(engine)) {
    text += fmt::format("  memory MB: weights {:.1f}, activations and workspace {:.1f}\n",
                        static_cast<double>(engine.weight_bytes()) / 1e6,
                        static_cast<double>(*bytes) / 1e6);
  }
  return text;
}

std::string summary(const std::string& name, const Model& model, const OptimizedModel& optimized) {
  std::string text = fmt::format("{}\n", printable(name));
  for (const PortInfo& p : model.inputs())
    text += fmt::format("  input   {:<24} {}\n", printable(p.name), type_text(p));
  for (const PortInfo& p : model.outputs())
    text += fmt::format("  output  {:<24} {}\n", printable(p.name), type_text(p));
  text +=
      fmt::format("  {} nodes; no engine yet: control flow cannot be run\n", model.node_count());
  for (const std::string& node : optimized.control_flow)
    text += fmt::format("  cannot be run  {}\n", printable(node));
  return text;
}

std::string layers(const Engine& engine) {
  std::string text = fmt::format("{:>4}  {:<40} {:<12} {:<24} {:>10} {:>9}\n", "step", "nodes",
                                 "operator", "tactic", "us", "error");
  int k = 0;
  for (const StepInfo& s : engine.steps()) {
    const std::string tactic = s.config.empty() ? s.tactic : s.tactic + " " + s.config;
    text += fmt::format("{:>4}  {:<40} {:<12} {:<24} {:>10} {:>9}\n", k++,
                        shortened(printable(s.name), 40), op_name(s), shortened(tactic, 24),
                        micros(s.seconds), s.checked ? fmt::format("{:.1e}", s.max_error) : "-");
  }
  return text;
}

std::string reasons(const Engine& engine) {
  std::string text;
  int k = 0;
  for (const StepInfo& s : engine.steps()) {
    text += fmt::format("{:>4}  {}\n      {}\n      {} {} {} us{}\n", k++, printable(s.name),
                        printable(s.op), s.tactic, s.config, micros(s.seconds),
                        s.measured ? "" : " (cost model)");
    if (!s.why.empty()) text += fmt::format("      {}\n", printable(s.why));
  }
  return text;
}

nlohmann::json model_json(const std::string& name, const Model& model,
                          const OptimizedModel& optimized) {
  return {{"model", name},
          {"nodes", model.node_count()},
          {"inputs", ports_json(model.inputs())},
          {"outputs", ports_json(model.outputs())},
          {"cannot_run", optimized.control_flow}};
}

nlohmann::json engine_json(const Engine& engine) {
  nlohmann::json j = {{"model", engine.model_name()},
                      {"device", engine.device()},
                      {"nodes", engine.nodes_in_model()},
                      {"build_s", engine.build_seconds()},
                      {"tuning_s", engine.tuning_seconds()},
                      {"checking_s", engine.checking_seconds()},
                      {"inputs", ports_json(engine.inputs())},
                      {"outputs", ports_json(engine.outputs())},
                      {"certificate",
                       {{"step_error", engine.certified_step_error()},
                        {"end_to_end", engine.certified_end_to_end()}}}};
  for (nlohmann::json& input : j["inputs"]) {
    const Result<InputProfile> p = engine.profile(input["name"].get<std::string>());
    if (p.ok()) input["profile"] = {{"min", p->min}, {"opt", p->opt}, {"max", p->max}};
  }
  const std::optional<int64_t> scratch = memory_at_tuned_point(engine);
  j["memory"] = {{"weights", engine.weight_bytes()}, {"scratch", scratch.value_or(-1)}};
  for (const StepInfo& s : engine.steps()) {
    j["steps"].push_back({{"name", s.name},
                          {"op", s.op},
                          {"device", s.device},
                          {"tactic", s.tactic},
                          {"config", s.config},
                          {"seconds", s.seconds},
                          {"measured", s.measured},
                          {"why", s.why},
                          {"checked", s.checked},
                          {"max_error", s.max_error}});
  }
  return j;
}

}  // namespace lathe::cli
