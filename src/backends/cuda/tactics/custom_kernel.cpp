// SPDX-License-Identifier: Apache-2.0
// custom_kernel: the CUDA kernel that a custom operator's definition holds. It is called with the
// pointers of operands and results in the signature's order, then the definition's arguments.
#include <algorithm>
#include <array>

#include "backends/cuda/expr_text.h"
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"
#include "ops/signature.h"
#include "ops/text.h"

namespace lathe::cuda {
namespace {

constexpr int64_t kMaxShared = 48 << 10;  // more needs an opt-in that is the device's to grant
constexpr size_t kMaxParameters = 512;    // 4 KiB of eight bytes each, what every driver takes

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (op.attrs.text("cuda").empty()) return Support::no("its definition has no CUDA kernel");
  if (!op.fusion.empty() || op.fusion.sliced()) return Support::no("no fusion into users' kernels");
  for (const auto* types : {&op.in, &op.out}) {
    for (const TensorType& t : *types) {
      if (t.layout != Layout::RowMajor) return Support::no("users' kernels take row-major tensors");
    }
  }
  return Support::yes();
}

// The prelude, "typedef f16 x_t;" for each tensor of the signature, and the user's text.
Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  const Signature s = LATHE_TRY(Signature::parse(op.attrs.text("signature")));
  std::string text(device_text("prelude"));
  for (const auto* ports : {&s.in, &s.out}) {
    for (const Signature::Port& p : *ports)
      text += fmt::format("typedef {} {}_t;\n", storage_name(p.type.dtype), p.name);
  }
  // The compiler's messages count the user's lines.
  return text + fmt::format("#line 1 \"{}\"\n", op.attrs.text("name")) + op.attrs.text("cuda") +
         "\n";
}

// Expressions over the signature's symbols at these sizes.
Result<std::vector<int64_t>> evaluate(std::string_view texts, const Bindings& sizes) {
  std::vector<int64_t> values;
  for (std::string_view text : LATHE_TRY(split_top(texts, ',')))
    values.push_back(LATHE_TRY(LATHE_TRY(Dim::parse(text)).evaluate(sizes)));
  return values;
}

struct Geometry {
  std::array<unsigned, 3> grid{1, 1, 1}, block{1, 1, 1};
  unsigned shared = 0;
  std::vector<int64_t> arguments;
  bool empty = false;  // no blocks
};

Status read_three(const OpInstance& op, std::string_view name, const Bindings& sizes,
                  const std::array<int64_t, 3>& most, std::array<unsigned, 3>& into) {
  const std::vector<int64_t> values = LATHE_TRY(evaluate(op.attrs.text(name), sizes));
  if (values.empty() || values.size() > 3) return invalid("{} has {} values", name, values.size());
  for (size_t k = 0; k < values.size(); ++k) {
    if (values[k] < 0 || values[k] > most[k])
      return invalid("{}[{}] is {}, expected 0 to {}", name, k, values[k], most[k]);
    into[k] = static_cast<unsigned>(values[k]);
  }
  return {};
}

Result<Geometry> geometry_of(const OpInstance& op) {
  const Signature s = LATHE_TRY(Signature::parse(op.attrs.text("signature")));
  std::vector<Signature::Equality> ignored;  // inference demanded them
  Bindings sizes;
  for (const auto& [name, d] : LATHE_TRY(s.match(op.in, &ignored))) sizes[name] = d.value();
  Geometry g;
  LATHE_TRY(read_three(op, "grid", sizes, {INT32_MAX, 65535, 65535}, g.grid));
  LATHE_TRY(read_three(op, "block", sizes, {1024, 1024, 64}, g.block));
  const uint64_t threads = uint64_t{g.block[0]} * g.block[1] * g.block[2];
  if (threads == 0 || threads > 1024) return invalid("a block has {} threads", threads);
  const std::vector<int64_t> shared = LATHE_TRY(evaluate(op.attrs.text("shared"), sizes));
  if (shared.size() != 1 || shared[0] < 0 || shared[0] > kMaxShared)
    return invalid("shared memory must be 0 to {} bytes", kMaxShared);
  g.shared = static_cast<unsigned>(shared[0]);
  g.arguments = LATHE_TRY(evaluate(op.attrs.text("arguments"), sizes));
  if (op.in.size() + op.out.size() + g.arguments.size() > kMaxParameters)
    return invalid("the kernel has more than {} parameters", kMaxParameters);
  g.empty = std::count(g.grid.begin(), g.grid.end(), 0U) > 0;
  return g;
}

class PreparedCustom : public Prepared {
 public:
  PreparedCustom(std::shared_ptr<const Module> module, CUfunction function, Geometry geometry)
      : module_(std::move(module)), function_(function), geometry_(std::move(geometry)) {}

  Status launch(const Buffers& at, Stream& stream) const override {
    if (geometry_.empty) return {};
    const Context& c = module_->context();
    ContextScope scope(c);
    // An older driver does not say how many it reads: zeros behind ours stand in for mistakes.
    std::array<uint64_t, kMaxParameters> words{};
    std::array<void*, kMaxParameters> parameters;
    size_t n = 0;
    for (void* p : at.in) words[n++] = address(p);
    for (void* p : at.out) words[n++] = address(p);
    for (const int64_t v : geometry_.arguments) words[n++] = static_cast<uint64_t>(v);
    for (size_t k = 0; k < kMaxParameters; ++k) parameters[k] = &words[k];
    const auto &g = geometry_.grid, &b = geometry_.block;
    return check(
        c.driver.cuLaunchKernel(function_, g[0], g[1], g[2], b[0], b[1], b[2], geometry_.shared,
                                cuda_stream(stream).handle(), parameters.data(), nullptr),
        "cuLaunchKernel");
  }

 private:
  std::shared_ptr<const Module> module_;
  CUfunction function_;
  Geometry geometry_;
};

// The kernel takes as many parameters as the definition gives, of eight bytes each.
Status check_parameters(const Driver& driver, CUfunction function, const OpInstance& op,
                        size_t given) {
  if (driver.cuFuncGetParamInfo == nullptr) return {};
  const std::string& kernel = op.attrs.text("kernel");
  size_t offset = 0, bytes = 0, taken = 0;
  while (driver.cuFuncGetParamInfo(function, taken, &offset, &bytes) == CUresult::Success) {
    if (bytes != sizeof(uint64_t))
      return invalid("parameter {} of kernel {} has {} bytes, expected a pointer or an i64", taken,
                     kernel, bytes);
    ++taken;
  }
  if (taken == given) return {};
  return invalid(
      "kernel {} takes {} parameters, its definition gives {}: {} tensors and {} arguments", kernel,
      taken, given, op.in.size() + op.out.size(), given - op.in.size() - op.out.size());
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  Geometry geometry = LATHE_TRY(geometry_of(context.op));
  std::shared_ptr<const Module> module = LATHE_TRY(Module::load(context));
  const CUfunction function = LATHE_TRY(module->function(context.op.attrs.text("kernel").c_str()));
  const size_t given = context.op.in.size() + context.op.out.size() + geometry.arguments.size();
  const ContextScope scope(module->context());
  LATHE_TRY(check_parameters(module->context().driver, function, context.op, given));
  return std::unique_ptr<Prepared>(
      std::make_unique<PreparedCustom>(std::move(module), function, std::move(geometry)));
}

}  // namespace

const Tactic& custom_kernel() {
  static constexpr Tactic tactic{
      .name = "custom_kernel",
      .op = "Custom",
      .doc = "The CUDA kernel of a custom operator's definition.",
      .supports = supports,
      .source = source,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cuda
