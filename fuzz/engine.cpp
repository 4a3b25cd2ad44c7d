// SPDX-License-Identifier: Apache-2.0
// The structure of an engine file from a stranger who computes the hashes anew: read and proved,
// or refused. The corpus holds structure sections alone; the weights are zeros, so that what
// is mutated is what is parsed. The input is read as a whole file as well.
#include <vector>

#include "engine/sections.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lathe;
  const auto bytes = std::as_bytes(std::span(data, size));
  fuzz::expect_an_answer(read_engine(bytes, nullptr).status());
  static const std::vector<std::byte> kWeights(size_t{1} << 20);
  const auto file = frame({std::vector(bytes.begin(), bytes.end()), kWeights, {}});
  const Result<Plan> plan = read_engine(file, nullptr);
  fuzz::expect_an_answer(plan.status());
  if (!plan.ok()) return 0;
  const Result<std::vector<std::byte>> written = write_engine(*plan);
  fuzz::expect_an_answer(written.status());
  if (written.ok() && !read_engine(*written, nullptr).ok()) std::abort();
  return 0;
}
