// SPDX-License-Identifier: Apache-2.0
#pragma once
// Transposition of planes of elements of 1, 2, 4 or 8 bytes, for the processor that runs.
#include <cstddef>
#include <cstdint>

namespace lathe::cpu {

// to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < columns; strides in elements.
struct Transposition {
  const void* from;
  int64_t from_stride;
  void* to;
  int64_t to_stride;
  int64_t rows, columns;
};
void transpose_plane(const Transposition& t, size_t bytes);

}  // namespace lathe::cpu
