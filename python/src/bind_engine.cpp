// SPDX-License-Identifier: Apache-2.0
// Models and engines: building without the GIL, loading, saving, describing.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "build_job.h"
#include "lathe/lathe.h"
#include "raise.h"

namespace nb = nanobind;
using namespace lathe;
using lathe::python::check;
using lathe::python::Missing;
using lathe::python::take;

namespace {

using Texts = std::vector<std::string>;

std::span<const std::byte> bytes_of(const nb::bytes& b) {
  return {reinterpret_cast<const std::byte*>(b.data()), b.size()};
}

// Arguments are converted before, results after.
template <class F>
auto without_gil(F f) {
  const nb::gil_scoped_release released;
  return f();
}

void bind_model(nb::module_& m) {
  nb::class_<Model>(m, "Model")
      .def_static(
          "load",
          [](const std::string& path, const Texts& ops, const Texts& plugins, int64_t memory) {
            return take(without_gil([&] {
                          return Model::load(path, {ops, plugins, memory});
                        }),
                        Missing::File);
          },
          nb::arg("path"), nb::arg("ops") = Texts(), nb::arg("plugins") = Texts(),
          nb::arg("memory") = -1)
      .def_static(
          "parse",
          [](const nb::bytes& onnx, const std::string& name, const Texts& ops, const Texts& plugins,
             int64_t memory) {
            return take(without_gil([&] {
              return Model::parse(bytes_of(onnx), name, {ops, plugins, memory});
            }));
          },
          nb::arg("onnx"), nb::arg("name"), nb::arg("ops") = Texts(), nb::arg("plugins") = Texts(),
          nb::arg("memory") = -1)
      .def("inputs", &Model::inputs)
      .def("outputs", &Model::outputs)
      .def("node_count", &Model::node_count)
      .def(
          "control_flow",
          [](const Model& model) {
            if (!model.has_control_flow()) return Texts();
            return take(without_gil([&] { return model.optimize({}); })).control_flow;
          },
          "The If, Loop and Scan that passes leave, which no engine runs yet.");
}

void bind_options(nb::module_& m) {
  nb::enum_<VerifyMode>(m, "VerifyMode")
      .value("off", VerifyMode::Off)
      .value("sample", VerifyMode::Sample)
      .value("full", VerifyMode::Full);
  nb::class_<BuildOptions>(m, "BuildOptions")
      .def(nb::init<>())
      .def_rw("device", &BuildOptions::device)
      .def_rw("fp16", &BuildOptions::fp16)
      .def_rw("bf16", &BuildOptions::bf16)
      .def_rw("tf32", &BuildOptions::tf32)
      .def_rw("shapes", &BuildOptions::shapes)
      .def_rw("threads", &BuildOptions::threads)
      .def_rw("workspace_bytes", &BuildOptions::workspace_bytes)
      .def_rw("timing_cache", &BuildOptions::timing_cache)
      .def_rw("tune", &BuildOptions::tune)
      .def_rw("fuse", &BuildOptions::fuse)
      .def_rw("verify", &BuildOptions::verify)
      .def_rw("disabled_passes", &BuildOptions::disabled_passes)
      .def_rw("dump_passes_dir", &BuildOptions::dump_passes_dir)
      .def_rw("memory_budget_bytes", &BuildOptions::memory_budget_bytes)
      .def_rw("test_settings", &BuildOptions::test_settings);
}

void bind_step(nb::module_& m) {
  nb::class_<StepInfo>(m, "Step", "One step of an engine: what runs it, and why.")
      .def_ro("name", &StepInfo::name, "The model's nodes that it computes.")
      .def_ro("op", &StepInfo::op, "\"Conv{...}(f32[1,3,224,224], ...) -> (...)\"")
      .def_ro("device", &StepInfo::device)
      .def_ro("tactic", &StepInfo::tactic)
      .def_ro("config", &StepInfo::config)
      .def_ro("seconds", &StepInfo::seconds, "At the shapes that were tuned for.")
      .def_ro("measured", &StepInfo::measured, "False: `seconds` is the cost model's.")
      .def_ro("why", &StepInfo::why, "Why this tactic.")
      .def_ro("max_error", &StepInfo::max_error, "Largest error against the reference.")
      .def_ro("checked", &StepInfo::checked, "Whether it was compared with the reference.")
      .def("__repr__",
           [](const StepInfo& s) { return "<lathe.Step " + s.name + " by " + s.tactic + ">"; });
}

}  // namespace

void bind_engine(nb::module_& m) {
  bind_model(m);
  bind_step(m);
  bind_options(m);
  nb::class_<Engine>(m, "Engine")
      .def_static("build", &lathe::python::build, nb::arg("model"), nb::arg("options"),
                  nb::arg("progress").none())
      .def_static(
          "load",
          [](const std::string& path, const Texts& plugins, const std::string& device) {
            return take(without_gil([&] { return Engine::load(path, plugins, device); }),
                        Missing::File);
          },
          nb::arg("path"), nb::arg("plugins") = Texts(), nb::arg("device") = "")
      .def_static(
          "parse",
          [](const nb::bytes& bytes, const Texts& plugins, const std::string& device) {
            return take(
                without_gil([&] { return Engine::parse(bytes_of(bytes), plugins, device); }));
          },
          nb::arg("bytes"), nb::arg("plugins") = Texts(), nb::arg("device") = "")
      .def("save",
           [](const Engine& e, const std::string& path) {
             check(without_gil([&] { return e.save(path); }), Missing::File);
           })
      .def("serialize",
           [](const Engine& e) {
             const std::vector<std::byte> b = take(without_gil([&] { return e.serialize(); }));
             return nb::bytes(b.data(), b.size());
           })
      .def("inputs", &Engine::inputs)
      .def("outputs", &Engine::outputs)
      .def("steps", &Engine::steps)
      .def("device", &Engine::device)
      .def("plugins", &Engine::plugins)
      .def("model_name", &Engine::model_name)
      .def("nodes_in_model", &Engine::nodes_in_model)
      .def("build_seconds", &Engine::build_seconds)
      .def("certified_step_error", &Engine::certified_step_error)
      .def("certified_end_to_end", &Engine::certified_end_to_end)
      .def("graph_text", &Engine::graph_text)
      .def("weight_bytes", &Engine::weight_bytes);
}
