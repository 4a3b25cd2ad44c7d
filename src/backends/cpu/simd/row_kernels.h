// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reductions and normalizations of rows of f32, for the processor that runs.
#include <cstddef>

namespace lathe::cpu {

struct Normal {
  float mean, factor, shift;
};

struct RowKernels {
  // Over n values, at most a few thousand a call: longer sums are added up in double outside. Of
  // nothing: 0, 0, 0, -inf, +inf, 1. NaN wins in max and min.
  float (*sum)(const float* x, size_t n);
  float (*sum_abs)(const float* x, size_t n);
  float (*sum_squares)(const float* x, float mean, size_t n);  // of x - mean
  float (*max)(const float* x, size_t n);
  float (*min)(const float* x, size_t n);
  float (*product)(const float* x, size_t n);
  // y = e^(x - shift); returns the sum. x - shift is at most 0.
  float (*exp_sum)(const float* x, float shift, float* y, size_t n);
  void (*scale)(const float* x, float factor, float* y, size_t n);
  // Columns side by side: y = e^(x - shift), sum += y; then y *= factor.
  void (*exp_columns)(const float* x, const float* shift, float* y, float* sum, size_t n);
  void (*scale_columns)(const float* factor, float* y, size_t n);
  void (*subtract)(const float* x, float a, float b, float* y, size_t n);  // (x - a) - b
  // y = (x - mean) * factor * scale + bias, scale or bias null: 1 or 0; both null:
  // (x - mean) * factor + shift. y may be x.
  void (*normalize)(const float* x, const Normal& normal, const float* scale, const float* bias,
                    float* y, size_t n);
  // acc op= x, element by element.
  void (*add)(const float* x, float* acc, size_t n);
  void (*add_abs)(const float* x, float* acc, size_t n);
  void (*add_square)(const float* x, float* acc, size_t n);
  void (*maximum)(const float* x, float* acc, size_t n);
  void (*minimum)(const float* x, float* acc, size_t n);
  void (*multiply)(const float* x, float* acc, size_t n);
  // Rows, `stride` floats apart, added to acc.
  void (*add_rows)(const float* x, size_t stride, size_t rows, float* acc, size_t n);
  // y = sum of weights[t] * rows[t]; y is none of the rows. Rows of weight 0 are not read.
  void (*weighted)(const float* const* rows, const float* weights, size_t count, float* y,
                   size_t n);
};

const RowKernels& row_kernels();

}  // namespace lathe::cpu
