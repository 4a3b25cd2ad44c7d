// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/dnnl_shim.h"

#include <dnnl.h>
#include <fmt/format.h>

namespace lathe::cpu {

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("onednn {}.{}.{}", v->major, v->minor, v->patch);
}

}  // namespace lathe::cpu
