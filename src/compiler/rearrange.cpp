// SPDX-License-Identifier: Apache-2.0
#include "compiler/rearrange.h"

namespace lathe {

bool is_rearrangement(const Step& s) {
  if (s.in.size() != 1 || s.out.size() != 1 || !s.op.fusion.empty() || s.op.fusion.sliced())
    return false;
  const TensorType &from = s.op.in[0], &to = s.op.out[0];
  return from.dtype == to.dtype && from.layout != Layout::Blocked16 &&
         to.layout != Layout::Blocked16 &&
         (s.op.def->is("Reshape") || s.op.def->is("Transpose") || s.op.def->is("Reorder"));
}

Shape memory_shape(const TensorType& type) {
  Shape shape;
  for (int d : memory_order(type)) shape.push_back(type.shape[d]);
  return shape;
}

void to_memory(const TensorType& type, Movement& m) {
  const std::vector<int> order = memory_order(type);
  m.transpose({order.begin(), order.end()});
}

void to_logical(const TensorType& type, Movement& m) {
  const std::vector<int> order = memory_order(type);
  Ints places(order.size());
  for (size_t k = 0; k < order.size(); ++k) {
    places[static_cast<size_t>(order[k])] = static_cast<int64_t>(k);
  }
  m.transpose(places);
}

bool follow(const Step& s, Movement& m) {
  to_logical(s.op.in[0], m);
  if (s.op.def->is("Transpose")) m.transpose(s.op.attrs.ints("perm"));
  if (s.op.def->is("Reshape") && !m.reshape(s.op.out[0].shape)) return false;
  to_memory(s.op.out[0], m);
  return true;
}

}  // namespace lathe
