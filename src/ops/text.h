// SPDX-License-Identifier: Apache-2.0
#pragma once
// Splitting and quoting for the text forms of attributes, cases and graphs.
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace lathe {

std::string_view trimmed(std::string_view text);
// The parts between `separator`s that stand outside quotes and brackets ((), [], {}), trimmed;
// empty text has no parts, and separators of ' ' in a row count once. Fails on unbalanced text.
Result<std::vector<std::string_view>> split_top(std::string_view text, char separator);

// "a\"b" with quotes and backslashes escaped, newlines as \n; and back, whole text only.
std::string quoted(std::string_view text);
Result<std::string> unquoted(std::string_view text);

}  // namespace lathe
