// SPDX-License-Identifier: Apache-2.0
#include "engine/sections.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/math.h"

namespace lathe {
namespace {

constexpr char kMagic[8] = {'L', 'A', 'T', 'H', 'E', 'E', 'N', 'G'};

struct Range {
  uint64_t offset, bytes, hash;
};

// All little-endian, as every machine that Lathe runs on.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint64_t file_bytes;
  Range sections[kSections];
  uint64_t reserved[2];
  uint64_t hash;  // of everything before it
};
static_assert(sizeof(Header) == 8 + 8 + 8 + 3 * 24 + 16 + 8);

uint64_t hash_of(const Header& h) {
  return hash64({reinterpret_cast<const std::byte*>(&h), offsetof(Header, hash)});
}

// Hashes in pieces, letting go of each: a mapped file is read once and not kept in memory.
uint64_t hash_section(std::span<const std::byte> bytes, const PageRelease& release) {
  constexpr size_t kPiece = size_t{4} << 20;
  Hasher hasher;
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    const auto piece = bytes.subspan(at, std::min(kPiece, bytes.size() - at));
    hasher.add(piece);
    if (release) release(piece);
  }
  return hasher.finish64();
}

}  // namespace

std::vector<std::byte> frame(const std::array<std::vector<std::byte>, kSections>& sections) {
  Header h{};
  std::memcpy(h.magic, kMagic, sizeof(kMagic));
  h.version = kEngineVersion;
  h.header_bytes = sizeof(Header);
  size_t at = round_up(sizeof(Header), kSectionAlign);
  std::vector<std::byte> file(at);
  for (size_t s = 0; s < kSections; ++s) {
    const size_t padded = round_up(sections[s].size(), kSectionAlign);
    file.insert(file.end(), sections[s].begin(), sections[s].end());
    file.resize(at + padded);
    h.sections[s] = {at, padded, hash_section(std::span(file).subspan(at, padded), {})};
    at += padded;
  }
  h.file_bytes = file.size();
  h.hash = hash_of(h);
  std::memcpy(file.data(), &h, sizeof(h));
  return file;
}

Result<Sections> unframe(std::span<const std::byte> file, const PageRelease& release) {
  if (file.size() < sizeof(Header)) {
    return invalid("an engine has at least {} bytes, this file has {}", sizeof(Header),
                   file.size());
  }
  Header h;
  std::memcpy(&h, file.data(), sizeof(h));
  if (std::memcmp(h.magic, kMagic, sizeof(kMagic)) != 0)
    return invalid("it is no engine: it does not begin with LATHEENG");
  if (h.version != kEngineVersion) {
    return invalid("the engine has format {}, this Lathe reads format {}", h.version,
                   kEngineVersion)
        .with_cure("build it again from its model");
  }
  if (hash_of(h) != h.hash || h.header_bytes != sizeof(Header))
    return invalid("the engine's header is damaged");
  if (h.file_bytes != file.size()) {
    return invalid("the engine has {} bytes, its header says {}: it was cut off or appended to",
                   file.size(), h.file_bytes);
  }
  size_t at = round_up(sizeof(Header), kSectionAlign);
  for (size_t i = sizeof(Header); i < at; ++i) {
    if (i >= file.size() || file[i] != std::byte{0})
      return invalid("the engine's header is damaged");
  }
  Sections sections;
  static constexpr const char* kNames[] = {"structure", "weights", "kernels"};
  for (size_t s = 0; s < kSections; ++s) {
    const Range& r = h.sections[s];
    if (r.offset != at || r.bytes % kSectionAlign != 0 || r.bytes > file.size() - at)
      return invalid("the engine's {} section is out of place", kNames[s]);
    sections.parts[s] = file.subspan(at, r.bytes);
    if (hash_section(sections.parts[s], release) != r.hash)
      return invalid("the engine's {} section is damaged", kNames[s]);
    at += r.bytes;
  }
  if (at != file.size()) return invalid("the engine has bytes that belong to no section");
  return sections;
}

bool looks_like_engine(std::span<const std::byte> bytes) {
  return bytes.size() >= sizeof(kMagic) && std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) == 0;
}

}  // namespace lathe
