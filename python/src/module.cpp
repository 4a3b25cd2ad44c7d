// SPDX-License-Identifier: Apache-2.0
// lathe._core: include/lathe for Python. What a user sees is python/lathe, written over this.
#include <nanobind/nanobind.h>

#define BIND(name) void name(nanobind::module_& m);
#include "binds.def"
#undef BIND

NB_MODULE(_core, m) {
  // Programs end with CUDA objects that they never destroyed: no defect, and not for their users'
  // screens. python/tests/test_leaks.py looks for leaks of our own.
  nanobind::set_leak_warnings(false);
#define BIND(name) name(m);
#include "binds.def"
#undef BIND
}
