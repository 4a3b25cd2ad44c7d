// SPDX-License-Identifier: Apache-2.0
// Facts about the library: version, devices, operators, messages.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "lathe/lathe.h"

namespace nb = nanobind;
using namespace lathe;

void bind_status(nb::module_& m) {
  nb::class_<DeviceDescription>(m, "Device", "A device, or why it cannot be used.")
      .def_ro("id", &DeviceDescription::id, "\"cpu\", \"cuda:0\"")
      .def_ro("name", &DeviceDescription::name)
      .def_ro("features", &DeviceDescription::features)
      .def_ro("libraries", &DeviceDescription::libraries)
      .def_ro("error", &DeviceDescription::error, "Why it cannot be used; \"\": it can.")
      .def("__repr__", [](const DeviceDescription& d) {
        return "<lathe.Device " + d.id + ": " + (d.error.empty() ? d.name : d.error) + ">";
      });
  nb::class_<OpDescription>(m, "Operator",
                            "An operator of Lathe: what it takes and what it computes.")
      .def_ro("name", &OpDescription::name)
      .def_ro("operands", &OpDescription::operands)
      .def_ro("results", &OpDescription::results)
      .def_ro("doc", &OpDescription::doc)
      .def_ro("attributes", &OpDescription::attributes)
      .def("__repr__", [](const OpDescription& o) { return "<lathe.Operator " + o.name + ">"; });
  m.def("devices", &lathe::devices, "The devices of this machine.");
  m.def("operators", &lathe::operators, "Lathe's operators.");
  m.def("onnx_operators", &lathe::onnx_operators, "Names of the ONNX operators that are read.");
  m.def("version", &lathe::version);
}
