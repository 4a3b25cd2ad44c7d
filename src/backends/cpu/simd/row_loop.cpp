// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/row_loop.h"

#include <algorithm>
#include <array>

namespace lathe::cpu {
namespace {

constexpr int64_t kChunk = 8192;  // floats of the rows that are worked on together
constexpr size_t kMaxTensors = 64;

bool is_narrow(DType t) { return t == DType::F16 || t == DType::BF16 || t == DType::F32; }

ExprKernel copy_kernel(DType type, bool widen) {
  Expr e({type});
  e.output(e.input(0));
  const DType wide[] = {DType::F32};
  return widen ? ExprKernel(e, {}, wide) : ExprKernel(e, wide, {});
}

float* thread_rows(size_t floats) {
  static thread_local std::unique_ptr<float[]> memory;
  static thread_local size_t size = 0;
  if (size < floats) {
    size = floats;
    memory = std::make_unique_for_overwrite<float[]>(size);
  }
  return memory.get();
}

}  // namespace

const std::vector<TensorType>& anchor_inputs(const OpInstance& op) {
  return op.fusion.empty() ? op.in : op.fusion.anchor_in;
}

DType anchor_result_type(const OpInstance& op) {
  return op.fusion.empty() ? op.out[0].dtype : op.fusion.anchor_out[0].dtype;
}

Support RowLoop::supports(const OpInstance& op) {
  if (op.in.size() + op.out.size() + 2 > kMaxTensors) return Support::no("too many tensors");
  if (!is_narrow(anchor_inputs(op)[0].dtype)) return Support::no("f32, f16 and bf16 only");
  for (size_t k = 1; k < op.fusion.prologue.size(); ++k) {
    if (!op.fusion.prologue[k].empty()) return Support::no("a prologue of another operand than 0");
  }
  auto blocked = [](const TensorType& t) { return t.layout == Layout::Blocked16; };
  if (std::any_of(op.in.begin(), op.in.end(), blocked) ||
      std::any_of(op.out.begin(), op.out.end(), blocked)) {
    return Support::no("channels in blocks");
  }
  return Support::yes();
}

bool RowLoop::in_place(size_t tensor, DType type) const {
  return type == DType::F32 && inner_.sizes.size() == 1 &&
         (inner_.strides[tensor][0] == 1 || inner_.sizes[0] == 1);
}

RowLoop::RowLoop(const OpInstance& op, const std::vector<int>& axes) {
  const Shape& shape = anchor_inputs(op)[0].shape;
  const int rank = shape.rank();
  std::vector<std::vector<int64_t>> strides;
  auto add = [&](int number, bool is_result) {
    const TensorType& t =
        is_result ? op.out[static_cast<size_t>(number)] : op.in[static_cast<size_t>(number)];
    const std::vector<int64_t> own =
        is_result ? result_strides(op, number) : operand_strides(op, number);
    strides.push_back(broadcast_strides(t.shape, own, rank));
    tensors_.push_back({number, is_result, bits(t.dtype) / 8});
  };
  add(0, false);
  results_ = op.out.size();
  for (size_t k = 0; k < results_; ++k) add(static_cast<int>(k), true);
  const size_t anchor_operands = anchor_inputs(op).size();
  extras_ = op.in.size() - anchor_operands;
  for (size_t k = 0; k < extras_; ++k) add(static_cast<int>(anchor_operands + k), false);
  for (size_t k = 1; k < std::min<size_t>(anchor_operands, 3); ++k) {
    const bool given = !op.in[k].absent();
    parameter_.push_back(given ? static_cast<int>(tensors_.size()) : -1);
    if (given) add(static_cast<int>(k), false);
  }
  parameter_.resize(2, -1);

  auto part = [&](bool of_row) {
    std::vector<int64_t> sizes;
    std::vector<std::vector<int64_t>> s(strides.size());
    for (int d = 0; d < rank; ++d) {
      if ((std::find(axes.begin(), axes.end(), d) != axes.end()) != of_row) continue;
      sizes.push_back(shape[d].value());
      for (size_t k = 0; k < s.size(); ++k) s[k].push_back(strides[k][static_cast<size_t>(d)]);
    }
    return make_nest(std::move(sizes), std::move(s));
  };
  outer_ = part(false);
  inner_ = part(true);
  length_ = inner_.elements();

  const DType wide[] = {DType::F32};
  const std::vector<Expr>& prologue = op.fusion.prologue;
  has_prologue_ = !prologue.empty() && !prologue[0].empty();
  if (has_prologue_) {
    enter_ = ExprKernel(prologue[0], {}, wide);
  } else if (!in_place(0, op.in[0].dtype)) {
    enter_ = copy_kernel(op.in[0].dtype, true);
  }
  has_epilogue_ = !op.fusion.epilogue.empty();
  if (has_epilogue_) {
    std::vector<DType> storage(op.fusion.epilogue.inputs().size(), DType::None);
    storage.front() = storage.back() = DType::F32;
    leave_ = ExprKernel(op.fusion.epilogue, storage);
  } else if (!in_place(1, op.out[0].dtype)) {
    leave_ = copy_kernel(op.out[0].dtype, false);
  }
  for (int p : parameter_) {
    widen_.emplace_back();
    if (p < 0) continue;
    const auto tensor = static_cast<size_t>(p);
    const DType type = op.in[static_cast<size_t>(tensors_[tensor].number)].dtype;
    const std::vector<int64_t>& s = inner_.strides[tensor];
    const bool repeats = std::all_of(s.begin(), s.end(), [](int64_t step) { return step == 0; });
    is_single_[widen_.size() - 1] = repeats && type == DType::F32;
    if (!is_single_[widen_.size() - 1] && !in_place(tensor, type)) {
      widen_.back() = copy_kernel(type, true);
    }
  }
}

// A thread's part of a run.
class RowRun {
 public:
  RowRun(const RowLoop& loop, const Buffers& at, void (*f)(void*, const RowView&), void* context)
      : l_(loop), at_(at), f_(f), context_(context), planes_(loop.inner_) {
    const bool plain_row = l_.inner_.sizes.size() == 1;
    chunk_ = plain_row ? std::max<int64_t>(1, kChunk / std::max<int64_t>(l_.length_, 1)) : 1;
    const auto floats = static_cast<size_t>(l_.length_);
    float* memory = thread_rows(floats * static_cast<size_t>(2 * chunk_ + 2));
    x_ = memory;
    y_ = x_ + floats * static_cast<size_t>(chunk_);
    for (size_t p = 0; p < 2; ++p)
      parameter_memory_[p] = y_ + floats * (static_cast<size_t>(chunk_) + p);
    inner_dense_.assign(l_.inner_.sizes.size(), 1);
    for (size_t d = inner_dense_.size() - 1; d-- > 0;) {
      inner_dense_[d] = inner_dense_[d + 1] * l_.inner_.sizes[d + 1];
    }
  }

  void rows(int64_t begin, int64_t end) {
    const int64_t last = l_.outer_.sizes.back();
    while (begin < end) {
      const int64_t count = std::min({chunk_, end - begin, last - begin % last});
      chunk(begin, count);
      begin += count;
    }
  }

 private:
  struct Port {
    std::byte* base;
    const std::vector<int64_t>* inner;  // strides along the row's dimensions
    int64_t row;                        // stride from row to row
    int64_t bytes;
  };

  Port port(size_t tensor) const {
    const RowLoop::Tensor& t = l_.tensors_[tensor];
    auto* data =
        static_cast<std::byte*>((t.is_result ? at_.out : at_.in)[static_cast<size_t>(t.number)]);
    return {data + offset_[tensor] * t.bytes, &l_.inner_.strides[tensor],
            l_.outer_.strides[tensor].back(), t.bytes};
  }
  Port buffer(float* data) const {
    return {reinterpret_cast<std::byte*>(data), &inner_dense_, l_.length_, 4};
  }

  // The kernel over `count` rows; more than one only where a row is one run.
  void apply(const ExprKernel& kernel, std::span<const Port> in, std::span<const Port> out,
             int64_t count) {
    std::array<Rows, kMaxTensors> rows;
    const size_t rank = inner_dense_.size();
    for (int64_t p = 0; p < planes_.count; ++p) {
      auto place = [&](const Port& port) {
        int64_t offset = 0, index = p;
        for (size_t d = rank - std::min<size_t>(rank, 2); d-- > 0;) {
          offset += index % l_.inner_.sizes[d] * (*port.inner)[d];
          index /= l_.inner_.sizes[d];
        }
        return Rows{port.base + offset * port.bytes, (*port.inner)[rank - 1],
                    rank > 1 ? (*port.inner)[rank - 2] : port.row};
      };
      for (size_t k = 0; k < in.size(); ++k) rows[k] = place(in[k]);
      for (size_t k = 0; k < out.size(); ++k) rows[in.size() + k] = place(out[k]);
      kernel.run({rows.data(), in.size()}, {rows.data() + in.size(), out.size()},
                 rank > 1 ? planes_.rows : count, planes_.n);
    }
  }

  void find_offsets(int64_t row) {
    offset_.assign(l_.tensors_.size(), 0);
    for (size_t d = l_.outer_.sizes.size(); d-- > 0;) {
      const int64_t c = row % l_.outer_.sizes[d];
      row /= l_.outer_.sizes[d];
      for (size_t k = 0; k < offset_.size(); ++k) offset_[k] += c * l_.outer_.strides[k][d];
    }
  }

  void chunk(int64_t row, int64_t count) {
    find_offsets(row);
    const Port x = enter(count);
    const bool writes_in_place = l_.leave_.empty();
    const Port y = writes_in_place ? port(1) : buffer(y_);
    for (int64_t r = 0; r < count; ++r) {
      RowView view{reinterpret_cast<const float*>(x.base) + r * x.row,
                   reinterpret_cast<float*>(y.base) + r * y.row,
                   l_.length_,
                   {nullptr, nullptr},
                   {}};
      for (size_t p = 0; p < 2; ++p) {
        view.parameters[p] = parameter(p, r);
        view.is_single[p] = l_.is_single_[p];
      }
      f_(context_, view);
    }
    if (!writes_in_place) leave(x, count);
  }

  Port enter(int64_t count) {
    if (l_.enter_.empty()) return port(0);
    in_.assign(1, port(0));
    if (l_.has_prologue_) add_extras(in_);
    const Port to = buffer(x_);
    apply(l_.enter_, in_, {&to, 1}, count);
    return to;
  }

  void leave(const Port& x, int64_t count) {
    in_.assign(1, buffer(y_));
    out_.clear();
    for (size_t k = 0; k < l_.results_; ++k) out_.push_back(port(1 + k));
    if (l_.has_epilogue_) {
      add_extras(in_);
      in_.push_back(x);
    }
    apply(l_.leave_, in_, out_, count);
  }

  void add_extras(std::vector<Port>& to) const {
    for (size_t k = 0; k < l_.extras_; ++k) to.push_back(port(1 + l_.results_ + k));
  }

  // Operand 1 or 2 along row r of the chunk; brought to f32 anew only when it changes.
  const float* parameter(size_t p, int64_t r) {
    if (l_.parameter_[p] < 0) return nullptr;
    Port from = port(static_cast<size_t>(l_.parameter_[p]));
    from.base += r * from.row * from.bytes;
    if (l_.widen_[p].empty()) return reinterpret_cast<const float*>(from.base);
    if (loaded_[p] != from.base) {
      const Port to = buffer(parameter_memory_[p]);
      apply(l_.widen_[p], {&from, 1}, {&to, 1}, 1);
      loaded_[p] = from.base;
    }
    return parameter_memory_[p];
  }

  const RowLoop& l_;
  const Buffers& at_;
  void (*f_)(void*, const RowView&);
  void* context_;
  Planes planes_;
  int64_t chunk_ = 1;
  float *x_ = nullptr, *y_ = nullptr;
  float* parameter_memory_[2] = {};
  const std::byte* loaded_[2] = {};
  std::vector<int64_t> inner_dense_, offset_;
  std::vector<Port> in_, out_;
};

void RowLoop::run(const Buffers& at, void (*f)(void*, const RowView&), void* context) const {
  if (outer_.elements() == 0 || length_ == 0) return;
  const int64_t least = std::max<int64_t>(1, grain(4) / length_);
  parallel_for(outer_.elements(), least,
               [&](int64_t begin, int64_t end) { RowRun(*this, at, f, context).rows(begin, end); });
}

}  // namespace lathe::cpu
