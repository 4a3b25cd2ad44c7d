// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes the arrays that results are written to: of the library of the first input, on its device.
//
//   const Library library = library_of(inputs[0]);
//   nb::object y = make_array(library, Type::F32, shape, device);
#include <nanobind/nanobind.h>

#include "lathe/tensor.h"

namespace lathe::python {

enum class Library { Numpy, Torch, Cupy };

// NumPy for all that is neither PyTorch's nor CuPy's.
Library library_of(nanobind::handle array);

// Waits for what the library has queued on its current stream of a GPU: an array may still be being
// written there, while a session reads it on a stream of its own.
void wait_for_library(Library library, int device);

// Uninitialized. `shape`: a tuple; `device`: a GPU's number, -1 for host memory.
nanobind::object make_array(Library library, Type type, nanobind::handle shape, int device);

}  // namespace lathe::python
