// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace lathe {
namespace {

TEST(Hash, IsThePublishedXxh3) {
  EXPECT_EQ(hash64(std::string_view()), 0x2d06800538d394c2u);
  EXPECT_EQ(hash128({}).to_string(), "99aa06d3014798d86001c324468d497f");
}

TEST(Hash, DependsOnEveryByteAndTheSeed) {
  std::vector<std::byte> bytes(1000);
  Random(1).fill_bytes(bytes);
  uint64_t short_hash = hash64(bytes);
  Hash128 long_hash = hash128(bytes);
  EXPECT_NE(hash64(bytes, 1), short_hash);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= std::byte{1};
    EXPECT_NE(hash64(bytes), short_hash);
    EXPECT_FALSE(hash128(bytes) == long_hash);
    bytes[i] ^= std::byte{1};
  }
}

TEST(Hasher, DoesNotDependOnHowTheBytesWereCut) {
  std::vector<std::byte> bytes(3000);
  Random(2).fill_bytes(bytes);
  for (size_t cut : {size_t{0}, size_t{1}, size_t{255}, size_t{1024}, size_t{3000}}) {
    Hasher h(5);
    h.add(std::span(bytes).first(cut)).add(std::span(bytes).subspan(cut));
    EXPECT_EQ(h.finish64(), hash64(bytes, 5));
    EXPECT_EQ(h.finish128(), hash128(bytes, 5));
  }
}

TEST(Hasher, NeighbouringTextsCannotTradeLetters) {
  Hasher a, b;
  a.add("ab").add("c");
  b.add("a").add("bc");
  EXPECT_NE(a.finish64(), b.finish64());
}

}  // namespace
}  // namespace lathe
