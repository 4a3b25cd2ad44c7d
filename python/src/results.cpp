// SPDX-License-Identifier: Apache-2.0
#include "results.h"

#include <nanobind/stl/string.h>

#include "array_view.h"

namespace nb = nanobind;

namespace lathe::python {
namespace {

// A module of somebody else's, only if the program has imported it.
nb::object imported(const char* name) {
  nb::object module = nb::steal(PyImport_GetModule(nb::str(name).ptr()));
  if (!module.is_valid()) PyErr_Clear();
  return module;
}

bool is_instance_of(nb::handle array, const char* module, const char* type) {
  const nb::object m = imported(module);
  return m.is_valid() && PyObject_IsInstance(array.ptr(), m.attr(type).ptr()) == 1;
}

[[noreturn]] void no_such_type(const char* library, Type type) {
  throw nb::type_error(
      (std::string(library) + " has no type for results of " + to_string(type)).c_str());
}

nb::object numpy_type(Type type) {
  const char* name = array_type_name(type);
  if (name == nullptr) no_such_type("numpy", type);
  const bool foreign = type == Type::BF16 || type >= Type::F8E4M3FN;
  if (!foreign) return nb::module_::import_("numpy").attr("dtype")(name);
  nb::object types;
  try {
    types = nb::module_::import_("ml_dtypes");
  } catch (nb::python_error& e) {
    throw nb::type_error((std::string("NumPy knows ") + name +
                          " only with the package ml_dtypes: pip install ml_dtypes")
                             .c_str());
  }
  return nb::module_::import_("numpy").attr("dtype")(types.attr(name));
}

// Looked up once: numpy.empty and its types are what a call of a tiny network spends time on. They
// live as long as the process.
struct Numpy {
  nb::object empty = nb::module_::import_("numpy").attr("empty");
  nb::object types[32];
};

nb::object make_numpy(Type type, nb::handle shape) {
  static Numpy* numpy = new Numpy();
  nb::object& known = numpy->types[static_cast<size_t>(type)];
  if (!known.is_valid()) known = numpy_type(type);
  return numpy->empty(shape, known);
}

nb::object make_torch(Type type, nb::handle shape, int device) {
  const char* name = array_type_name(type);
  const nb::object torch = imported("torch");
  if (name == nullptr || !nb::hasattr(torch, name)) no_such_type("torch", type);
  if (device < 0) return torch.attr("empty")(shape, nb::arg("dtype") = torch.attr(name));
  return torch.attr("empty")(shape, nb::arg("dtype") = torch.attr(name),
                             nb::arg("device") = torch.attr("device")("cuda", device));
}

nb::object make_cupy(Type type, nb::handle shape, int device) {
  return nb::module_::import_("lathe._arrays").attr("cupy_empty")(shape, numpy_type(type), device);
}

}  // namespace

Library library_of(nb::handle array) {
  if (ArrayView::is_buffer(array)) return Library::Numpy;
  if (is_instance_of(array, "torch", "Tensor")) return Library::Torch;
  if (is_instance_of(array, "cupy", "ndarray")) return Library::Cupy;
  return Library::Numpy;
}

void wait_for_library(Library library, int device) {
  if (library == Library::Torch)
    imported("torch").attr("cuda").attr("current_stream")(device).attr("synchronize")();
  if (library == Library::Cupy)
    imported("cupy").attr("cuda").attr("get_current_stream")(device).attr("synchronize")();
}

nb::object make_array(Library library, Type type, nb::handle shape, int device) {
  if (library == Library::Torch) return make_torch(type, shape, device);
  if (library == Library::Cupy && device >= 0) return make_cupy(type, shape, device);
  return make_numpy(type, shape);
}

}  // namespace lathe::python
