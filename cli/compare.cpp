// SPDX-License-Identifier: Apache-2.0
// lathe compare MODEL.onnx|FILE.engine [--data DIR] [--against reference]: exit 1 when different.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "command.h"
#include "engine_options.h"
#include "inputs.h"
#include "show.h"

namespace lathe::cli {
namespace {

struct CompareOptions {
  EngineOptions engine;
  InputOptions inputs;
  std::string data, against;
  double rtol = 1e-3, atol = 1e-5, cosine = -1;
  bool top1 = false, json = false;
  std::vector<std::string> map;
  uint64_t seed = 1;
};

// How one output agrees with what was expected.
struct Agreement {
  double max_abs = 0, max_rel = 0;  // largest |a-b|; largest |a-b| over the largest |b|
  double worst = 0;                 // largest |a-b| / (atol + rtol*|b|)
  double dot = 0, aa = 0, bb = 0;
  int64_t rows = 0, same_top = 0, elements = 0;
  double largest = 0;
  double cosine() const { return aa == 0 && bb == 0 ? 1 : dot / std::sqrt(aa * bb); }
  double top1() const {
    return rows == 0 ? 1 : static_cast<double>(same_top) / static_cast<double>(rows);
  }
};

void add(Agreement& g, const std::vector<double>& got, const std::vector<double>& want,
         int64_t rows, const CompareOptions& o) {
  const auto n = static_cast<int64_t>(want.size());
  for (int64_t i = 0; i < n; ++i) {
    const double a = got[static_cast<size_t>(i)], b = want[static_cast<size_t>(i)];
    if ((std::isnan(a) && std::isnan(b)) || a == b) {
      if (std::isfinite(b))
        g.dot += a * b, g.aa += a * a, g.bb += b * b, g.largest = std::max(g.largest, std::abs(b));
      continue;
    }
    double error = std::abs(a - b);
    if (!std::isfinite(error)) error = std::numeric_limits<double>::infinity();
    g.max_abs = std::max(g.max_abs, error);
    g.worst = std::max(g.worst, error / (o.atol + o.rtol * std::abs(b)));
    g.largest = std::max(g.largest, std::abs(b));
    g.dot += a * b, g.aa += a * a, g.bb += b * b;
  }
  g.max_rel = g.largest > 0 ? g.max_abs / g.largest : g.max_abs;
  g.elements += n;
  const int64_t width = rows > 0 ? n / rows : 0;
  for (int64_t r = 0; r < rows && width > 0; ++r) {
    auto top = [&](const std::vector<double>& v) {
      return std::max_element(v.begin() + r * width, v.begin() + (r + 1) * width) - v.begin();
    };
    g.same_top += top(got) == top(want);
    ++g.rows;
  }
}

bool passes(const Agreement& g, const CompareOptions& o) {
  if (o.top1 && g.top1() < 1) return false;
  if (o.cosine >= 0) return g.cosine() >= o.cosine;
  return o.top1 || g.worst <= 1;
}

// The files of a data folder by port name.
struct Data {
  Tensors inputs, outputs;
};

Result<Data> load_data(const CompareOptions& o, const std::vector<PortInfo>& ins,
                       const std::vector<PortInfo>& outs) {
  Data data;
  auto add_file = [&](const std::string& file, const std::string& name) -> Status {
    Result<Tensor> t = read_tensor((std::filesystem::path(o.data) / file).string());
    if (!t.ok()) return std::move(t).status();
    const bool is_input =
        std::any_of(ins.begin(), ins.end(), [&](const PortInfo& p) { return p.name == name; });
    const bool is_output =
        std::any_of(outs.begin(), outs.end(), [&](const PortInfo& p) { return p.name == name; });
    if (!is_input && !is_output)
      return bad(fmt::format("--map {}={}: the model has no such input or output", file, name));
    (is_input ? data.inputs : data.outputs).insert_or_assign(name, *std::move(t));
    return {};
  };
  for (const std::string& m : o.map) {
    const size_t equals = m.find('=');
    if (equals == std::string::npos)
      return bad(fmt::format("--map {}: expected FILE.pb=TENSOR", m));
    if (Status s = add_file(m.substr(0, equals), m.substr(equals + 1)); !s.ok()) return s;
  }
  // By the names inside the files where all of them are names of the model's, else in order.
  auto numbered = [&](const char* stem, const std::vector<PortInfo>& ports,
                      Tensors& into) -> Status {
    std::vector<Tensor> files;
    for (size_t k = 0; k < ports.size(); ++k) {
      for (const char* ending : {".pb", ".npy"}) {
        const auto file = std::filesystem::path(o.data) / fmt::format("{}_{}{}", stem, k, ending);
        if (!std::filesystem::exists(file)) continue;
        Result<Tensor> t = read_tensor(file.string());
        if (!t.ok()) return std::move(t).status();
        files.push_back(*std::move(t));
        break;
      }
    }
    std::set<std::string> names;
    for (const PortInfo& p : ports) names.insert(p.name);
    size_t known = 0;
    for (const Tensor& t : files) known += names.erase(t.name());
    for (size_t k = 0; k < files.size(); ++k) {
      const std::string name = known == files.size() ? files[k].name() : ports[k].name;
      into.insert_or_assign(name, std::move(files[k]));
    }
    return {};
  };
  if (Status s = numbered("input", ins, data.inputs); !s.ok()) return s;
  if (Status s = numbered("output", outs, data.outputs); !s.ok()) return s;
  if (data.inputs.empty())
    return bad(fmt::format("{}: no input_0.pb there, and --map names no other", o.data));
  for (const PortInfo& p : ins) {
    auto it = data.inputs.find(p.name);
    if (it == data.inputs.end())
      return bad(fmt::format("{}: it has no data for input '{}'", o.data, p.name));
    Result<Tensor> t = it->second.converted(p.type);
    if (!t.ok()) return std::move(t).status();
    it->second = *std::move(t);
  }
  return data;
}

// Rows [first, first + count) of the first dimension.
Tensor rows_of(const Tensor& t, int64_t first, int64_t count) {
  std::vector<int64_t> shape = t.shape();
  const int64_t all = shape[0];
  shape[0] = count;
  Tensor part = *Tensor::make(t.type(), shape);
  const size_t row = all > 0 ? t.bytes().size() / static_cast<size_t>(all) : 0;
  std::memcpy(part.mutable_bytes().data(), t.bytes().data() + row * static_cast<size_t>(first),
              row * static_cast<size_t>(count));
  return part;
}

// Runs all inputs; where the model's first dimension is fixed and the data's is a multiple of it,
// in pieces.
Result<std::map<std::string, std::vector<std::vector<double>>>> run_all(const Engine& engine,
                                                                        const Tensors& inputs,
                                                                        int threads,
                                                                        int64_t* pieces) {
  Engine::OpenOptions open;
  open.threads = threads;
  Result<Session> session = engine.open(open);
  if (!session.ok()) return std::move(session).status();
  *pieces = 1;
  for (const PortInfo& p : engine.inputs()) {
    const std::vector<int64_t>& shape = inputs.at(p.name).shape();
    if (p.shape.empty() || shape.empty() || p.shape[0].size <= 0 || shape[0] == p.shape[0].size)
      continue;
    if (shape[0] % p.shape[0].size != 0) continue;  // set_input says what is wrong
    *pieces = std::max(*pieces, shape[0] / p.shape[0].size);
  }
  std::map<std::string, std::vector<std::vector<double>>> outputs;
  for (int64_t piece = 0; piece < *pieces; ++piece) {
    for (const PortInfo& p : engine.inputs()) {
      const Tensor& all = inputs.at(p.name);
      const int64_t rows = all.shape().empty() ? 1 : all.shape()[0] / *pieces;
      const bool cut = *pieces > 1 && !all.shape().empty();
      if (Status s = session->set_input(p.name, cut ? rows_of(all, piece * rows, rows) : all);
          !s.ok())
        return s;
    }
    if (Status s = session->run(); !s.ok()) return s;
    for (const PortInfo& p : engine.outputs()) {
      Result<Tensor> t = session->output(p.name);
      if (!t.ok()) return std::move(t).status();
      outputs[p.name].push_back(t->to_doubles());
      outputs[p.name].back().push_back(
          t->shape().empty() ? 1 : static_cast<double>(t->shape()[0]));  // rows, last
    }
  }
  return outputs;
}

Result<Engine> reference_engine(const CompareOptions& o, const Tensors& inputs) {
  if (is_engine_file(o.engine.file))
    return bad("--against reference needs the model: an engine does not hold it whole");
  Result<Model> model = Model::load(o.engine.file, o.engine.model);
  if (!model.ok()) return std::move(model).status();
  BuildOptions b;
  b.threads = o.engine.build.threads;
  for (const auto& [name, t] : inputs) b.shapes[name] = {t.shape()};
  b.tune = b.fuse = false;
  b.verify = VerifyMode::Off;
  b.timing_cache = "none";
  b.test_settings = {"reference_only"};
  return Engine::build(*model, b);
}

int report(const CompareOptions& o, const std::map<std::string, Agreement>& all) {
  bool fine = true;
  nlohmann::json j = nlohmann::json::array();
  for (const auto& [name, g] : all) {
    const bool ok = passes(g, o);
    fine = fine && ok;
    j.push_back({{"output", name},
                 {"max_abs", g.max_abs},
                 {"max_rel", g.max_rel},
                 {"cosine", g.cosine()},
                 {"top1", g.top1()},
                 {"pass", ok}});
    if (o.json) continue;
    fmt::print("{:<28} max abs {:.3g}  max rel {:.3g}  cosine {:.9f}  top-1 {}/{}  {}\n", name,
               g.max_abs, g.max_rel, g.cosine(), g.same_top, g.rows, ok ? "same" : "DIFFERENT");
  }
  if (o.json) fmt::print("{}\n", nlohmann::json{{"outputs", j}, {"pass", fine}}.dump(2));
  return fine ? kFine : kDifferent;
}

Result<Data> gather(const CompareOptions& o, const std::vector<PortInfo>& ins,
                    const std::vector<PortInfo>& outs) {
  if (!o.data.empty()) return load_data(o, ins, outs);
  std::map<std::string, std::vector<int64_t>> shapes;
  if (Status s = parse_shapes(o.engine.shapes, shapes); !s.ok()) return s;
  Result<Tensors> given = load_inputs(o.inputs, ins, shapes);
  if (!given.ok()) return given.status();
  Data data{*std::move(given), {}};
  for (const PortInfo& p : ins) {
    if (data.inputs.contains(p.name)) continue;
    Result<Tensor> t =
        random_tensor(p, o.seed, shapes.contains(p.name) ? shapes[p.name] : default_sizes(p, 64));
    if (!t.ok()) return std::move(t).status();
    data.inputs.emplace(p.name, *std::move(t));
  }
  return data;
}

int compare_command(CompareOptions& o) {
  if (o.data.empty() && o.against.empty()) o.against = "reference";
  std::vector<PortInfo> ins, outs;
  Result<Engine> engine = bad("");
  if (is_engine_file(o.engine.file)) {
    engine = Engine::load(o.engine.file, o.engine.model.plugins);
    if (!engine.ok()) return fail(engine.status(), o.engine.file);
    ins = engine->inputs(), outs = engine->outputs();
  } else {
    Result<Model> model = Model::load(o.engine.file, o.engine.model);
    if (!model.ok()) return fail(model.status());
    ins = model->inputs(), outs = model->outputs();
  }
  Result<Data> data = gather(o, ins, outs);
  if (!data.ok()) return fail(data.status());
  if (!engine.ok()) {
    std::map<std::string, std::vector<int64_t>> fixed;
    for (const PortInfo& p : ins) {
      std::vector<int64_t> shape = data->inputs.at(p.name).shape();
      if (!shape.empty() && !p.shape.empty() && p.shape[0].size > 0) shape[0] = p.shape[0].size;
      fixed[p.name] = std::move(shape);
    }
    engine = open_engine(o.engine, fixed);
    if (!engine.ok()) return fail(engine.status(), o.engine.file);
  }
  show_reasons(*engine, o.engine);
  int64_t pieces = 1;
  auto got = run_all(*engine, data->inputs, o.engine.build.threads, &pieces);
  if (!got.ok()) return fail(got.status(), o.engine.file);
  std::map<std::string, Agreement> all;
  auto compare = [&](const std::string& name, const std::vector<std::vector<double>>& mine,
                     const std::vector<double>& want) -> Status {
    std::vector<double> joined;
    int64_t rows = 0;
    for (const auto& piece : mine) {
      joined.insert(joined.end(), piece.begin(), piece.end() - 1);
      rows += static_cast<int64_t>(piece.back());
    }
    if (joined.size() != want.size()) {
      return bad(fmt::format("output '{}' has {} elements, {} were expected", name, joined.size(),
                             want.size()));
    }
    add(all[name], joined, want, rows, o);
    return {};
  };
  for (const auto& [name, t] : data->outputs) {
    if (Status s = compare(name, (*got)[name], t.to_doubles()); !s.ok())
      return fail(s, o.engine.file);
  }
  if (o.against == "reference") {
    Tensors first;
    for (const PortInfo& p : ins) {
      const Tensor& t = data->inputs.at(p.name);
      first.emplace(p.name,
                    pieces > 1 && !t.shape().empty() ? rows_of(t, 0, t.shape()[0] / pieces) : t);
    }
    Result<Engine> reference = reference_engine(o, first);
    if (!reference.ok()) return fail(reference.status(), o.engine.file);
    int64_t one = 1;
    auto want = run_all(*reference, first, o.engine.build.threads, &one);
    if (!want.ok()) return fail(want.status(), o.engine.file);
    for (auto& [name, parts] : *want) {
      parts[0].pop_back();
      if (Status s = compare(name, {(*got)[name][0]}, parts[0]); !s.ok())
        return fail(s, o.engine.file);
    }
  }
  if (all.empty())
    return fail(bad(fmt::format("{}: there is nothing to compare with: no output_0.pb", o.data)));
  return report(o, all);
}

}  // namespace

void add_compare(CLI::App& app, int& exit_code) {
  CLI::App* c = app.add_subcommand(
      "compare", "Compare a model's or an engine's outputs with data or with the reference");
  auto o = std::make_shared<CompareOptions>();
  o->engine.add_to(*c);
  o->inputs.add_to(*c);
  c->add_option("--data", o->data, "folder with input_K.pb and output_K.pb");
  c->add_option("--map", o->map, "FILE.pb=TENSOR for files of other names");
  c->add_option("--against", o->against, "reference: run the model by the slow reference too")
      ->check(CLI::IsMember({"reference"}));
  c->add_option("--rtol", o->rtol, "relative tolerance")->capture_default_str();
  c->add_option("--atol", o->atol, "absolute tolerance")->capture_default_str();
  c->add_option("--cosine", o->cosine,
                "pass when the cosine is at least this, instead of tolerances");
  c->add_flag("--top1", o->top1, "pass when the largest element of every row is the same one");
  c->add_option("--seed", o->seed, "of random inputs");
  c->add_flag("--json", o->json, "print as JSON");
  c->callback([o, &exit_code] { exit_code = compare_command(*o); });
}

}  // namespace lathe::cli
