// SPDX-License-Identifier: Apache-2.0
#pragma once
// Generated kernels on the host's side: a loaded module, the arguments in the order of the device's
// struct Args, and a Prepared that launches one kernel of the module.
#include <memory>
#include <string>
#include <vector>

#include "backends/cuda/cuda_state.h"
#include "device/tactic.h"

namespace lathe::cuda {

// A loaded cubin; equal ones are shared through the engine's cache.
class Module {
 public:
  static Result<std::shared_ptr<const Module>> load(const LoadContext& context);
  Module(std::shared_ptr<const Context> context, OwnedModule module)
      : context_(std::move(context)), module_(std::move(module)) {}
  ~Module();
  Result<CUfunction> function(const char* name) const;
  const Context& context() const { return *context_; }

 private:
  std::shared_ptr<const Context> context_;
  OwnedModule module_;
};

inline constexpr size_t kMaxInts = 32, kMaxFloats = 8;

// How many of everything struct Args holds. All members are eight bytes wide.
struct ArgsShape {
  size_t rank = 1, operands = 0, extras = 0, outs = 1;
  bool prologue = false;
  static ArgsShape of(const OpInstance& op);
  size_t words() const;
};

// Strides of a tensor along the dimensions of a shape that it broadcasts to (NumPy).
std::vector<int64_t> broadcast_strides(const TensorType& type, const std::vector<int64_t>& strides,
                                       const Shape& to);

// The words of struct Args for a concrete instance: sizes and strides filled, `n` and `f` the
// tactic's to fill, pointers added at each launch.
class KernelArgs {
 public:
  explicit KernelArgs(const OpInstance& op);
  // Operand k read along the dimensions of `to` instead of its own.
  void broadcast_operand(const OpInstance& op, size_t k, const Shape& to);
  void set(size_t index, int64_t value) { words_[ints_ + index] = static_cast<uint64_t>(value); }
  void set_float(size_t index, double value);
  void set_in_stride(size_t operand, size_t dim, int64_t stride) {
    words_[in_stride_ + operand * shape_.rank + dim] = static_cast<uint64_t>(stride);
  }
  // Into `words`: all of them with the pointers of a launch.
  void bind(const Buffers& at, std::vector<uint64_t>& words) const;
  // Pointer to device memory that the tactic holds, as n[index].
  void set_pointer(size_t index, const void* p) { words_[ints_ + index] = address(p); }

 private:
  void put(size_t at, const std::vector<int64_t>& values);
  ArgsShape shape_;
  std::vector<uint64_t> words_;
  size_t in_size_, in_stride_, out_size_, out_stride_, extra_stride_, prologue_stride_, ints_,
      floats_;
};

struct Grid {
  unsigned blocks = 1, threads = 256;
  unsigned shared_bytes = 0;
  // One thread for each item, or as many as fill the device and walk the rest.
  static Grid for_items(int64_t items, unsigned threads = 256);
  static Grid for_blocks(int64_t blocks, unsigned threads);
};

// One kernel, launched with the same sizes each time.
class PreparedKernel : public Prepared {
 public:
  PreparedKernel(std::shared_ptr<const Module> module, CUfunction function, KernelArgs args,
                 Grid grid, bool empty)
      : module_(std::move(module)),
        function_(function),
        args_(std::move(args)),
        grid_(grid),
        empty_(empty) {}
  Status launch(const Buffers& at, Stream& stream) const override;
  std::vector<std::unique_ptr<Memory>> held;  // tables that the kernel reads

 private:
  std::shared_ptr<const Module> module_;
  CUfunction function_;
  KernelArgs args_;
  Grid grid_;
  bool empty_;  // nothing to write
};

// Loads the module and prepares its kernel `name`. `held`: device memory that the kernel reads.
Result<std::unique_ptr<Prepared>> prepare_kernel(const LoadContext& context, const char* name,
                                                 KernelArgs args, Grid grid,
                                                 std::vector<std::unique_ptr<Memory>> held = {});
// Device memory with a copy of these bytes.
Result<std::unique_ptr<Memory>> upload_table(Device& device, const void* data, size_t bytes);

// Elements of output 0.
int64_t result_elements(const OpInstance& op);

}  // namespace lathe::cuda
