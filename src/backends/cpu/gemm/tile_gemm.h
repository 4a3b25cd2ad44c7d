// SPDX-License-Identifier: Apache-2.0
#pragma once
// Matrix products in BF16 by tiles, AMX's or those of AVX-512's dot products: the rows of operand 0
// where they lie, constant weights packed once, bias and epilogue while a block is in cache.
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/gemm/tile_kernels.h"

namespace lathe::cpu {

// The fastest that the machine has, by name, and the one that a config names in its first word: the
// fastest again where an engine of another machine names it.
std::string_view best_tile_kernel(const DeviceInfo& device);
Result<const TileKernel*> tile_kernel_of(std::string_view config, const DeviceInfo& device);

// `problem` of BF16; why no tiles take it, or empty.
std::string refuse_tiles(const GemmProblem& problem, const DeviceInfo& device);
// "KERNEL split=rows" and "KERNEL split=columns"; see tile_kernels.h.
std::vector<Config> tile_configs(const GemmProblem& problem, const DeviceInfo& device);
Result<std::unique_ptr<Prepared>> load_tiles(const LoadContext& context, GemmProblem problem);

}  // namespace lathe::cpu
