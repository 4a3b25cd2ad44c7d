// SPDX-License-Identifier: Apache-2.0
#pragma once
// Words of the text form that printer and parser share: names, quoting, kinds of constraints.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "ops/op.h"

namespace lathe {

inline bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '/' || c == '-' || c == '$';
}

// In quotes; everything but printable ASCII as \xNN.
std::string quote(std::string_view text);
// The name itself where it is one word, else in quotes.
std::string quote_if_needed(std::string_view name);

inline constexpr std::array<std::pair<Constraint::Kind, std::string_view>, 4> kConstraintWords = {{
    {Constraint::Kind::Equal, "equal"},
    {Constraint::Kind::Broadcastable, "broadcastable"},
    {Constraint::Kind::Nonnegative, "nonnegative"},
    {Constraint::Kind::Positive, "positive"},
}};
inline bool has_two_sides(Constraint::Kind kind) {
  return kind == Constraint::Kind::Equal || kind == Constraint::Kind::Broadcastable;
}

}  // namespace lathe
