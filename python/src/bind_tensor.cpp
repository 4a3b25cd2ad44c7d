// SPDX-License-Identifier: Apache-2.0
// Element types and the descriptions of inputs and outputs.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "lathe/lathe.h"

namespace nb = nanobind;
using namespace lathe;

namespace {

nb::tuple shape_of(const PortInfo& p) {
  nb::list sizes;
  for (const DimInfo& d : p.shape)
    sizes.append(d.size >= 0 ? nb::cast(d.size) : nb::cast(d.symbol));
  return nb::tuple(sizes);
}

}  // namespace

void bind_tensor(nb::module_& m) {
  nb::class_<PortInfo>(m, "Port", "An input or output of a network.")
      .def_ro("name", &PortInfo::name)
      .def_prop_ro(
          "type", [](const PortInfo& p) { return to_string(p.type); },
          "Element type: \"f32\", \"i64\", \"bool\" ...")
      .def_prop_ro("shape", shape_of, "A tuple of sizes, and of symbols where any size goes.")
      .def("__repr__", [](const PortInfo& p) {
        return "<lathe.Port " + p.name + ": " + to_string(p.type) +
               nb::cast<std::string>(nb::str(shape_of(p))) + ">";
      });
}
