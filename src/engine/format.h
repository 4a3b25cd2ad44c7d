// SPDX-License-Identifier: Apache-2.0
#pragma once
// The engine file. docs/design/engine_format.md has the layout: a fixed header that can be read
// alone, FlatBuffers for structure, 64-byte aligned sections for weights (mapped, never copied)
// and kernels, an XXH3 hash for each section and one over all. Same plan, same bytes.
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/plan.h"

namespace lathe {

Result<std::vector<std::byte>> write_engine(const Plan& plan);

// Gives back the pages of a mapped file after they were read once.
using PageRelease = std::function<void(std::span<const std::byte> range)>;

// Refuses every truncation and every flipped bit, unknown versions (naming both), and whatever
// verify(Plan) refuses. Constants are views of `bytes`, which `owner` keeps alive; `release` may be
// null.
Result<Plan> read_engine(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                         const PageRelease& release = {});

// Whether the bytes begin as an engine does (for telling an engine from a model).
bool looks_like_engine(std::span<const std::byte> bytes);

}  // namespace lathe
