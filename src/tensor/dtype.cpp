// SPDX-License-Identifier: Apache-2.0
#include "tensor/dtype.h"

#include <array>
#include <limits>

#include "base/math.h"

namespace lathe {
namespace {

struct Facts {
  std::string_view text;
  int bits;
  DKind kind;
  int onnx;
};

constexpr Facts kFacts[] = {
#define DTYPE(name, text, bits, kind, onnx) {text, bits, DKind::kind, onnx},
#include "tensor/dtypes.def"
#undef DTYPE
};

const Facts& facts(DType t) {
  LATHE_CHECK(static_cast<size_t>(t) < std::size(kFacts));
  return kFacts[static_cast<size_t>(t)];
}

}  // namespace

std::string_view to_string(DType t) { return facts(t).text; }

Result<DType> parse_dtype(std::string_view text) {
  for (size_t i = 0; i < std::size(kFacts); ++i) {
    if (kFacts[i].text == text) return static_cast<DType>(i);
  }
  return invalid("'{}' is not an element type", text.substr(0, 40));
}

int bits(DType t) { return facts(t).bits; }
DKind kind(DType t) { return facts(t).kind; }
int onnx_code(DType t) { return facts(t).onnx; }

Result<DType> dtype_from_onnx(int64_t data_type) {
  for (size_t i = 1; i < std::size(kFacts); ++i) {
    if (kFacts[i].onnx == data_type) return static_cast<DType>(i);
  }
  return invalid("element type {} is not one of ONNX", data_type);
}

bool is_computable(DType t) {
  if (kind(t) == DKind::Bool) return true;
  return kind(t) == DKind::Float ? bits(t) >= 16 : is_int(t) && bits(t) >= 8;
}

int64_t bytes(DType t, int64_t count) {
  LATHE_CHECK(t != DType::String && count >= 0);
  int64_t width = bits(t);
  if (width >= 8) {
    auto size = checked_mul(count, width / 8);
    LATHE_CHECK(size.has_value());
    return *size;
  }
  if (width == 0) return 0;
  int64_t per_byte = 8 / width;
  return count / per_byte + (count % per_byte != 0 ? 1 : 0);
}

}  // namespace lathe
