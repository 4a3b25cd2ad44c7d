// SPDX-License-Identifier: Apache-2.0
#pragma once
// Chains of Reshape and Transpose as one permutation of the factors of a shape.
//
//   Movement m(x.shape);                              // [N, 197, 768]
//   m.reshape({N, 197, 12, 64}) && m.transpose({0, 2, 1, 3});
//   m.reduce();                                       // factors N 197 12 64, order 0 2 1 3
#include <vector>

#include "tensor/shape.h"

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

 private:
  // A factor of the source's shape; `place` orders factors as they lie in the source. Splitting
  // one inserts a place behind it.
  struct Factor {
    Dim size;
    std::vector<int> place;
  };
  std::vector<std::vector<Factor>> dims_;  // of the current shape, each a list of factors
};

}  // namespace lathe
