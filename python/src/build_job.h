// SPDX-License-Identifier: Apache-2.0
#pragma once
// A build that Python waits for: the interpreter stays free, progress is told in the caller's
// thread, and Ctrl-C works at once.
//
//   Engine engine = build(model, options, report);   // report: a callable or None
//
// A build for the CPU runs in a thread of its own. Measuring or checking one large operation takes
// seconds in which a build does not look up; when Ctrl-C comes then, the build is left to end by
// itself, and `build` raises. A build for a GPU needs the CUDA context of the caller's thread and
// runs there.
#include <nanobind/nanobind.h>

#include "lathe/lathe.h"

namespace lathe::python {

Engine build(const Model& model, const BuildOptions& options, nanobind::object report);

}  // namespace lathe::python
