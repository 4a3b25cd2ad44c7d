// SPDX-License-Identifier: Apache-2.0
#pragma once
// Fast hashes of bytes (XXH3), the same on every machine: for engine sections, timing-cache keys
// and finding equal weights. They find accidents, not attackers.
//
//   Hasher h;
//   h.add(name).add(uint64_t{3});
//   h.finish128().to_string()                        // 32 hexadecimal digits
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace lathe {

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  std::string to_string() const;  // 32 hexadecimal digits, high first
  friend bool operator==(const Hash128&, const Hash128&) = default;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

uint64_t hash64(std::span<const std::byte> bytes, uint64_t seed = 0);
uint64_t hash64(std::string_view text, uint64_t seed = 0);
Hash128 hash128(std::span<const std::byte> bytes, uint64_t seed = 0);

// Hashes a stream: the digest of the bytes added, however they were cut into pieces. Texts are
// preceded by their length, so that neighbours cannot trade letters.
class Hasher {
 public:
  explicit Hasher(uint64_t seed = 0);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Hasher& add(std::span<const std::byte> bytes);
  Hasher& add(std::string_view text);
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T> Hasher& add(T value) {
    return add(std::as_bytes(std::span<const T, 1>(&value, 1)));
  }
  uint64_t finish64() const;
  Hash128 finish128() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lathe
