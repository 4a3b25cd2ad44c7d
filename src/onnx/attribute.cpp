// SPDX-License-Identifier: Apache-2.0
#include "onnx/attribute.h"

#include "onnx/external_data.h"
#include "onnx/onnx.pb.h"
#include "onnx/tensor_proto.h"

namespace lathe {
namespace {

using lathe_onnx::AttributeProto;

// AttributeProto.AttributeType, as published.
enum AttributeKind {
  kUnknown = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
};

// Old files leave the type out: then the field that is set says it.
int kind_of(const AttributeProto& a) {
  if (a.type() != 0) return a.type();
  if (a.has_f()) return kFloat;
  if (a.has_i()) return kInt;
  if (a.has_s()) return kString;
  if (a.has_t()) return kTensor;
  if (a.floats_size() > 0) return kFloats;
  if (a.ints_size() > 0) return kInts;
  return a.strings_size() > 0 ? kStrings : kUnknown;
}

}  // namespace

std::string_view kind_name(const OnnxAttribute& attribute) {
  constexpr std::string_view kNames[] = {
      "an empty list",    "an integer",        "a float",
      "a string",         "a tensor",          "a list of integers",
      "a list of floats", "a list of strings", "another kind of value"};
  return kNames[attribute.index()];
}

OnnxAttribute read_attribute(const AttributeProto& a, const ExternalData* external) {
  switch (kind_of(a)) {
    case kUnknown: return std::monostate();
    case kFloat: return static_cast<double>(a.f());
    case kInt: return a.i();
    case kString: return a.s();
    case kFloats: return Floats(a.floats().begin(), a.floats().end());
    case kInts: return Ints(a.ints().begin(), a.ints().end());
    case kStrings: return std::vector<std::string>(a.strings().begin(), a.strings().end());
    case kTensor: {
      Result<HostTensor> t = copy_tensor_proto(a.t(), external);
      if (!t.ok()) return UnreadAttribute{std::move(t).status()};
      return *std::move(t);
    }
    default: return UnreadAttribute();
  }
}

}  // namespace lathe
