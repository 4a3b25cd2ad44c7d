// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>
namespace lathe::cuda {
std::string_view device_text(std::string_view name);
}
