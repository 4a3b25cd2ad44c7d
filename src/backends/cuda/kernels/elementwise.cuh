// SPDX-License-Identifier: Apache-2.0
// One expression over strided operands. INPUTS, OUTPUTS, the types I0.. and O0.., evaluate() and
// the lines that load and store them are generated (elementwise.cpp).
struct Args {
  const void* in[INPUTS];
  void* out[OUTPUTS];
  i64 total, rank, packs;
  i64 size[8];
  i64 in_stride[INPUTS][8];
  i64 out_stride[OUTPUTS][8];
};

template <class T>
struct __align__(sizeof(T) * PER_THREAD) Pack {
  T v[PER_THREAD];
};

template <class T>
inline void read_pack(Pack<T>& p, const void* base, i64 at, i64 stride, int count, i64 packs) {
  const T* from = (const T*)base;
  if (stride == 0) {
    const T one = from[0];
#pragma unroll
    for (int j = 0; j < PER_THREAD; ++j) p.v[j] = one;
  } else if (packs && count == PER_THREAD) {
    p = *(const Pack<T>*)(from + at);
  } else {
#pragma unroll
    for (int j = 0; j < PER_THREAD; ++j) p.v[j] = from[at + (j < count ? j : 0)];
  }
}
template <class T>
inline void write_pack(const Pack<T>& p, void* base, i64 at, int count, i64 packs) {
  T* to = (T*)base;
  if (packs && count == PER_THREAD) {
    *(Pack<T>*)(to + at) = p;
    return;
  }
#pragma unroll
  for (int j = 0; j < PER_THREAD; ++j) {
    if (j < count) to[at + j] = p.v[j];
  }
}

// Every stride is 0 or 1.
extern "C" __global__ void elementwise_flat(const __grid_constant__ Args a) {
  for (i64 at = thread_index() * PER_THREAD; at < a.total; at += thread_count() * PER_THREAD) {
    const int count = a.total - at < PER_THREAD ? (int)(a.total - at) : PER_THREAD;
    PACKS
    READ_PACKS
#pragma unroll
    for (int j = 0; j < PER_THREAD; ++j) {
      In x;
      Out y;
      UNPACK
      evaluate(x, y);
      PACK
    }
    WRITE_PACKS
  }
}

inline void place(const Args& a, i64 c, int d, i64* in, i64* out) {
#pragma unroll
  for (int k = 0; k < INPUTS; ++k) in[k] += c * a.in_stride[k][d];
#pragma unroll
  for (int k = 0; k < OUTPUTS; ++k) out[k] += c * a.out_stride[k][d];
}

extern "C" __global__ void elementwise_strided(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.total; i += thread_count()) {
    i64 in[INPUTS] = {}, out[OUTPUTS] = {};
    if ((u64)a.total >> 32 == 0) {
      u32 rest = (u32)i;
      for (int d = (int)a.rank - 1; d > 0; --d) {
        const u32 s = (u32)a.size[d], q = rest / s;
        place(a, rest - q * s, d, in, out);
        rest = q;
      }
      place(a, rest, 0, in, out);
    } else {
      i64 rest = i;
      for (int d = (int)a.rank - 1; d > 0; --d) {
        place(a, rest % a.size[d], d, in, out);
        rest /= a.size[d];
      }
      place(a, rest, 0, in, out);
    }
    In x;
    Out y;
    LOAD evaluate(x, y);
    STORE
  }
}
