// SPDX-License-Identifier: Apache-2.0
#pragma once
// A Status becomes a Python exception here and nowhere else.
//
//   check(session.run());
//   Engine engine = take(Engine::load(path), Missing::File);
//
// Both must be called with the GIL held.
#include <nanobind/nanobind.h>

#include <string>

#include "lathe/status.h"

namespace lathe::python {

// What Code::NotFound means where it is raised: FileNotFoundError or KeyError.
enum class Missing { Name, File };

[[noreturn]] void raise(const Status& status, Missing missing = Missing::Name);
// InputError.
[[noreturn]] void raise_input(const std::string& message, const std::string& cure = "");

inline void check(const Status& status, Missing missing = Missing::Name) {
  if (!status.ok()) raise(status, missing);
}

template <class T>
T take(Result<T> result, Missing missing = Missing::Name) {
  if (!result.ok()) raise(result.status(), missing);
  return *std::move(result);
}

}  // namespace lathe::python
