// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/expr_kernel.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace lathe::cpu {
namespace {

// Elements of a block: few enough that several blocks share 32 KB, enough to hide a call.
constexpr int64_t kBlock = 1024;
constexpr size_t kPad = 128;  // keeps buffers from sharing the low 12 bits of their addresses

std::byte* thread_scratch(size_t bytes) {
  static thread_local std::unique_ptr<std::byte[]> memory;
  static thread_local size_t size = 0;
  if (size < bytes + 64) {
    size = bytes + 64;
    memory = std::make_unique_for_overwrite<std::byte[]>(size);
  }
  const auto at = reinterpret_cast<uintptr_t>(memory.get());
  return memory.get() + (64 - at % 64) % 64;
}

template <class T>
void copy_elements(const CopyPlane& p, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* from = static_cast<const T*>(p.from) + r * p.from_row;
    T* to = static_cast<T*>(p.to) + r * p.to_row;
    if (p.from_step == 1 && p.to_step == 1) {
      std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
    } else if (p.from_step == 0 && p.to_step == 1) {
      std::fill(to, to + n, *from);
    } else {
      for (int64_t i = 0; i < n; ++i) to[i * p.to_step] = from[i * p.from_step];
    }
  }
}

}  // namespace

void copy_plane(const CopyPlane& at, int64_t rows, int64_t n, size_t bytes) {
  switch (bytes) {
    case 1: return copy_elements<uint8_t>(at, rows, n);
    case 2: return copy_elements<uint16_t>(at, rows, n);
    case 4: return copy_elements<uint32_t>(at, rows, n);
    default: return copy_elements<uint64_t>(at, rows, n);
  }
}

ExprKernel::ExprKernel(const Expr& expr, std::span<const DType> in_storage,
                       std::span<const DType> out_storage)
    : tape_(make_tape(expr)) {
  auto port = [](DType type, DType storage, Kernel (*convert)(DType)) {
    if (storage == DType::None) storage = type;
    return Port{storage, static_cast<size_t>(bits(storage)) / 8, cpu::register_bytes(type),
                convert(storage)};
  };
  for (size_t k = 0; k < expr.inputs().size(); ++k) {
    in_.push_back(
        port(expr.inputs()[k], k < in_storage.size() ? in_storage[k] : DType::None, load_kernel));
  }
  for (size_t k = 0; k < expr.outputs().size(); ++k) {
    out_.push_back(port(expr.output_type(static_cast<int>(k)),
                        k < out_storage.size() ? out_storage[k] : DType::None, store_kernel));
  }
  size_t width = 4;
  for (const ExprNode& n : expr.nodes()) width = std::max(width, cpu::register_bytes(n.dtype));
  buffer_bytes_ = static_cast<size_t>(kBlock) * width + kPad;
}

// One call of run(): where the slots lie for the block at hand.
class ExprRun {
 public:
  ExprRun(const ExprKernel& kernel, std::span<const Rows> in, std::span<const Rows> out,
          int64_t rows, int64_t n)
      : k_(kernel), t_(kernel.tape_), in_(in), out_(out), rows_(rows), n_(n) {
    chunk_rows_ = rows > 1 && n <= kBlock / 2 ? std::min(rows, kBlock / n) : 1;
    lay_out();
  }

  void run() {
    for (int64_t r = 0; r < rows_; r += chunk_rows_) {
      const int64_t rows = std::min(chunk_rows_, rows_ - r);
      for (int64_t c = 0; c < n_; c += kBlock) {
        block(r, rows, c, std::min(kBlock, n_ - c), r == 0 && c == 0);
      }
    }
  }

 private:
  // Scratch: slots, a splat for each input, a buffer for each input, output and temporary, one more
  // to gather and scatter in.
  void lay_out() {
    const size_t slots = static_cast<size_t>(t_.slots()), inputs = static_cast<size_t>(t_.inputs);
    const size_t head = (slots * sizeof(Arg) + 63) / 64 * 64;
    const size_t buffers = inputs + static_cast<size_t>(t_.outputs + t_.buffers) + 1;
    std::byte* at = thread_scratch(head + inputs * kSplatBytes + buffers * k_.buffer_bytes_);
    slots_ = reinterpret_cast<Arg*>(at);
    splats_ = at + head;
    buffers_ = splats_ + inputs * kSplatBytes;
    for (int c = 0; c < t_.constants; ++c) {
      slots_[t_.first_constant() + c] = {
          t_.constant_data.data() + static_cast<size_t>(c) * kSplatBytes, 0};
    }
    for (int o = 0; o < t_.outputs; ++o) slots_[t_.first_output() + o] = {output_buffer(o), 1};
    for (int b = 0; b < t_.buffers; ++b) {
      slots_[t_.first_buffer() + b] = {buffer(t_.inputs + t_.outputs + b), 1};
    }
  }
  std::byte* buffer(int k) const { return buffers_ + static_cast<size_t>(k) * k_.buffer_bytes_; }
  std::byte* output_buffer(int o) const { return buffer(t_.inputs + o); }
  std::byte* spare() const { return buffer(t_.inputs + t_.outputs + t_.buffers); }

  // Elements [c, c + n) of rows [r, r + rows); more than one row only where n is the whole row.
  void block(int64_t r, int64_t rows, int64_t c, int64_t n, bool first) {
    for (int k = 0; k < t_.inputs; ++k) {
      if (t_.reads[static_cast<size_t>(k)]) place_input(k, r, rows, c, n, first);
    }
    for (int o = 0; o < t_.outputs; ++o) place_output(o, r, rows, c, n);
    const auto count = static_cast<size_t>(rows * n);
    for (const TapeStep& s : t_.steps) {
      Arg args[3];
      for (int k = 0; k < 3 && s.args[k] >= 0; ++k) args[k] = slots_[s.args[k]];
      s.run(args, const_cast<void*>(slots_[s.out].at), count);
    }
    for (int o = 0; o < t_.outputs; ++o) finish_output(o, r, rows, c, n);
  }

  static std::byte* element(const Rows& a, size_t bytes, int64_t r, int64_t c) {
    return static_cast<std::byte*>(a.data) +
           (r * a.row_stride + c * a.stride) * static_cast<int64_t>(bytes);
  }
  static bool contiguous(const Rows& a, int64_t rows, int64_t n) {
    return (a.stride == 1 || n == 1) && (rows == 1 || a.row_stride == n);
  }

  void place_input(int k, int64_t r, int64_t rows, int64_t c, int64_t n, bool first) {
    const Rows& a = in_[static_cast<size_t>(k)];
    const ExprKernel::Port& p = k_.in_[static_cast<size_t>(k)];
    std::byte* from = element(a, p.bytes, r, c);
    const bool same_rows = a.row_stride == 0 || rows_ == 1;
    if (a.stride == 0 && (same_rows || chunk_rows_ == 1)) {
      if (first || (!same_rows && c == 0)) splat(k, from, p);
      return;
    }
    if (p.convert == nullptr && contiguous(a, rows, n)) {
      slots_[k] = {from, 1};
      return;
    }
    // Repeated rows are laid out once for all chunks: the first chunk has the most rows.
    if (same_rows && chunk_rows_ > 1 && !first) return;
    slots_[k] = {buffer(k), 1};
    if (p.convert == nullptr) {
      copy_plane({from, buffer(k), a.row_stride, a.stride, n, 1}, rows, n, p.bytes);
      return;
    }
    Arg stored{from, 1};
    if (!contiguous(a, rows, n)) {
      copy_plane({from, spare(), a.row_stride, a.stride, n, 1}, rows, n, p.bytes);
      stored.at = spare();
    }
    p.convert(&stored, buffer(k), static_cast<size_t>(rows * n));
  }

  void splat(int k, const std::byte* from, const ExprKernel::Port& p) {
    std::byte* to = splats_ + static_cast<size_t>(k) * kSplatBytes;
    if (p.convert == nullptr) {
      std::memcpy(to, from, p.bytes);
    } else {
      const Arg stored{from, 1};
      p.convert(&stored, to, 1);
    }
    for (size_t b = p.register_bytes; b < kSplatBytes; b += p.register_bytes) {
      std::memcpy(to + b, to, p.register_bytes);
    }
    slots_[k] = {to, 0};
  }

  void place_output(int o, int64_t r, int64_t rows, int64_t c, int64_t n) {
    const Rows& a = out_[static_cast<size_t>(o)];
    const ExprKernel::Port& p = k_.out_[static_cast<size_t>(o)];
    const bool direct =
        t_.direct[static_cast<size_t>(o)] && p.convert == nullptr && contiguous(a, rows, n);
    slots_[t_.first_output() + o].at = direct ? element(a, p.bytes, r, c) : output_buffer(o);
  }

  void finish_output(int o, int64_t r, int64_t rows, int64_t c, int64_t n) {
    const Rows& a = out_[static_cast<size_t>(o)];
    const ExprKernel::Port& p = k_.out_[static_cast<size_t>(o)];
    std::byte* to = element(a, p.bytes, r, c);
    Arg from = slots_[t_.source[static_cast<size_t>(o)]];
    if (from.at == to) return;
    const bool whole = contiguous(a, rows, n);
    if (p.convert != nullptr) {
      from = spread(from, p, rows * n);
      p.convert(&from, whole ? to : spare(), static_cast<size_t>(rows * n));
      if (whole) return;
      from = {spare(), 1};
    }
    const auto step = static_cast<int64_t>(from.step);
    copy_plane({from.at, to, step * n, step, a.row_stride, a.stride}, rows, n, p.bytes);
  }

  // Conversions read arrays: a splat that is an output becomes one.
  Arg spread(Arg from, const ExprKernel::Port& p, int64_t count) const {
    if (from.step == 1) return from;
    copy_plane({from.at, spare(), 0, 0, 0, 1}, 1, count, p.register_bytes);
    return {spare(), 1};
  }

  const ExprKernel& k_;
  const Tape& t_;
  std::span<const Rows> in_, out_;
  int64_t rows_, n_, chunk_rows_;
  Arg* slots_ = nullptr;
  std::byte* splats_ = nullptr;
  std::byte* buffers_ = nullptr;
};

void ExprKernel::run(std::span<const Rows> in, std::span<const Rows> out, int64_t rows,
                     int64_t n) const {
  if (rows <= 0 || n <= 0) return;
  auto follows = [&](const Rows& a) { return a.data == nullptr || a.row_stride == a.stride * n; };
  if (rows > 1 && std::all_of(in.begin(), in.end(), follows) &&
      std::all_of(out.begin(), out.end(), follows)) {
    n *= rows;
    rows = 1;
  }
  ExprRun(*this, in, out, rows, n).run();
}

}  // namespace lathe::cpu
