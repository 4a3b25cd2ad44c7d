// SPDX-License-Identifier: Apache-2.0
// ops.def as a list.
#include <array>

#include "ops/op.h"

namespace lathe {

#define OP(file, name) const OpDef& op_##file();
#include "ops/ops.def"
#undef OP

std::span<const OpDef* const> all_ops() {
  static const std::array ops = {
#define OP(file, name) &op_##file(),
#include "ops/ops.def"
#undef OP
  };
  return ops;
}

const OpDef* find_op(std::string_view name) {
  for (const OpDef* def : all_ops()) {
    if (def->name == name) return def;
  }
  return nullptr;
}

}  // namespace lathe
