// SPDX-License-Identifier: Apache-2.0
// Sessions, and what they need of memory.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#include "call.h"
#include "raise.h"

namespace nb = nanobind;
using namespace lathe;
using lathe::python::Call;
using lathe::python::take;

namespace {

Call* open_session(const Engine& engine, int threads, uintptr_t stream) {
  Engine::OpenOptions options;
  options.threads = threads;
  options.cuda_stream = reinterpret_cast<void*>(stream);
  return new Call(engine, take(engine.open(options)), stream == 0);
}

}  // namespace

void bind_session(nb::module_& m) {
  nb::class_<MemoryInfo>(m, "Memory", "Bytes that a session holds.")
      .def_ro("weights", &MemoryInfo::weights, "Packed and uploaded; shared by sessions.")
      .def_ro("arena", &MemoryInfo::arena, "Activations, at the current shapes.")
      .def_ro("workspace", &MemoryInfo::workspace, "Scratch memory of steps.")
      .def_ro("arena_lower_bound", &MemoryInfo::arena_lower_bound,
              "What no plan of the arena could go below.")
      .def("__repr__", [](const MemoryInfo& i) {
        return "<lathe.Memory weights=" + std::to_string(i.weights) +
               " arena=" + std::to_string(i.arena) + " workspace=" + std::to_string(i.workspace) +
               ">";
      });
  nb::class_<Call>(m, "Session")
      .def(nb::new_(&open_session), nb::arg("engine"), nb::arg("threads") = 0,
           nb::arg("stream") = 0)
      .def("run", &Call::run, nb::arg("arrays"))
      .def("profile", &Call::profile, nb::arg("arrays"))
      .def("memory", &Call::memory);
}
