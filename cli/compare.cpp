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
  std::string output, against;      // its name; "data" or "reference"
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
    const auto best = static_cast<size_t>(top(want));
    g.same_top +=
        static_cast<size_t>(top(got)) == best && std::isnan(got[best]) == std::isnan(want[best]);
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

// How often an input of the model's size goes into the data's: 0 where it is to be given whole.
int64_t pieces_of(const PortInfo& port, const Tensor& data) {
  if (port.shape.empty() || data.shape().empty() || port.shape[0].size <= 0) return 0;
  const int64_t rows = data.shape()[0], of_model = port.shape[0].size;
  return rows == of_model || rows % of_model != 0 ? 0 : rows / of_model;
}

// Runs in which the data goes through the model; 1 where it goes through whole.
Result<int64_t> count_pieces(const std::vector<PortInfo>& ports, const Tensors& inputs) {
  int64_t pieces = 0;
  for (const PortInfo& p : ports) {
    const int64_t n = pieces_of(p, inputs.at(p.name));
    if (n > 0 && pieces > 0 && n != pieces)
      return bad(fmt::format("input '{}': its data is enough for {} runs, that of others for {}",
                             p.name, n, pieces));
    pieces = std::max(pieces, n);
  }
  return std::max<int64_t>(pieces, 1);
}

Tensor piece_of(const PortInfo& port, const Tensor& data, int64_t piece, int64_t pieces) {
  const bool dynamic = !port.shape.empty() && port.shape[0].size < 0 && !data.shape().empty() &&
                       data.shape()[0] % pieces == 0;
  if (pieces == 1 || (!dynamic && pieces_of(port, data) == 0)) return data;
  const int64_t rows = data.shape()[0] / pieces;
  return rows_of(data, piece * rows, rows);
}

// The values of an output over all runs, and how many rows they are.
struct Output {
  std::vector<double> values;
  int64_t rows = 0;
};

// Runs the first `runs` of the data's pieces.
Result<std::map<std::string, Output>> run_pieces(const Engine& engine, const Tensors& inputs,
                                                 int threads, int64_t runs, int64_t pieces) {
  Engine::OpenOptions open;
  open.threads = threads;
  Result<Session> session = engine.open(open);
  if (!session.ok()) return std::move(session).status();
  std::map<std::string, Output> outputs;
  for (int64_t piece = 0; piece < runs; ++piece) {
    for (const PortInfo& p : engine.inputs()) {
      if (Status s = session->set_input(p.name, piece_of(p, inputs.at(p.name), piece, pieces));
          !s.ok())
        return s;
    }
    if (Status s = session->run(); !s.ok()) return s;
    for (const PortInfo& p : engine.outputs()) {
      Result<Tensor> t = session->output(p.name);
      if (!t.ok()) return std::move(t).status();
      const std::vector<double> values = t->to_doubles();
      Output& out = outputs[p.name];
      out.values.insert(out.values.end(), values.begin(), values.end());
      out.rows += t->shape().empty() ? 1 : t->shape()[0];
    }
  }
  return outputs;
}

Result<Engine> reference_engine(const CompareOptions& o, const Tensors& inputs) {
  if (is_engine_file(o.engine.file))
    return bad("--against reference needs the model: an engine does not hold it whole")
        .with_cure("name the model, or a folder of inputs and outputs: --data DIR");
  Result<Model> model = load_model(o.engine);
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

int report(const CompareOptions& o, const std::vector<Agreement>& all) {
  bool fine = true;
  nlohmann::json j = nlohmann::json::array();
  for (const Agreement& g : all) {
    const bool ok = passes(g, o);
    fine = fine && ok;
    j.push_back({{"output", g.output},
                 {"against", g.against},
                 {"max_abs", g.max_abs},
                 {"max_rel", g.max_rel},
                 {"cosine", g.cosine()},
                 {"top1", g.top1()},
                 {"pass", ok}});
    if (o.json) continue;
    fmt::print("{:<28} max abs {:.3g}  max rel {:.3g}  cosine {:.9f}  top-1 {}/{}  {} {} {}\n",
               printable(g.output), g.max_abs, g.max_rel, g.cosine(), g.same_top, g.rows,
               ok ? "same" : "DIFFERENT", ok ? "as" : "from", g.against);
  }
  if (o.json) fmt::print("{}\n", json_text({{"outputs", j}, {"pass", fine}}));
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

Status check_arguments(const CompareOptions& o) {
  std::error_code error;
  if (o.data.empty() && !o.map.empty()) return bad("--map names files of a folder: --data DIR");
  if (o.data.empty()) return {};
  if (!o.inputs.inputs.empty()) return bad("--input and --data: expected one of them");
  if (std::filesystem::is_directory(o.data, error)) return {};
  return Status(Code::NotFound, fmt::format("{}: there is no such folder", o.data));
}

Status add_output(const CompareOptions& o, const std::string& name, const char* against,
                  const Output& got, const std::vector<double>& want, std::vector<Agreement>& all) {
  if (got.values.size() != want.size()) {
    return bad(fmt::format("output '{}' has {} elements, {} were expected", name, got.values.size(),
                           want.size()));
  }
  all.push_back({name, against});
  add(all.back(), got.values, want, got.rows, o);
  return {};
}

// The first piece of the data by the slow reference: all of it would take too long.
Status compare_reference(const CompareOptions& o, const Engine& engine, const Tensors& inputs,
                         int64_t pieces, std::vector<Agreement>& all) {
  const int threads = o.engine.build.threads;
  Tensors first;
  for (const PortInfo& p : engine.inputs())
    first.emplace(p.name, piece_of(p, inputs.at(p.name), 0, pieces));
  Result<Engine> reference = reference_engine(o, first);
  if (!reference.ok()) return std::move(reference).status();
  const auto want = run_pieces(*reference, first, threads, 1, 1);
  if (!want.ok()) return want.status();
  const auto got = run_pieces(engine, first, threads, 1, 1);
  if (!got.ok()) return got.status();
  for (const auto& [name, output] : *want) {
    if (Status s = add_output(o, name, "reference", got->at(name), output.values, all); !s.ok())
      return s;
  }
  return {};
}

Status compare_data(const CompareOptions& o, const Engine& engine, const Data& data, int64_t pieces,
                    std::vector<Agreement>& all) {
  if (data.outputs.empty()) return {};
  const auto got = run_pieces(engine, data.inputs, o.engine.build.threads, pieces, pieces);
  if (!got.ok()) return got.status();
  for (const auto& [name, t] : data.outputs) {
    if (Status s = add_output(o, name, "data", got->at(name), t.to_doubles(), all); !s.ok())
      return s;
  }
  return {};
}

// The shapes of the data; the model's own first dimension where that is fixed.
Shapes shapes_for(const std::vector<PortInfo>& ins, const Data& data) {
  Shapes fixed;
  for (const PortInfo& p : ins) {
    std::vector<int64_t> shape = data.inputs.at(p.name).shape();
    if (!shape.empty() && !p.shape.empty() && p.shape[0].size > 0) shape[0] = p.shape[0].size;
    fixed[p.name] = std::move(shape);
  }
  return fixed;
}

int compare_command(CompareOptions& o) {
  if (Status s = check_arguments(o); !s.ok()) return fail(s);
  if (o.data.empty() && o.against.empty()) o.against = "reference";
  Result<Data> data = bad("nothing was read");
  Result<Engine> engine =
      open_engine(o.engine, [&](const auto& ins, const auto& outs) -> Result<Shapes> {
        data = gather(o, ins, outs);
        if (!data.ok()) return data.status();
        if (!data->outputs.empty() || !o.against.empty()) return shapes_for(ins, *data);
        return bad(fmt::format("{}: there is nothing to compare with: no output_0.pb", o.data));
      });
  if (!engine.ok()) return fail(engine.status(), o.engine.file);
  show_reasons(*engine, o.engine);
  const Result<int64_t> pieces = count_pieces(engine->inputs(), data->inputs);
  if (!pieces.ok()) return fail(pieces.status(), o.data);
  std::vector<Agreement> all;
  Status compared = compare_data(o, *engine, *data, *pieces, all);
  if (compared.ok() && !o.against.empty())
    compared = compare_reference(o, *engine, data->inputs, *pieces, all);
  return compared.ok() ? report(o, all) : fail(compared, o.engine.file);
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
  c->add_option("--rtol", o->rtol, "relative tolerance of an element")
      ->check(in_range(0))
      ->capture_default_str();
  c->add_option("--atol", o->atol, "absolute tolerance of an element")
      ->check(in_range(0))
      ->capture_default_str();
  c->add_option("--cosine", o->cosine,
                "pass when the cosine is at least this, instead of tolerances")
      ->check(in_range(0, 1));
  c->add_flag("--top1", o->top1, "pass when the largest element of every row is the same one");
  c->add_option("--seed", o->seed, "of random inputs");
  c->add_flag("--json", o->json, "print as JSON");
  c->footer(
      "Without --data, inputs are random (or --input) and the reference says what is right. Data\n"
      "of more rows than the model takes at once goes through it in pieces. \"max abs\" is the\n"
      "largest difference of an element, \"max rel\" the same over the output's largest value.\n\n"
      "Examples:\n"
      "  lathe compare net.onnx\n"
      "  lathe compare net.engine --data test_data_set_0 --cosine 0.9999 --top1\n"
      "  lathe compare net.onnx --bf16 --data images --map photos.pb=x --map logits.pb=y");
  c->callback([o, &exit_code] { exit_code = compare_command(*o); });
}

}  // namespace lathe::cli
