// SPDX-License-Identifier: Apache-2.0
#pragma once
// What may name things of users: in definitions, in plugins, in the engines that hold them.
#include <string_view>

namespace lathe {

// A word of letters, digits and underscores that starts with no digit.
bool is_identifier(std::string_view text);
// Stands in messages and engines as it is: printable, no blanks, quotes or backslashes, at most 200
// characters.
bool is_plain_name(std::string_view text);

}  // namespace lathe
