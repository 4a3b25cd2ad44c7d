// SPDX-License-Identifier: Apache-2.0
#pragma once
// Shapes, physical layouts, and TensorType = element type + shape + layout.
//
//   TensorType t{DType::F32, {Dim::symbol("N"), 3, 224, 224}};
//   t.to_string()                                   // "f32[N,3,224,224]"
//   t.shape.evaluate({{"N", 8}})                     // a Shape of constants
//
// Dimensions are always in the logical (ONNX) order, whatever the layout.
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tensor/dim.h"
#include "tensor/dtype.h"

namespace lathe {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<Dim> dims) : dims_(dims) {}
  explicit Shape(std::vector<Dim> dims) : dims_(std::move(dims)) {}
  static Shape of(std::span<const int64_t> sizes);

  int rank() const { return static_cast<int>(dims_.size()); }
  const Dim& operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  Dim& operator[](int axis) { return dims_[static_cast<size_t>(axis)]; }
  auto begin() const { return dims_.begin(); }
  auto end() const { return dims_.end(); }
  std::span<const Dim> dims() const { return dims_; }
  void push_back(Dim d) { dims_.push_back(std::move(d)); }

  bool is_concrete() const;            // every dimension a constant
  std::vector<int64_t> sizes() const;  // LATHE_CHECKs is_concrete
  Dim count() const { return product(dims_); }
  int64_t elements() const;  // LATHE_CHECKs is_concrete; callers validated size
  // All dimensions evaluated; fails on a negative size or when the element count overflows.
  Result<Shape> evaluate(const Bindings& values) const;
  std::string to_string() const;  // "[N,3,224,224]"
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::vector<Dim> dims_;
};

// NumPy's broadcast of two shapes. Where two dimensions are not provably compatible the result
// holds broadcast(a, b) and the pair is appended to `unproved` (to be checked at run time).
Result<Shape> broadcast(const Shape& a, const Shape& b, std::vector<std::pair<Dim, Dim>>* unproved);

// How the elements lie in memory.
enum class Layout : uint8_t {
  RowMajor,      // the last dimension is contiguous
  ChannelsLast,  // dimension 1 is contiguous: NHWC, NWC, NDHWC (rank >= 3)
  Blocked16,     // nChw16c: dimension 1 in blocks of 16, the block contiguous, zero padded
  TokensFirst,   // [.., H, S, D] as [.., S, H, D]: a token's heads lie together (rank >= 3)
};
std::string_view to_string(Layout layout);  // "row", "nhwc", "c16", "shd"

struct TensorType {
  DType dtype = DType::None;
  Shape shape;
  Layout layout = Layout::RowMajor;

  bool absent() const { return dtype == DType::None; }
  int rank() const { return shape.rank(); }
  std::string to_string() const;  // "f32[N,3]", "f32[N,3,8,8]@nhwc", "none"
  static Result<TensorType> parse(std::string_view text);
  friend bool operator==(const TensorType&, const TensorType&) = default;
};

// Dimensions from the outermost in memory to the contiguous one; of any layout but Blocked16.
std::vector<int> memory_order(const TensorType& type);
// Elements between neighbours along each logical dimension of a dense tensor in this layout;
// concrete, of any layout but Blocked16.
std::vector<int64_t> strides(const TensorType& type);
// Bytes that a concrete dense tensor of this type occupies, layout padding included; fails when
// the size does not fit in 63 bits or the dtype is String.
Result<int64_t> storage_bytes(const TensorType& type);

// Axis in [-rank, rank) made nonnegative, or an error that names both.
Result<int> normalize_axis(int64_t axis, int rank);

}  // namespace lathe
