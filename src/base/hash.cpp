// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lathe {

std::string Hash128::to_string() const { return fmt::format("{:016x}{:016x}", high, low); }

uint64_t hash64(std::span<const std::byte> bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint64_t hash64(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

Hash128 hash128(std::span<const std::byte> bytes, uint64_t seed) {
  XXH128_hash_t h = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {h.low64, h.high64};
}

struct Hasher::State {
  XXH3_state_t short_digest;
  XXH3_state_t long_digest;
};

Hasher::Hasher(uint64_t seed) : state_(std::make_unique<State>()) {
  XXH3_64bits_reset_withSeed(&state_->short_digest, seed);
  XXH3_128bits_reset_withSeed(&state_->long_digest, seed);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(&state_->short_digest, bytes.data(), bytes.size());
  XXH3_128bits_update(&state_->long_digest, bytes.data(), bytes.size());
  return *this;
}

Hasher& Hasher::add(std::string_view text) {
  return add(uint64_t{text.size()}).add(std::as_bytes(std::span(text.data(), text.size())));
}

uint64_t Hasher::finish64() const { return XXH3_64bits_digest(&state_->short_digest); }

Hash128 Hasher::finish128() const {
  XXH128_hash_t h = XXH3_128bits_digest(&state_->long_digest);
  return {h.low64, h.high64};
}

}  // namespace lathe
