// SPDX-License-Identifier: Apache-2.0
// Transpose; without perm the dimensions are reversed.
#include <algorithm>

#include "onnx/import_axes.h"

namespace lathe {

Status import_transpose(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  Ints reversed = all_axes(x->type.rank());
  std::reverse(reversed.begin(), reversed.end());
  Ints perm = n.ints("perm", reversed);
  if (perm.size() != static_cast<size_t>(x->type.rank())) {
    return invalid("perm has {} entries for rank {}", perm.size(), x->type.rank());
  }
  perm = LATHE_TRY(positive_axes(perm, x->type.rank()));
  return n.result(LATHE_TRY(n.transpose(x, std::move(perm))));
}

}  // namespace lathe
