// SPDX-License-Identifier: Apache-2.0
#include "ops/fusion.h"

#include <string_view>

namespace lathe {
namespace {

void append(std::string& out, std::string_view what, std::string_view value) {
  out += fmt::format("{}{}={}", out.empty() ? "" : ", ", what, value);
}

std::string types_text(const std::vector<TensorType>& types) {
  std::string out;
  for (const TensorType& t : types) out += (out.empty() ? "" : ", ") + t.to_string();
  return "(" + out + ")";
}

std::string slice_text(const Slice& s) {
  return fmt::format("{{axis={}, start={}, whole={}}}", s.axis, s.start.to_string(),
                     s.whole.to_string());
}

}  // namespace

std::string Fusion::to_string() const {
  if (empty() && !sliced()) return "";
  std::string out;
  if (!empty()) {
    append(out, "anchor", types_text(anchor_in) + " -> " + types_text(anchor_out));
  }
  for (size_t k = 0; k < prologue.size(); ++k) {
    if (!prologue[k].empty()) {
      append(out, fmt::format("prologue{}", k), "\"" + prologue[k].to_string() + "\"");
    }
  }
  if (!epilogue.empty()) append(out, "epilogue", "\"" + epilogue.to_string() + "\"");
  for (size_t k = 0; k < in_slice.size(); ++k) {
    if (in_slice[k]) append(out, fmt::format("in{}", k), slice_text(*in_slice[k]));
  }
  for (size_t k = 0; k < out_slice.size(); ++k) {
    if (out_slice[k]) append(out, fmt::format("out{}", k), slice_text(*out_slice[k]));
  }
  return "{" + out + "}";
}

}  // namespace lathe
