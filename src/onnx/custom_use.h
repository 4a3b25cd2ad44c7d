// SPDX-License-Identifier: Apache-2.0
#pragma once
// A definition (custom/definition.h) applied to one node: type variables, "..." and attributes
// filled in, so that what is left are texts over the signature's symbols.
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "custom/definition.h"
#include "onnx/attribute.h"
#include "ops/signature.h"
#include "tensor/shape.h"

namespace lathe {

struct CustomUse {
  const CustomDefinition& definition;
  std::map<std::string, CustomValue, std::less<>> values;     // of attributes
  std::map<std::string, std::string, std::less<>> types;      // T: "f32"
  std::map<std::string, std::string, std::less<>> type_port;  // T: "x", which has it
  Signature signature;

  static Result<CustomUse> make(const CustomDefinition& definition, const AttributeMap& attributes,
                                std::span<const TensorType> operands);
  // The twin's expression as Expr reads it.
  Result<std::string> expression() const;
  // A text of expressions over sizes, in normal form: attributes as numbers, count(x) as the
  // product of x's sizes.
  Result<std::string> sizes(std::string_view text) const;
  // The same of a kernel's geometry, `what`: symbols are the signature's.
  Result<std::string> launch_sizes(std::string_view what,
                                   const std::vector<std::string>& texts) const;
  // The kernel's source behind constants and types.
  Result<std::string> kernel_source() const;
};

// The attribute as a value of this kind (an index of CustomValue's alternatives).
Result<CustomValue> custom_value(std::string_view name, const OnnxAttribute& attribute,
                                 size_t kind);

}  // namespace lathe
