// SPDX-License-Identifier: Apache-2.0
// Element types and the descriptions of inputs and outputs.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "lathe/lathe.h"

namespace nb = nanobind;
using namespace lathe;

void bind_tensor(nb::module_& m) {
  nb::class_<PortInfo>(m, "Port")
      .def_ro("name", &PortInfo::name)
      .def_prop_ro("type", [](const PortInfo& p) { return to_string(p.type); })
      .def_prop_ro("shape", [](const PortInfo& p) {
        nb::list sizes;
        for (const DimInfo& d : p.shape)
          sizes.append(d.size >= 0 ? nb::cast(d.size) : nb::cast(d.symbol));
        return nb::tuple(sizes);
      });
}
