// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/onednn_prepared.h"

#include "backends/cpu/dnnl/dnnl_shim.h"
#include "base/hash.h"

namespace lathe::cpu {
namespace {

constexpr std::string_view kImplementation = "implementation=";
constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

const std::vector<PostOp>& post_of(const Spec& spec) {
  return std::visit([](const auto& s) -> const std::vector<PostOp>& { return s.post; }, spec);
}

// The weights as the engine holds them: the problem's shape, the operand's own type.
MemorySpec plain_weights(const Spec& spec, const OpInstance& op) {
  MemorySpec m;
  if (const auto* conv = std::get_if<ConvSpec>(&spec)) m = conv->weights;
  if (const auto* product = std::get_if<ProductSpec>(&spec)) m = product->weights;
  if (!m.absent()) m.dtype = op.in[1].dtype;
  m.free = false;
  return m;
}

class PreparedOnednn : public Prepared {
 public:
  PreparedOnednn(std::unique_ptr<OnednnPrimitive> primitive, const OnednnProblem& problem,
                 const OpInstance& op)
      : primitive_(std::move(primitive)), plain_(plain_weights(problem.spec, op)) {
    for (const PostOp& p : post_of(problem.spec)) post_operands_.push_back(p.operand);
    has_weights_ = !plain_.absent();
    has_bias_ = has_weights_ && has_operand(op, 2);
    converts_ = has_weights_ && op.in[1].dtype != anchor_in(op)[1].dtype;
    scratchpad_ = aligned(primitive_->scratchpad_bytes());
    workspace_bytes = primitive_->scratchpad_bytes();
  }

  Status prepare_weights(const LoadContext& context) {
    if (!has_weights_ || !(primitive_->packs_weights() || converts_)) return {};
    if (context.constants.size() > 1 && !context.constants[1].empty()) return pack_once(context);
    workspace_bytes = scratchpad_ + primitive_->weights_bytes();
    packs_at_launch_ = true;
    return {};
  }

  Status launch(const Buffers& at, Stream&) const override {
    constexpr size_t kMaxPost = 16;
    const void* post[kMaxPost] = {};
    for (size_t k = 0; k < post_operands_.size(); ++k) {
      if (post_operands_[k] >= 0) post[k] = at.in[static_cast<size_t>(post_operands_[k])];
    }
    OnednnPrimitive::Args args;
    args.src = at.in[0];
    args.dst = at.out[0];
    args.post = {post, post_operands_.size()};
    args.scratchpad = at.workspace;
    if (has_bias_) args.bias = at.in[2];
    if (packed_ != nullptr) {
      args.weights = packed_->data();
    } else if (packs_at_launch_) {
      void* place = static_cast<std::byte*>(at.workspace) + scratchpad_;
      LATHE_TRY(primitive_->pack(plain_, at.in[1], place));
      args.weights = place;
    } else if (has_weights_) {
      args.weights = at.in[1];
    }
    return primitive_->run(args);
  }

 private:
  Status pack_once(const LoadContext& context) {
    const HostTensor& weights = context.constants[1];
    const uint64_t id =
        context.constant_ids.size() > 1 ? context.constant_ids[1] : hash64(weights.bytes());
    const std::string key = fmt::format("onednn|{}|{}|{}|{}|{}", id, to_string(plain_.dtype),
                                        fmt::join(plain_.dims, ","), fmt::join(plain_.strides, ","),
                                        primitive_->weights_key());
    auto fill = [&](void* to) { return primitive_->pack(plain_, weights.bytes().data(), to); };
    packed_bytes = primitive_->weights_bytes();
    packed_ = LATHE_TRY(context.cache.get_packed(key, context.device, packed_bytes, fill));
    plain_constants &= ~uint64_t{2};
    return {};
  }

  std::unique_ptr<OnednnPrimitive> primitive_;
  MemorySpec plain_;
  std::shared_ptr<Memory> packed_;
  std::vector<int> post_operands_;
  size_t scratchpad_ = 0;
  bool has_weights_ = false, has_bias_ = false, converts_ = false, packs_at_launch_ = false;
};

bool is_narrowing_or_widening(const Expr& e) {
  if (e.outputs().size() != 1) return false;
  const ExprNode& n = e.nodes()[static_cast<size_t>(e.outputs()[0])];
  if (n.op != ScalarOp::Cast || !is_float(n.dtype)) return false;
  const ExprNode& from = e.nodes()[static_cast<size_t>(n.args[0])];
  return from.op == ScalarOp::Input && from.input == 0 && from.dtype == DType::F32;
}

}  // namespace

Support onednn_support(const OnednnProblem& problem) {
  if (!problem.ok()) return Support::no(problem.why);
  if (implementations(problem.spec, 1).empty()) {
    return Support::no("onednn offers only its reference here");
  }
  return Support::yes();
}

std::vector<Config> onednn_configs(const OnednnProblem& problem, size_t limit) {
  std::vector<Config> configs;
  for (std::string& name : implementations(problem.spec, limit)) {
    configs.push_back(configs.empty() ? Config() : std::string(kImplementation) + name);
  }
  return configs;
}

Result<std::unique_ptr<Prepared>> load_onednn(const LoadContext& context,
                                              const OnednnProblem& problem) {
  if (!problem.ok()) return unsupported("{}", problem.why);
  std::string_view name = context.config;
  name = name.starts_with(kImplementation) ? name.substr(kImplementation.size()) : "";
  Result<std::unique_ptr<OnednnPrimitive>> made = OnednnPrimitive::make(problem.spec, name);
  if (!made.ok() && !name.empty()) made = OnednnPrimitive::make(problem.spec, "");
  if (!made.ok()) return std::move(made).status();
  auto prepared = std::make_unique<PreparedOnednn>(*std::move(made), problem, context.op);
  LATHE_TRY(prepared->prepare_weights(context));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

std::string refuse_prologues(const OpInstance& op) {
  for (size_t k = 0; k < op.fusion.prologue.size(); ++k) {
    const Expr& e = op.fusion.prologue[k];
    if (e.empty() || e.is_identity()) continue;
    const bool weights = k == 1 && op.is_constant(1);
    if (!weights || !is_narrowing_or_widening(e)) {
      return fmt::format("operand {} has a prologue", k);
    }
  }
  return "";
}

const std::vector<TensorType>& anchor_in(const OpInstance& op) {
  return op.fusion.empty() ? op.in : op.fusion.anchor_in;
}

bool has_operand(const OpInstance& op, int k) {
  const std::vector<TensorType>& in = anchor_in(op);
  return static_cast<size_t>(k) < in.size() && !in[static_cast<size_t>(k)].absent();
}

bool is_sliced(const OpInstance& op, int k) {
  const auto n = static_cast<size_t>(k);
  return n < op.fusion.in_slice.size() && op.fusion.in_slice[n].has_value();
}

bool is_result_sliced(const OpInstance& op, int k) {
  const auto n = static_cast<size_t>(k);
  return n < op.fusion.out_slice.size() && op.fusion.out_slice[n].has_value();
}

}  // namespace lathe::cpu
