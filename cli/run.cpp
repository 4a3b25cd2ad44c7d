// SPDX-License-Identifier: Apache-2.0
// lathe run MODEL.onnx|FILE.engine --input ... --output NAME=FILE.npy --top 5 --labels FILE
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "command.h"
#include "engine_options.h"
#include "inputs.h"
#include "show.h"

namespace lathe::cli {
namespace {

struct RunOptions {
  EngineOptions engine;
  InputOptions inputs;
  std::vector<std::string> outputs;
  int top = 0;
  std::string labels;
  bool json = false;
};

Result<std::vector<std::string>> read_labels(const std::string& path) {
  std::vector<std::string> labels;
  if (path.empty()) return labels;
  if (Status s = check_regular(path); !s.ok()) return s;
  std::ifstream file(path);
  if (!file) return Status(Code::NotFound, fmt::format("{}: it cannot be read", path));
  for (std::string line; std::getline(file, line);) labels.push_back(line);
  return labels;
}

// NaN has no place in an order: it comes last.
double ranked(double value) {
  return std::isnan(value) ? -std::numeric_limits<double>::infinity() : value;
}

std::vector<size_t> top_indices(const std::vector<double>& values, int k) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto n = std::min(order.size(), static_cast<size_t>(k));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(),
                    [&](size_t a, size_t b) { return ranked(values[a]) > ranked(values[b]); });
  order.resize(n);
  return order;
}

void print_top(const Tensor& t, const RunOptions& o, const std::vector<std::string>& labels,
               nlohmann::json& j) {
  const std::vector<double> values = t.to_doubles();
  for (size_t i : top_indices(values, o.top)) {
    const std::string label = i < labels.size() ? labels[i] : "";
    j["top"].push_back({{"index", i}, {"value", values[i]}, {"label", label}});
    if (!o.json) fmt::print("    {:>6}  {:<12.6g} {}\n", i, values[i], label);
  }
}

// NAME=FILE, or the FILE alone of a model with one output.
struct OutputFile {
  std::string name, file;
};

OutputFile output_file(const std::string& text, const std::vector<PortInfo>& ports) {
  const size_t equals = end_of_name(text, ports);
  if (equals == std::string::npos) return {ports.size() == 1 ? ports[0].name : "", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Status save_outputs(const RunOptions& o, const Session& session,
                    const std::vector<PortInfo>& ports) {
  for (const std::string& text : o.outputs) {
    const OutputFile to = output_file(text, ports);
    Result<Tensor> t = session.output(to.name);
    if (!t.ok()) return std::move(t).status();
    if (Status s = write_tensor(to.file, *t); !s.ok()) return s;
  }
  return {};
}

// Before anything is built: what is forgotten is said at once.
Status check_all_given(const std::vector<PortInfo>& ports, const Tensors& given) {
  for (const PortInfo& p : ports) {
    if (given.contains(p.name)) continue;
    return bad(fmt::format("input '{}' {} is not given: --input {}=FILE, random:SEED or ones",
                           p.name, type_text(p), p.name));
  }
  return {};
}

Status check_outputs(const std::vector<PortInfo>& ports, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const OutputFile to = output_file(text, ports);
    if (to.name.empty())
      return bad(
          fmt::format("--output {}: expected NAME=FILE, there are {} outputs", text, ports.size()));
    if (std::none_of(ports.begin(), ports.end(), [&](const auto& p) { return p.name == to.name; }))
      return bad(fmt::format("--output {}: no output is named '{}': there are {}", text, to.name,
                             names_of(ports)));
    if (!to.file.ends_with(".npy") && !to.file.ends_with(".pb"))
      return bad(fmt::format("--output {}: expected a file that ends in .npy or .pb", text));
    if (Status s = check_writable(to.file); !s.ok()) return s;
  }
  return {};
}

Result<Tensors> read_inputs(const RunOptions& o, const std::vector<PortInfo>& inputs,
                            const std::vector<PortInfo>& outputs) {
  std::map<std::string, std::vector<int64_t>> shapes;
  if (Status s = parse_shapes(o.engine.shapes, shapes); !s.ok()) return s;
  Result<Tensors> given = load_inputs(o.inputs, inputs, shapes);
  if (!given.ok()) return given;
  if (Status s = check_all_given(inputs, *given); !s.ok()) return std::move(s).at(o.engine.file);
  if (Status s = check_outputs(outputs, o.outputs); !s.ok()) return s;
  return given;
}

int run_command(RunOptions& o) {
  Result<std::vector<std::string>> labels = read_labels(o.labels);
  if (!labels.ok()) return fail(labels.status());
  Result<Tensors> given = bad("nothing was read");
  Result<Engine> engine =
      open_engine(o.engine, [&](const auto& inputs, const auto& outputs) -> Result<Shapes> {
        given = read_inputs(o, inputs, outputs);
        return given.ok() ? Result<Shapes>(shapes_of(*given)) : given.status();
      });
  if (!engine.ok()) return fail(engine.status(), o.engine.file);
  show_reasons(*engine, o.engine);
  Engine::OpenOptions open;
  open.threads = o.engine.build.threads;
  Result<Session> session = engine->open(open);
  if (!session.ok()) return fail(session.status(), o.engine.file);
  for (const PortInfo& p : engine->inputs()) {
    if (Status s = session->set_input(p.name, given->at(p.name)); !s.ok())
      return fail(s, o.engine.file);
  }
  if (Status s = session->run(); !s.ok()) return fail(s, o.engine.file);
  nlohmann::json all = nlohmann::json::array();
  for (const PortInfo& p : engine->outputs()) {
    Result<Tensor> t = session->output(p.name);
    if (!t.ok()) return fail(t.status());
    nlohmann::json j = {{"name", p.name}, {"type", to_string(t->type())}, {"shape", t->shape()}};
    if (!o.json)
      fmt::print("{}: {}[{}]\n", printable(p.name), to_string(t->type()),
                 fmt::join(t->shape(), ","));
    if (o.top > 0) print_top(*t, o, *labels, j);
    all.push_back(std::move(j));
  }
  if (Status s = save_outputs(o, *session, engine->outputs()); !s.ok()) return fail(s);
  if (o.json) fmt::print("{}\n", json_text({{"outputs", all}}));
  return kFine;
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  CLI::App* c = app.add_subcommand("run", "Run a model or an engine on inputs");
  auto o = std::make_shared<RunOptions>();
  o->engine.add_to(*c);
  o->inputs.add_to(*c);
  c->add_option("--output", o->outputs,
                "NAME=FILE.npy or .pb; NAME= may be left out of a one-output model");
  CLI::Option* top = c->add_option("--top", o->top, "print the K largest values of each output")
                         ->check(in_range(1));
  c->add_option("--labels", o->labels, "file with a label a line, for --top")->needs(top);
  c->add_flag("--json", o->json, "print as JSON");
  c->footer(
      "Every input must be given; a model is built for the shapes of what is given.\n\n"
      "Examples:\n"
      "  lathe run resnet50.engine --input cat.jpg --mean 0.485,0.456,0.406 --scale "
      "0.0171,0.0175,0.0174 --top 5 --labels classes.txt\n"
      "  lathe run bert.onnx --bf16 --input ids=ids.npy --input mask=ones --shapes mask:1x128 "
      "--output logits=logits.npy\n"
      "  lathe run net.engine --input x=random:7 --json");
  c->callback([o, &exit_code] { exit_code = run_command(*o); });
}

}  // namespace lathe::cli
