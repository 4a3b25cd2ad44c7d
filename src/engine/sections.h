// SPDX-License-Identifier: Apache-2.0
#pragma once
// The frame of an engine file: header and three hashed sections. docs/design/engine_format.md.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "engine/format.h"

namespace lathe {

constexpr uint32_t kEngineVersion = 1;
constexpr size_t kSectionAlign = 64;

enum class Section : uint8_t { Structure, Weights, Kernels };
constexpr size_t kSections = 3;

struct Sections {
  std::array<std::span<const std::byte>, kSections> parts;
  std::span<const std::byte> operator[](Section s) const { return parts[static_cast<size_t>(s)]; }
};

// Frames the sections: each starts at a multiple of kSectionAlign and is padded with zeros.
std::vector<std::byte> frame(const std::array<std::vector<std::byte>, kSections>& sections);
// The sections of a whole file after every check of header, sizes and hashes. Padding is part of
// the section that it follows, so that no byte of the file escapes a hash.
Result<Sections> unframe(std::span<const std::byte> file, const PageRelease& release);

}  // namespace lathe
