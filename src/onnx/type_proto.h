// SPDX-License-Identifier: Apache-2.0
#pragma once
// TypeProto -> TensorType. dim_param becomes a symbol; a dimension of which nothing is known gets
// a symbol of its own.
#include <map>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tensor/shape.h"

namespace lathe_onnx {
class TypeProto;
}

namespace lathe {

constexpr int kMaxRank = 32;
constexpr int64_t kMaxElements = int64_t{1} << 36;  // of one tensor; more is a bomb or a mistake

// Symbols by the model's dim_param. Names that differ only in odd characters stay different.
class SymbolTable {
 public:
  Dim symbol(std::string_view dim_param);
  // The symbol that a person means: one that this table made, by its name, else as symbol().
  Dim named(std::string_view name);
  // A symbol that nothing else uses: "x_d0".
  Dim fresh(std::string_view stem);
  // Some symbol begins so.
  bool has_beginning(std::string_view beginning) const;

 private:
  std::string unique(std::string stem);
  std::map<std::string, std::string, std::less<>> by_param_;
  std::map<std::string, int, std::less<>> used_;
};

// What a TypeProto claims of a tensor.
struct TypeClaim {
  DType dtype = DType::None;  // None: not said
  bool has_shape = false;
  Shape shape;
};

// An error where the type is said and is no tensor's.
Status check_tensor_type(const lathe_onnx::TypeProto& type, std::string_view name);

// `name` is the value's: for fresh symbols and messages.
Result<TypeClaim> read_type(const lathe_onnx::TypeProto& type, std::string_view name,
                            SymbolTable& symbols);
// Only the element type and the rank: what claims about inner values are used for.
struct RankClaim {
  DType dtype = DType::None;
  int rank = -1;  // -1: not said
};
RankClaim read_rank(const lathe_onnx::TypeProto& type);

// Refuses dimensions that are negative, or whose product cannot be a tensor.
Status check_size(const Shape& shape);

}  // namespace lathe
