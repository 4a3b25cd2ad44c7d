// SPDX-License-Identifier: Apache-2.0
// A session over memory that the caller names by address, as lathe.trt needs it: shapes and
// addresses stay until they are set anew, nothing is copied.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "lathe/lathe.h"
#include "raise.h"

namespace nb = nanobind;
using namespace lathe;
using lathe::python::check;
using lathe::python::take;

namespace {

template <class F>
auto without_gil(F f) {
  const nb::gil_scoped_release released;
  return f();
}

void* pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

Session* open(const Engine& engine, uintptr_t stream) {
  Engine::OpenOptions options;
  options.cuda_stream = pointer(stream);
  return new Session(take(without_gil([&] { return engine.open(options); })));
}

// Seconds of each step of one run.
std::vector<double> profile(Session& s) {
  std::vector<double> seconds;
  check(without_gil([&] {
    return s.profile(
        [](void* user, int index, double t) {
          auto& all = *static_cast<std::vector<double>*>(user);
          const auto count = static_cast<size_t>(index) + 1;
          if (all.size() < count) all.resize(count);
          all[count - 1] += t;
        },
        &seconds);
  }));
  return seconds;
}

void bind_memory(nb::class_<Session>& c) {
  c.def("bind_input",
        [](Session& s, const std::string& name, uintptr_t address, size_t bytes, bool on_device) {
          check(s.bind_input(name, pointer(address), bytes, on_device));
        })
      .def("bind_output",
           [](Session& s, const std::string& name, uintptr_t address, size_t bytes,
              bool on_device) { check(s.bind_output(name, pointer(address), bytes, on_device)); })
      .def("device_memory_size",
           [](Session& s) { return take(without_gil([&] { return s.device_memory_size(); })); })
      .def("set_device_memory", [](Session& s, uintptr_t address, size_t bytes) {
        check(s.set_device_memory(pointer(address), bytes));
      });
}

}  // namespace

void bind_bound_session(nb::module_& m) {
  nb::class_<Session> session(m, "BoundSession");
  session.def(nb::new_(&open), nb::arg("engine"), nb::arg("stream") = 0)
      .def("set_shape", [](Session& s, const std::string& input,
                           const std::vector<int64_t>& sizes) { check(s.set_shape(input, sizes)); })
      .def("output_shape",
           [](Session& s, const std::string& name) {
             return nb::tuple(nb::cast(take(without_gil([&] { return s.output_shape(name); }))));
           })
      .def("set_stream", [](Session& s, uintptr_t stream) { check(s.set_stream(pointer(stream))); })
      .def("run", [](Session& s) { check(without_gil([&] { return s.run(); })); })
      .def("enqueue", [](Session& s) { check(without_gil([&] { return s.enqueue(); })); })
      .def("wait", [](Session& s) { check(without_gil([&] { return s.wait(); })); })
      .def("profile", &profile);
  bind_memory(session);
  m.def("engine_profile", [](const Engine& e, const std::string& input) {
    const InputProfile p = take(e.profile(input));
    return nb::make_tuple(nb::tuple(nb::cast(p.min)), nb::tuple(nb::cast(p.opt)),
                          nb::tuple(nb::cast(p.max)));
  });
  m.def("engine_device_memory_size",
        [](const Engine& e) { return take(without_gil([&] { return e.device_memory_size(); })); });
}
