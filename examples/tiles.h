// SPDX-License-Identifier: Apache-2.0
#pragma once
// A picture of any size through the 2x super-resolution network, in tiles that overlap by what the
// network sees around a pixel, so that no seam shows and memory stays bounded.
#include "lathe/lathe.h"
#include "picture.h"

namespace lathe::demo {

// How far an output pixel sees: 12 pixels of the input on each side (tools/train/README.md).
constexpr int kReach = 12;

// The picture, twice as wide and high. `tile`: pixels of the input that a run enlarges, without the
// overlap around them.
Result<cli::Picture> enlarge(Session& session, const cli::Picture& picture, int tile);

}  // namespace lathe::demo
