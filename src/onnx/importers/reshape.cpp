// SPDX-License-Identifier: Apache-2.0
// Reshape: 0 copies a dimension, -1 is what is left.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

// The dimension that -1 stands for.
Result<Dim> remaining(const Shape& x, const Dims& shape, size_t hole) {
  Dim others = 1;
  for (size_t k = 0; k < shape.size(); ++k) {
    if (k != hole) others = others * shape[k];
  }
  const Dim total = x.count();
  if (others.is(0)) {
    return total.is(0) ? Result<Dim>(Dim(0)) : invalid("-1 beside a dimension of 0");
  }
  if (std::optional<Dim> exact = total.exact_div(others)) return *exact;
  if (total.is_constant() && others.is_constant()) {
    return invalid("{} elements cannot be arranged as {}", total.value(), Shape(shape).to_string());
  }
  return Dim::floor_div(total, others);
}

}  // namespace

Status import_reshape(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  const Shape& from = x->type.shape;
  Dims shape = LATHE_TRY(n.sizes_of(1, "shape"));
  const bool copies = n.i("allowzero", 0) == 0;
  std::optional<size_t> hole;
  for (size_t k = 0; k < shape.size(); ++k) {
    if (shape[k].is(0) && copies) {
      if (k >= static_cast<size_t>(from.rank())) {
        return invalid("shape[{}] is 0, and the input has rank {}", k, from.rank());
      }
      shape[k] = from[static_cast<int>(k)];
    } else if (shape[k].is(-1)) {
      if (hole) return invalid("the shape {} has two -1", Shape(shape).to_string());
      hole = k;
    } else if (shape[k].is_constant() && shape[k].value() < 0) {
      return invalid("the shape {} has a negative size", Shape(shape).to_string());
    }
  }
  if (hole) shape[*hole] = LATHE_TRY(remaining(from, shape, *hole));
  return n.result(LATHE_TRY(n.reshape(x, std::move(shape))));
}

}  // namespace lathe
