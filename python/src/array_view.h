// SPDX-License-Identifier: Apache-2.0
#pragma once
// The memory of an array of Python's, held as long as the view lives: NumPy and everything else
// with the buffer protocol, PyTorch, CuPy and everything else with DLPack, on the CPU or a GPU.
//
//   ArrayView x(object);      // throws TypeError when the object is no array
//   if (x.dense()) session.bind_input(name, x.data(), x.bytes(), x.on_device());
//
// Needs the GIL, for its destruction too.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <optional>
#include <span>
#include <string>

#include "lathe/tensor.h"

namespace lathe::python {

class ArrayView {
 public:
  explicit ArrayView(nanobind::handle array);
  ~ArrayView();
  ArrayView(const ArrayView&) = delete;

  void* data() const { return data_; }
  size_t bytes() const;
  Type type() const { return type_; }
  std::span<const int64_t> shape() const { return shape_; }
  bool dense() const;  // row-major without gaps
  bool on_device() const { return device_ >= 0; }
  int device() const { return device_; }  // number of the GPU; -1: host memory
  // Whether an object shows host memory by the buffer protocol and so is NumPy's or alike.
  static bool is_buffer(nanobind::handle array);

 private:
  void take_buffer(nanobind::handle array);
  void take_foreign_type(nanobind::handle array);
  void take_dlpack(nanobind::handle array);

  Py_buffer buffer_{};
  std::optional<nanobind::ndarray<nanobind::ro>> dlpack_;
  nanobind::object keep_;
  void* data_ = nullptr;
  Type type_ = Type::F32;
  size_t item_ = 4;
  std::vector<int64_t> shape_, strides_;  // strides in bytes
  int device_ = -1;
};

// Bytes of an element; 0 for types that no array of Python's has.
size_t item_bytes(Type type);
// NumPy's and PyTorch's name of a type ("float32"), null when they have none.
const char* array_type_name(Type type);

}  // namespace lathe::python
