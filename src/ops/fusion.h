// SPDX-License-Identifier: Apache-2.0
#pragma once
// Pointwise expressions fused around an anchor operator, and slices of larger tensors that the
// fused operation reads or writes in place. Design: *Fusion*.
//
// An OpInstance with a fusion has operands [anchor operands..., extras...]. `anchor_out` are the
// anchor's own outputs before the epilogue. The epilogue's inputs are [anchor outputs...,
// extras..., operand 0 after its prologue] in order and its outputs are the instance's outputs;
// extras broadcast (NumPy) to the anchor's output 0, whose shape every fused output has. The last
// input may be read only where operand 0 has that shape too: residual add + LayerNorm writes the
// sum as a second output so. The inputs of operand k's prologue are [operand k, extras...], the
// extras broadcasting to operand k's shape.
#include <optional>
#include <vector>

#include "ops/expr.h"
#include "tensor/shape.h"

namespace lathe {

// Part of a larger tensor along one axis. The larger tensor has `whole` elements along `axis` and
// this operand or output is [start, start + its own size) of them.
struct Slice {
  int axis = 0;
  Dim start, whole;
  friend bool operator==(const Slice&, const Slice&) = default;
};

struct Fusion {
  int anchor_operands = 0;                      // extras follow
  std::vector<TensorType> anchor_in;            // types the anchor sees after the prologues
  std::vector<TensorType> anchor_out;           // types the anchor writes before the epilogue
  std::vector<Expr> prologue;                   // by operand; empty Expr: none. May be shorter.
  Expr epilogue;                                // empty: none
  std::vector<std::optional<Slice>> in_slice;   // by operand; may be shorter
  std::vector<std::optional<Slice>> out_slice;  // by output; may be shorter

  // No expression (slices may still stand).
  bool empty() const { return prologue.empty() && epilogue.empty(); }
  // Whether the epilogue reads operand 0, the last of its inputs where it has them all.
  bool epilogue_reads_operand() const {
    return !epilogue.empty() && epilogue.reads(static_cast<int>(epilogue.inputs().size()) - 1);
  }
  bool sliced() const { return !in_slice.empty() || !out_slice.empty(); }
  std::string to_string() const;
  friend bool operator==(const Fusion&, const Fusion&) = default;
};

}  // namespace lathe
