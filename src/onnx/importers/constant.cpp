// SPDX-License-Identifier: Apache-2.0
// Constant, in each form of its value.
#include "onnx/node_import.h"

namespace lathe {
namespace {

Result<HostTensor> value_of(NodeImport& n) {
  if (n.has("value")) return n.tensor("value");
  if (n.has("value_float")) return HostTensor::scalar(static_cast<float>(n.f("value_float", 0)));
  if (n.has("value_int")) return HostTensor::scalar(n.i("value_int", 0));
  if (n.has("value_string")) return HostTensor::strings({}, {n.s("value_string", "")});
  if (n.has("value_ints")) {
    const Ints v = n.ints("value_ints");
    return HostTensor::of<int64_t>({static_cast<int64_t>(v.size())}, std::span<const int64_t>(v));
  }
  if (n.has("value_floats")) {
    const Floats v = n.floats("value_floats");
    const std::vector<float> f(v.begin(), v.end());
    return HostTensor::of<float>({static_cast<int64_t>(f.size())}, std::span<const float>(f));
  }
  if (n.has("value_strings")) {
    std::vector<std::string> v = n.strings("value_strings");
    return HostTensor::strings({static_cast<int64_t>(v.size())}, std::move(v));
  }
  if (n.has("sparse_value")) return unsupported("sparse constants are not implemented");
  return invalid("no value is given");
}

}  // namespace

Status import_constant(NodeImport& n) {
  Attrs attrs;
  attrs.set("value", LATHE_TRY(value_of(n)));
  return n.result(LATHE_TRY(n.add("Constant", {}, std::move(attrs))));
}

}  // namespace lathe
