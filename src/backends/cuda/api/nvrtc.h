// SPDX-License-Identifier: Apache-2.0
#pragma once
// NVRTC, CUDA's compiler as a library: CUDA C++ text in, a cubin out. Loaded at run time; needs
// neither a driver nor a GPU nor the toolkit's headers.
//
//   const Nvrtc& nvrtc = *LATHE_TRY(Nvrtc::open());
//   std::vector<std::byte> cubin = LATHE_TRY(nvrtc.compile(source, "softmax_warp", "sm_90"));
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/status.h"

namespace lathe::cuda {

using nvrtcProgram = struct _nvrtcProgram*;

enum class nvrtcResult : unsigned {
  Success = 0,
  OutOfMemory = 1,
  InvalidOption = 5,
  Compilation = 6,
  BuiltinOperationFailure = 7,
};

// NVRTC's functions, each a member named as its exported symbol.
struct Nvrtc {
#define FUNCTION(result, symbol, parameters) std::add_pointer_t<result parameters> symbol = nullptr;
#include "backends/cuda/api/nvrtc.def"
#undef FUNCTION
  int version = 0;         // 13000 is 13.0
  std::vector<int> archs;  // what it compiles for, ascending: 90 is sm_90

  // Loaded once in a process, from any thread; a failure stays, too. NotFound without NVRTC,
  // Unsupported when it is too old.
  static Result<const Nvrtc*> open();

  // The machine code of `source` for one GPU, "sm_90". `name` stands for the file in messages.
  // From any thread. Unsupported for a GPU that this NVRTC does not know; Internal, with the first
  // lines of the compiler's log, when it refuses the source or an option.
  Result<std::vector<std::byte>> compile(const std::string& source, const std::string& name,
                                         const std::string& arch,
                                         std::span<const std::string> options = {}) const;
};

// Ok on success, else `what` and NVRTC's name for the error.
Status check(nvrtcResult result, std::string_view what);

}  // namespace lathe::cuda
