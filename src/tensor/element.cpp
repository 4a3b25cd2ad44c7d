// SPDX-License-Identifier: Apache-2.0
#include "tensor/element.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace lathe {
namespace {

template <class T>
T read(const std::byte* data, int64_t index) {
  T v;
  std::memcpy(&v, data + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return v;
}

template <class T>
void write(std::byte* data, int64_t index, T v) {
  std::memcpy(data + static_cast<size_t>(index) * sizeof(T), &v, sizeof(T));
}

// Where a sub-byte element lies.
struct Slot {
  size_t byte;
  int shift;
  unsigned mask;
};
Slot slot_of(DType t, int64_t index) {
  int width = bits(t);
  int64_t per_byte = 8 / width;
  return {static_cast<size_t>(index / per_byte), static_cast<int>(index % per_byte) * width,
          (1u << width) - 1};
}

uint8_t read_packed(DType t, const std::byte* data, int64_t index) {
  Slot s = slot_of(t, index);
  return static_cast<uint8_t>(std::to_integer<unsigned>(data[s.byte]) >> s.shift & s.mask);
}

void write_packed(DType t, std::byte* data, int64_t index, unsigned value) {
  Slot s = slot_of(t, index);
  unsigned old = std::to_integer<unsigned>(data[s.byte]);
  data[s.byte] = static_cast<std::byte>((old & ~(s.mask << s.shift)) | (value & s.mask) << s.shift);
}

bool is_small_int(DType t) { return is_int(t) && bits(t) < 8; }

// Sign-extended where the type is signed.
int64_t read_small_int(DType t, const std::byte* data, int64_t index) {
  int64_t v = read_packed(t, data, index);
  int64_t half = int64_t{1} << (bits(t) - 1);
  return kind(t) == DKind::Int && v >= half ? v - 2 * half : v;
}

void write_small_int(DType t, std::byte* data, int64_t index, int64_t value) {
  int64_t count = int64_t{1} << bits(t);
  int64_t low = kind(t) == DKind::Int ? -count / 2 : 0;
  write_packed(t, data, index, static_cast<unsigned>(std::clamp(value, low, low + count - 1)));
}

template <class I>
I saturate(double v) {
  if (v != v) return 0;
  // The bounds as doubles are powers of two, hence exact.
  constexpr double kLow = static_cast<double>(std::numeric_limits<I>::min());
  const double beyond = std::ldexp(1.0, std::numeric_limits<I>::digits);
  if (v <= kLow) return std::numeric_limits<I>::min();
  if (v >= beyond) return std::numeric_limits<I>::max();
  return static_cast<I>(v);
}

template <class I>
I saturate(int64_t v) {
  if (std::in_range<I>(v)) return static_cast<I>(v);
  return v < 0 ? std::numeric_limits<I>::min() : std::numeric_limits<I>::max();
}

float load_small_float(DType t, SmallFloat format, const std::byte* data, int64_t index) {
  return small_to_float(format,
                        bits(t) == 8 ? read<uint8_t>(data, index) : read_packed(t, data, index));
}

void store_small_float(DType t, SmallFloat format, std::byte* data, int64_t index, double value) {
  uint8_t v = float_to_small(format, static_cast<float>(value), false);
  if (bits(t) == 8) return write(data, index, v);
  write_packed(t, data, index, v);
}

}  // namespace

std::optional<SmallFloat> small_float(DType t) {
  switch (t) {
    case DType::F8E4M3FN: return SmallFloat::E4M3FN;
    case DType::F8E4M3FNUZ: return SmallFloat::E4M3FNUZ;
    case DType::F8E5M2: return SmallFloat::E5M2;
    case DType::F8E5M2FNUZ: return SmallFloat::E5M2FNUZ;
    case DType::F8E8M0: return SmallFloat::E8M0;
    case DType::F4E2M1: return SmallFloat::E2M1;
    default: return std::nullopt;
  }
}

double load_f64(DType t, const std::byte* data, int64_t index) {
  if (auto format = small_float(t)) return load_small_float(t, *format, data, index);
  if (is_small_int(t)) return static_cast<double>(read_small_int(t, data, index));
  return visit_number(t, [&]<class T>() { return static_cast<double>(read<T>(data, index)); });
}

int64_t load_i64(DType t, const std::byte* data, int64_t index) {
  if (is_small_int(t)) return read_small_int(t, data, index);
  if (kind(t) == DKind::Float) return saturate<int64_t>(std::trunc(load_f64(t, data, index)));
  return visit_number(t, [&]<class T>() -> int64_t {
    if constexpr (std::is_same_v<T, uint64_t>) {
      return static_cast<int64_t>(
          std::min<uint64_t>(read<T>(data, index), std::numeric_limits<int64_t>::max()));
    } else {
      return static_cast<int64_t>(read<T>(data, index));
    }
  });
}

void store_f64(DType t, std::byte* data, int64_t index, double value) {
  if (auto format = small_float(t)) return store_small_float(t, *format, data, index, value);
  if (is_small_int(t)) {
    return write_small_int(t, data, index, saturate<int64_t>(std::nearbyint(value)));
  }
  visit_number(t, [&]<class T>() {
    if constexpr (std::is_same_v<T, bool>) {
      write(data, index, value != 0);
    } else if constexpr (std::is_integral_v<T>) {
      write(data, index, saturate<T>(std::nearbyint(value)));
    } else {
      write(data, index, static_cast<T>(value));
    }
  });
}

void store_i64(DType t, std::byte* data, int64_t index, int64_t value) {
  if (is_small_int(t)) return write_small_int(t, data, index, value);
  if (kind(t) == DKind::Float) return store_f64(t, data, index, static_cast<double>(value));
  visit_number(t, [&]<class T>() {
    if constexpr (std::is_same_v<T, bool>) {
      write(data, index, value != 0);
    } else if constexpr (std::is_integral_v<T>) {
      write(data, index, saturate<T>(value));
    }
  });
}

}  // namespace lathe
