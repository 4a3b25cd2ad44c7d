// SPDX-License-Identifier: Apache-2.0
// lathe/device.h for lathe.cuda: addresses and handles are integers, waiting releases the GIL.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "lathe/device.h"
#include "raise.h"

namespace nb = nanobind;
using namespace lathe;
using lathe::python::check;
using lathe::python::take;

namespace {

template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}
uintptr_t number(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// A copy or a wait: other threads of Python go on meanwhile.
template <class F>
void wait_for(F f) {
  Status status;
  {
    nb::gil_scoped_release released;
    status = f();
  }
  check(status);
}

// A Python function that C++ may call, copy and destroy with or without the GIL.
std::function<Status()> work_of(nb::callable function) {
  auto held = std::shared_ptr<nb::callable>(new nb::callable(std::move(function)), [](auto* f) {
    nb::gil_scoped_acquire gil;
    delete f;
  });
  return [held]() -> Status {
    nb::gil_scoped_acquire gil;
    try {
      (*held)();
    } catch (nb::python_error& error) {
      return Status(Code::InvalidInput, error.what());
    }
    return {};
  };
}

void bind_properties(nb::module_& m) {
  using P = DeviceProperties;
  nb::class_<P>(m, "DeviceProperties")
      .def_ro("id", &P::id)
      .def_ro("name", &P::name)
      .def_ro("pci_bus_id", &P::pci_bus_id)
      .def_ro("is_gpu", &P::is_gpu)
      .def_ro("ordinal", &P::ordinal)
      .def_ro("compute_major", &P::compute_major)
      .def_ro("compute_minor", &P::compute_minor)
      .def_ro("multiprocessors", &P::multiprocessors)
      .def_ro("total_bytes", &P::total_bytes)
      .def_ro("driver_version", &P::driver_version);
}

void bind_objects(nb::module_& m) {
  nb::class_<DeviceMemory>(m, "DeviceMemory")
      .def_prop_ro("address", [](const DeviceMemory& d) { return number(d.data()); })
      .def_prop_ro("bytes", &DeviceMemory::bytes);
  nb::class_<DeviceEvent>(m, "DeviceEvent")
      .def("done", [](const DeviceEvent& e) { return take(e.done()); })
      .def("synchronize", [](const DeviceEvent& e) { wait_for([&] { return e.synchronize(); }); })
      .def("milliseconds_since",
           [](const DeviceEvent& e, const DeviceEvent& start) {
             return take(e.milliseconds_since(start));
           })
      .def_prop_ro("handle", [](const DeviceEvent& e) { return number(e.native()); });
  nb::class_<DeviceGraph>(m, "DeviceGraph")
      .def_prop_ro("node_count", &DeviceGraph::node_count)
      .def_prop_ro("handle", [](const DeviceGraph& g) { return number(g.native()); });
}

void bind_stream(nb::module_& m) {
  using S = DeviceStream;
  nb::class_<S>(m, "DeviceStream")
      .def("copy",
           [](S& s, uintptr_t to, uintptr_t from, size_t bytes) {
             wait_for([&] { return s.copy(pointer<void>(to), pointer<const void>(from), bytes); });
           })
      .def("fill",
           [](S& s, uintptr_t to, uint8_t value, size_t bytes) {
             wait_for([&] { return s.fill(pointer<void>(to), value, bytes); });
           })
      .def("record", [](S& s, DeviceEvent& e) { check(s.record(e)); })
      .def("wait", [](S& s, const DeviceEvent& e) { check(s.wait(e)); })
      .def("synchronize", [](S& s) { wait_for([&] { return s.synchronize(); }); })
      .def("done", [](const S& s) { return take(s.done()); })
      .def("run", [](S& s, nb::callable work) { check(s.run(work_of(std::move(work)))); })
      .def("begin_capture", [](S& s) { check(s.begin_capture()); })
      .def("end_capture", [](S& s) { return take(s.end_capture()); })
      .def_prop_ro("capturing", &S::is_capturing)
      .def("launch", [](S& s, const DeviceGraph& g) { wait_for([&] { return s.launch(g); }); })
      .def_prop_ro("handle", [](const S& s) { return number(s.native()); });
}

}  // namespace

void bind_device(nb::module_& m) {
  bind_properties(m);
  bind_objects(m);
  bind_stream(m);
  using D = ComputeDevice;
  nb::class_<D>(m, "ComputeDevice")
      .def_static("open", [](const std::string& id) { return take(D::open(id)); })
      .def_static("gpu_count", &D::gpu_count)
      .def_prop_ro("properties", &D::properties)
      .def("memory_info",
           [](const D& d) {
             const DeviceMemoryInfo info = take(d.memory_info());
             return std::pair(info.free_bytes, info.total_bytes);
           })
      .def("attribute", [](const D& d, int what) { return take(d.attribute(what)); })
      .def("allocate", [](const D& d, size_t bytes) { return take(d.allocate(bytes)); })
      .def("allocate_pinned", [](const D& d, size_t n) { return take(d.allocate_pinned(n)); })
      .def(
          "open_stream", [](const D& d, bool b) { return take(d.open_stream(b)); },
          nb::arg("blocking") = true)
      .def("borrow_stream",
           [](const D& d, uintptr_t handle) { return d.borrow_stream(pointer<void>(handle)); })
      .def(
          "make_event", [](const D& d, bool t) { return take(d.make_event(t)); },
          nb::arg("timing") = true)
      .def("synchronize", [](const D& d) { wait_for([&] { return d.synchronize(); }); });
}
