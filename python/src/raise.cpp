// SPDX-License-Identifier: Apache-2.0
#include "raise.h"

namespace nb = nanobind;

namespace lathe::python {
namespace {

// The class of lathe.errors for a status.
const char* class_of(Code code, Missing missing) {
  switch (code) {
    case Code::InvalidInput: return "InputError";
    case Code::NotFound: return missing == Missing::File ? "MissingFileError" : "MissingNameError";
    case Code::Unsupported: return "UnsupportedError";
    case Code::Cancelled: return "Cancelled";
    case Code::OutOfMemory: return "OutOfMemory";
    case Code::DeviceLost: return "DeviceError";
    case Code::Ok:
    case Code::Internal: break;
  }
  return "InternalError";
}

}  // namespace

void raise(const Status& status, Missing missing) {
  const nb::object type =
      nb::module_::import_("lathe.errors").attr(class_of(status.code(), missing));
  const nb::object error = type(status.message().c_str(), status.cure().c_str());
  PyErr_SetObject(type.ptr(), error.ptr());
  throw nb::python_error();
}

}  // namespace lathe::python
