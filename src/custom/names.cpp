// SPDX-License-Identifier: Apache-2.0
#include "custom/names.h"

#include <algorithm>

namespace lathe {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_plain(char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; }

}  // namespace

bool is_identifier(std::string_view text) {
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

bool is_plain_name(std::string_view text) {
  return !text.empty() && text.size() <= 200 && std::all_of(text.begin(), text.end(), is_plain);
}

}  // namespace lathe
