// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/kernel.h"

#include <algorithm>
#include <bit>

#include "backends/cuda/kernel_text.h"
#include "base/hash.h"

namespace lathe::cuda {

Module::~Module() {
  ContextScope scope(*context_);
  module_.reset();
}

Result<CUfunction> Module::function(const char* name) const {
  ContextScope scope(*context_);
  CUfunction f = nullptr;
  LATHE_TRY(check(context_->driver.cuModuleGetFunction(&f, module_.get(), name), name));
  return f;
}

Result<std::shared_ptr<const Module>> Module::load(const LoadContext& context) {
  if (context.blob.empty()) return unsupported("the kernel was not compiled");
  auto make = [&]() -> Result<std::shared_ptr<void>> {
    const std::shared_ptr<const Context>& c = cuda_device(context.device).context();
    ContextScope scope(*c);
    OwnedModule module;
    LATHE_TRY(
        check(c->driver.cuModuleLoadDataEx(module.out(), context.blob.data(), 0, nullptr, nullptr),
              "loading a kernel"));
    return std::shared_ptr<void>(std::make_shared<Module>(c, std::move(module)));
  };
  const std::string key = "cuda module " + hash128(context.blob).to_string();
  std::shared_ptr<void> shared = LATHE_TRY(context.cache.get(key, make));
  return std::static_pointer_cast<const Module>(std::shared_ptr<const void>(shared));
}

ArgsShape ArgsShape::of(const OpInstance& op) {
  ArgsShape s;
  s.operands = anchor_operands(op);
  s.extras = op.in.size() - s.operands;
  s.outs = op.out.size();
  for (const TensorType& t : op.in) s.rank = std::max(s.rank, static_cast<size_t>(t.rank()));
  for (const TensorType& t : op.out) s.rank = std::max(s.rank, static_cast<size_t>(t.rank()));
  s.prologue = !op.fusion.prologue.empty();
  return s;
}

size_t ArgsShape::words() const {
  const size_t in = std::max<size_t>(operands, 1), out = std::max<size_t>(outs, 1),
               more = std::max<size_t>(extras, 1);
  return in + more + out + 1 + 2 * in * rank + rank + out * rank +
         more * rank * (prologue ? 2 : 1) + kMaxInts + kMaxFloats;
}

std::vector<int64_t> broadcast_strides(const TensorType& type, const std::vector<int64_t>& strides,
                                       const Shape& to) {
  std::vector<int64_t> out(static_cast<size_t>(to.rank()), 0);
  const int shift = to.rank() - type.rank();
  for (int d = std::max(0, -shift); d < type.rank(); ++d) {
    if (!type.shape[d].is(1)) out[static_cast<size_t>(d + shift)] = strides[static_cast<size_t>(d)];
  }
  return out;
}

KernelArgs::KernelArgs(const OpInstance& op) : shape_(ArgsShape::of(op)) {
  const ArgsShape& s = shape_;
  const size_t in = std::max<size_t>(s.operands, 1), more = std::max<size_t>(s.extras, 1);
  in_size_ = in + more + std::max<size_t>(s.outs, 1) + 1;
  in_stride_ = in_size_ + in * s.rank;
  out_size_ = in_stride_ + in * s.rank;
  out_stride_ = out_size_ + s.rank;
  extra_stride_ = out_stride_ + std::max<size_t>(s.outs, 1) * s.rank;
  prologue_stride_ = extra_stride_ + more * s.rank;
  ints_ = prologue_stride_ + (s.prologue ? more * s.rank : 0);
  floats_ = ints_ + kMaxInts;
  words_.assign(s.words(), 0);

  for (size_t k = 0; k < s.operands; ++k) {
    std::fill_n(words_.begin() + static_cast<std::ptrdiff_t>(in_size_ + k * s.rank), s.rank, 1);
    if (op.in[k].absent()) continue;
    put(in_size_ + k * s.rank, op.in[k].shape.sizes());
    put(in_stride_ + k * s.rank, operand_strides(op, static_cast<int>(k)));
  }
  std::fill_n(words_.begin() + static_cast<std::ptrdiff_t>(out_size_), s.rank, 1);
  put(out_size_, op.out[0].shape.sizes());
  for (size_t k = 0; k < s.outs; ++k) {
    put(out_stride_ + k * s.rank, result_strides(op, static_cast<int>(k)));
  }
  for (size_t e = 0; e < s.extras; ++e) {
    const size_t k = s.operands + e;
    if (op.in[k].absent()) continue;
    const std::vector<int64_t> own = operand_strides(op, static_cast<int>(k));
    put(extra_stride_ + e * s.rank, broadcast_strides(op.in[k], own, op.out[0].shape));
    if (!s.prologue) continue;
    put(prologue_stride_ + e * s.rank, broadcast_strides(op.in[k], own, op.in[0].shape));
  }
}

void KernelArgs::put(size_t at, const std::vector<int64_t>& values) {
  for (size_t d = 0; d < values.size(); ++d) words_[at + d] = static_cast<uint64_t>(values[d]);
}

void KernelArgs::broadcast_operand(const OpInstance& op, size_t k, const Shape& to) {
  if (k >= op.in.size() || op.in[k].absent()) return;
  put(in_stride_ + k * shape_.rank,
      broadcast_strides(op.in[k], operand_strides(op, static_cast<int>(k)), to));
}

void KernelArgs::set_float(size_t index, double value) {
  words_[floats_ + index] = std::bit_cast<uint64_t>(value);
}

void KernelArgs::bind(const Buffers& at, std::vector<uint64_t>& words) const {
  words.assign(words_.begin(), words_.end());
  const size_t in = std::max<size_t>(shape_.operands, 1), more = std::max<size_t>(shape_.extras, 1);
  for (size_t k = 0; k < at.in.size(); ++k) {
    words[k < shape_.operands ? k : in + k - shape_.operands] = address(at.in[k]);
  }
  for (size_t k = 0; k < at.out.size(); ++k) words[in + more + k] = address(at.out[k]);
  words[in_size_ - 1] = address(at.workspace);
}

Grid Grid::for_items(int64_t items, unsigned threads) {
  return for_blocks((items + threads - 1) / threads, threads);
}

Grid Grid::for_blocks(int64_t blocks, unsigned threads) {
  constexpr int64_t kMost = 1 << 20;  // every kernel walks on by the grid's size
  return {static_cast<unsigned>(std::clamp<int64_t>(blocks, 1, kMost)), threads, 0};
}

Status PreparedKernel::launch(const Buffers& at, Stream& stream) const {
  if (empty_) return {};
  const Context& c = module_->context();
  ContextScope scope(c);
  thread_local std::vector<uint64_t> words;  // kept: a launch allocates nothing
  args_.bind(at, words);
  void* parameters[] = {words.data()};
  return check(c.driver.cuLaunchKernel(function_, grid_.blocks, 1, 1, grid_.threads, 1, 1,
                                       grid_.shared_bytes, cuda_stream(stream).handle(), parameters,
                                       nullptr),
               "cuLaunchKernel");
}

int64_t result_elements(const OpInstance& op) { return op.out[0].shape.elements(); }

Result<std::unique_ptr<Prepared>> prepare_kernel(const LoadContext& context, const char* name,
                                                 KernelArgs args, Grid grid,
                                                 std::vector<std::unique_ptr<Memory>> held) {
  std::shared_ptr<const Module> module = LATHE_TRY(Module::load(context));
  const CUfunction function = LATHE_TRY(module->function(name));
  auto prepared = std::make_unique<PreparedKernel>(std::move(module), function, std::move(args),
                                                   grid, result_elements(context.op) == 0);
  prepared->held = std::move(held);
  return std::unique_ptr<Prepared>(std::move(prepared));
}

Result<std::unique_ptr<Memory>> upload_table(Device& device, const void* data, size_t bytes) {
  std::unique_ptr<Memory> memory = LATHE_TRY(device.allocate(std::max<size_t>(bytes, 8)));
  std::unique_ptr<Stream> stream = LATHE_TRY(device.open_stream());
  LATHE_TRY(device.upload(memory->data(), data, bytes, *stream));
  LATHE_TRY(stream->synchronize());
  return memory;
}

}  // namespace lathe::cuda
