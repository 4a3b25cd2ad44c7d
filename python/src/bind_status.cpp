// SPDX-License-Identifier: Apache-2.0
// Facts about the library: version, devices, operators, messages.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "lathe/lathe.h"

namespace nb = nanobind;
using namespace lathe;

void bind_status(nb::module_& m) {
  nb::class_<DeviceDescription>(m, "Device")
      .def_ro("id", &DeviceDescription::id)
      .def_ro("name", &DeviceDescription::name)
      .def_ro("features", &DeviceDescription::features)
      .def_ro("libraries", &DeviceDescription::libraries)
      .def_ro("error", &DeviceDescription::error);
  nb::class_<OpDescription>(m, "Operator")
      .def_ro("name", &OpDescription::name)
      .def_ro("operands", &OpDescription::operands)
      .def_ro("results", &OpDescription::results)
      .def_ro("doc", &OpDescription::doc)
      .def_ro("attributes", &OpDescription::attributes);
  m.def("devices", &lathe::devices);
  m.def("operators", &lathe::operators);
  m.def("onnx_operators", &lathe::onnx_operators);
  m.def("version", &lathe::version);
}
