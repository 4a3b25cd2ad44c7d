// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names from a model are bytes of a stranger: these make them fit for messages and for symbols.
#include <string>
#include <string_view>

namespace lathe {

// Printable ASCII, at most 96 characters: what errors and node names show.
std::string printable(std::string_view name);
// [A-Za-z_][A-Za-z0-9_.]*: what Dim::symbol takes.
std::string symbol_name(std::string_view name);

}  // namespace lathe
