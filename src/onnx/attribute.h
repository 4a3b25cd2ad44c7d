// SPDX-License-Identifier: Apache-2.0
#pragma once
// One attribute of an ONNX node as the importers read it: decoded from the file's message, or given
// by a person who builds a network.
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/status.h"
#include "ops/attrs.h"
#include "tensor/host_tensor.h"

namespace lathe_onnx {
class AttributeProto;
}

namespace lathe {

class ExternalData;

// What no importer reads: a graph, a type, a sparse tensor; or a tensor that is damaged.
struct UnreadAttribute {
  Status why;  // ok: another kind of value
};

// monostate: a list that is empty, and whose file does not say of what.
using OnnxAttribute = std::variant<std::monostate, int64_t, double, std::string, HostTensor, Ints,
                                   Floats, std::vector<std::string>, UnreadAttribute>;
// Shared: the calls of a function have the same ones.
using AttributeMap = std::map<std::string, std::shared_ptr<const OnnxAttribute>, std::less<>>;

// "an integer", "a list of floats".
std::string_view kind_name(const OnnxAttribute& attribute);

OnnxAttribute read_attribute(const lathe_onnx::AttributeProto& proto, const ExternalData* external);

}  // namespace lathe
