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

[[noreturn]] void raise_class(const char* name, const std::string& message,
                              const std::string& cure) {
  const nb::object type = nb::module_::import_("lathe.errors").attr(name);
  const nb::object error = type(message.c_str(), cure.c_str());
  PyErr_SetObject(type.ptr(), error.ptr());
  throw nb::python_error();
}

}  // namespace

void raise(const Status& status, Missing missing) {
  raise_class(class_of(status.code(), missing), status.message(), status.cure());
}

void raise_input(const std::string& message, const std::string& cure) {
  raise_class("InputError", message, cure);
}

}  // namespace lathe::python
