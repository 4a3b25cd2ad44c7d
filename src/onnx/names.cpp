// SPDX-License-Identifier: Apache-2.0
#include "onnx/names.h"

namespace lathe {
namespace {

constexpr size_t kLongest = 96;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string printable(std::string_view name) {
  std::string out;
  for (char c : name.substr(0, kLongest)) out += c >= ' ' && c <= '~' && c != '\'' ? c : '?';
  if (name.size() > kLongest) out += "...";
  return out;
}

std::string symbol_name(std::string_view name) {
  std::string out;
  for (char c : name.substr(0, kLongest)) {
    out += is_letter(c) || is_digit(c) || c == '.' ? c : '_';
  }
  if (out.empty() || !is_letter(out[0])) out.insert(out.begin(), '_');
  return out;
}

}  // namespace lathe
