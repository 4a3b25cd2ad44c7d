// SPDX-License-Identifier: Apache-2.0
#pragma once
// oneDNN as Lathe uses it.
#include <string>

namespace lathe::cpu {

std::string onednn_version();  // "onednn 2.6.3", of the library that runs

}  // namespace lathe::cpu
