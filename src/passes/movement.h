// SPDX-License-Identifier: Apache-2.0
#pragma once
// Chains of Reshape and Transpose as one permutation of the factors of a shape.
//
//   Movement m(x.shape);                              // [N, 197, 768]
//   m.reshape({N, 197, 12, 64}) && m.transpose({0, 2, 1, 3});
//   m.reduce();                                       // factors N 197 12 64, order 0 2 1 3
#include <optional>
#include <string_view>
#include <vector>

#include "graph/rewriter.h"

namespace lathe {

class Movement {
 public:
  explicit Movement(const Shape& from);

  // Appends a step; false, and unchanged, when the shape cannot be cut along the factors (or has a
  // dimension of 0).
  bool reshape(const Shape& to);
  bool transpose(const std::vector<int64_t>& perm);

  // The whole as Reshape(from -> factors), Transpose(perm), Reshape(-> to), factors that stay
  // neighbours joined. An identity perm means that the whole is a Reshape.
  struct Plan {
    Shape factors;
    std::vector<int64_t> perm;
    bool is_reshape() const;
  };
  Plan plan() const;

  // The same steps on a slice: [start, start + size) of dimension `dim` of the result is a slice
  // of one dimension of the source, returned, and this becomes the movement of that slice. Nothing,
  // and unchanged, where it is not so.
  struct SourceSlice {
    int axis;
    Dim start, size;
  };
  std::optional<SourceSlice> slice(int dim, const Dim& start, const Dim& size);

  // The result's dimensions before the last one as factors in the source's order: this movement
  // becomes the one that leaves them so, one dimension each, and returned is the order that they
  // had: perm of a Transpose (the last dimension stays last) that restores it before a Reshape.
  std::vector<int64_t> sort_rows();
  Shape shape() const;  // of the result

 private:
  // A factor of the source's shape; `place` orders factors as they lie in the source. Splitting
  // one inserts a place behind it.
  struct Factor {
    Dim size;
    std::vector<int> place;
  };
  std::vector<std::vector<Factor>> dims_;  // of the current shape, each a list of factors
};

// Reshape and Transpose.
bool is_movement(const Node* node);
// `node` appended; false when it is none or cannot be followed.
bool follow(const Node& node, Movement& movement);
// Nodes for a plan, in front of where the rewriter stands: Reshape, Transpose, Reshape, each only
// where it does something.
Result<Value*> add_movement(Rewriter& rw, Value* from, const Movement::Plan& plan, const Shape& to,
                            std::string_view name);
// The longest chain of movements that ends at `v` and can be followed, each node read by the next
// alone, first to last. Empty when none makes v.
std::vector<Node*> chain_to(const Value* v);
// The same from `v` on: each node is the only reader of the value before it.
std::vector<Node*> chain_from(const Value* v);
int count_transposes(const std::vector<Node*>& chain);

}  // namespace lathe
