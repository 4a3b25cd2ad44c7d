// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the plugins here share: sizes, and the signature of y = 2x.
#include <lathe/plugin.h>

inline int64_t count(const LatheTensor& t) {
  int64_t n = 1;
  for (int32_t d = 0; d < t.rank; ++d) n *= t.sizes[d];
  return n;
}

inline int32_t signature(const LatheProblem*, LatheText* out) {
  out->write(out, "(x: f32[N,C]) -> (y: f32[N,C])");
  return LATHE_OK;
}
