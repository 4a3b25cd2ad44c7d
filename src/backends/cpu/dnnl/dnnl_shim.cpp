// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/dnnl_shim.h"

#include <algorithm>
#include <array>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/signals.h"
#include "base/slot_pool.h"

namespace lathe::cpu {
namespace {

using Memory = dnnl::memory;
using Desc = dnnl::memory::desc;

constexpr bool kHasOperationDescs = DNNL_VERSION_MAJOR < 3;

// oneDNN's own cache of primitives is off: it puts what was made before in front of the
// implementations that a descriptor lists, so that the same build would choose among others the
// second time. Engines make each primitive once anyway.
dnnl::engine make_cpu_engine() {
  dnnl::set_primitive_cache_capacity(0);
  return dnnl::engine(dnnl::engine::kind::cpu, 0);
}

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine = make_cpu_engine();
  return engine;
}

dnnl::stream& thread_stream() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

// Calls f; what oneDNN throws becomes a Status.
template <class F>
Status guarded(F&& f) {
  try {
    f();
    return {};
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_out_of_memory) return out_of_memory("onednn: {}", e.what());
    return unsupported("onednn: {}", e.what());
  } catch (const std::bad_alloc&) {
    return out_of_memory("onednn: no memory for a primitive");
  }
}

Memory::data_type type_of(DType t) {
  switch (t) {
    case DType::F32: return Memory::data_type::f32;
    case DType::BF16: return Memory::data_type::bf16;
    case DType::F16: return Memory::data_type::f16;
    case DType::I8: return Memory::data_type::s8;
    case DType::U8: return Memory::data_type::u8;
    case DType::I32: return Memory::data_type::s32;
    default: return Memory::data_type::undef;
  }
}

Desc blocked_desc(const MemorySpec& m) {
  constexpr Memory::format_tag kTags[] = {Memory::format_tag::nCw16c, Memory::format_tag::nChw16c,
                                          Memory::format_tag::nCdhw16c};
  return Desc(m.dims, type_of(m.dtype), kTags[m.dims.size() - 3]);
}

Desc plain_desc(const MemorySpec& m) { return Desc(m.dims, type_of(m.dtype), m.strides); }

Desc desc_of(const MemorySpec& m) {
  if (m.absent()) return Desc();
  if (m.blocked) return blocked_desc(m);
  if (m.free) return Desc(m.dims, type_of(m.dtype), Memory::format_tag::any);
  return plain_desc(m);
}

// Equal keys for equal layouts; the two versions describe memory differently.
std::string key_of(const Desc& d) {
#if DNNL_VERSION_MAJOR < 3
  return std::string(reinterpret_cast<const char*>(&d.data), sizeof d.data);
#else
  return fmt::format("{}|{}|{}|{}|{}|{}|{}", fmt::join(d.get_dims(), ","),
                     fmt::join(d.get_strides(), ","), fmt::join(d.get_inner_blks(), ","),
                     fmt::join(d.get_inner_idxs(), ","), static_cast<int>(d.get_data_type()),
                     static_cast<int>(d.get_format_kind()), d.get_size());
#endif
}

dnnl::algorithm algorithm_of(Eltwise e) {
  using A = dnnl::algorithm;
  switch (e) {
    case Eltwise::Relu: return A::eltwise_relu;
    case Eltwise::Clip: return A::eltwise_clip;
    case Eltwise::Sigmoid: return A::eltwise_logistic;
    case Eltwise::Swish: return A::eltwise_swish;
    case Eltwise::HardSwish: return A::eltwise_hardswish;
    case Eltwise::Tanh: return A::eltwise_tanh;
    case Eltwise::GeluErf: return A::eltwise_gelu_erf;
    case Eltwise::GeluTanh: return A::eltwise_gelu_tanh;
    case Eltwise::Elu: return A::eltwise_elu;
    case Eltwise::Linear: return A::eltwise_linear;
    case Eltwise::Abs: return A::eltwise_abs;
    case Eltwise::Sqrt: return A::eltwise_sqrt;
    case Eltwise::Exp: return A::eltwise_exp;
    case Eltwise::Log: return A::eltwise_log;
    case Eltwise::Square: return A::eltwise_square;
    case Eltwise::Round: return A::eltwise_round;
    case Eltwise::Pow: return A::eltwise_pow;
    case Eltwise::Mish: return A::eltwise_mish;
    case Eltwise::Softplus: return A::eltwise_soft_relu;
  }
  return A::undef;
}

dnnl::algorithm algorithm_of(Binary b) {
  using A = dnnl::algorithm;
  constexpr A kTable[] = {A::binary_add, A::binary_sub, A::binary_mul,
                          A::binary_div, A::binary_max, A::binary_min};
  return kTable[static_cast<size_t>(b)];
}

void append_eltwise(dnnl::post_ops& ops, const PostOp& p) {
  float alpha = p.alpha, beta = p.beta;
  // 2.x computes x * clip(x / 6 + 1/2) and refuses parameters, 3.x wants them given.
  if (p.eltwise == Eltwise::HardSwish) {
    alpha = kHasOperationDescs ? 0.f : 1.f / 6;
    beta = kHasOperationDescs ? 0.f : 0.5f;
  }
#if DNNL_VERSION_MAJOR < 3
  ops.append_eltwise(1.f, algorithm_of(p.eltwise), alpha, beta);
#else
  if (p.eltwise == Eltwise::Softplus) alpha = 1.f;
  ops.append_eltwise(algorithm_of(p.eltwise), alpha, beta);
#endif
}

dnnl::primitive_attr attributes(const std::vector<PostOp>& post) {
  dnnl::post_ops ops;
  for (const PostOp& p : post) {
    if (p.kind == PostOp::Kind::Eltwise) append_eltwise(ops, p);
    if (p.kind == PostOp::Kind::Binary) {
      ops.append_binary(algorithm_of(p.binary), desc_of(p.with));
    }
    if (p.kind == PostOp::Kind::Prelu) ops.append_prelu(p.with.dims.size() > 1 ? 1 << 1 : 0);
  }
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_post_ops(ops);
  return attr;
}

std::vector<int64_t> minus_one(std::vector<int64_t> v) {
  for (int64_t& x : v) --x;
  return v;
}

// Calls f with the primitive descriptor of P: of its operation's arguments and the attributes,
// empty when oneDNN has no implementation. 2.x walks implementations over the operation's
// descriptor that it was given, which must live as long.
template <class P, class F, class... A>
void describe(F& f, const dnnl::primitive_attr& attr, const A&... args) {
#if DNNL_VERSION_MAJOR < 3
  const typename P::desc desc(args...);
  f(typename P::primitive_desc(desc, attr, cpu_engine(), true));
#else
  f(typename P::primitive_desc(cpu_engine(), args..., attr, true));
#endif
}

template <class P, class F>
void describe_conv(F& f, const ConvSpec& s, dnnl::algorithm algorithm) {
  constexpr auto kKind = dnnl::prop_kind::forward_inference;
  describe<P>(f, attributes(s.post), kKind, algorithm, desc_of(s.src), desc_of(s.weights),
              desc_of(s.bias), desc_of(s.dst), s.strides, minus_one(s.dilations), s.begin, s.end);
}

template <class F>
void describe_pool(F& f, const PoolSpec& s) {
#if DNNL_VERSION_MAJOR < 3
  using P = dnnl::pooling_v2_forward;
#else
  using P = dnnl::pooling_forward;
#endif
  using A = dnnl::algorithm;
  constexpr A kKinds[] = {A::pooling_avg_include_padding, A::pooling_avg_exclude_padding};
  describe<P>(f, attributes(s.post), dnnl::prop_kind::forward_inference,
              kKinds[static_cast<size_t>(s.kind)], desc_of(s.src), desc_of(s.dst), s.strides,
              s.kernel, minus_one(s.dilations), s.begin, s.end);
}

template <class F>
void describe_product(F& f, const ProductSpec& s) {
  const dnnl::primitive_attr attr = attributes(s.post);
  const Desc src = desc_of(s.src), weights = desc_of(s.weights), bias = desc_of(s.bias),
             dst = desc_of(s.dst);
  if (s.inner_product) {
    constexpr auto kKind = dnnl::prop_kind::forward_inference;
    describe<dnnl::inner_product_forward>(f, attr, kKind, src, weights, bias, dst);
  } else {
    describe<dnnl::matmul>(f, attr, src, weights, bias, dst);
  }
}

// Calls f with the primitive descriptor of the spec, a different type for each kind.
template <class F>
void with_descriptor(const Spec& spec, F&& f) {
  using A = dnnl::algorithm;
  if (const auto* product = std::get_if<ProductSpec>(&spec)) return describe_product(f, *product);
  if (const auto* pool = std::get_if<PoolSpec>(&spec)) return describe_pool(f, *pool);
  const ConvSpec& conv = std::get<ConvSpec>(spec);
  if (conv.transposed) {
    describe_conv<dnnl::deconvolution_forward>(f, conv, A::deconvolution_direct);
  } else {
    describe_conv<dnnl::convolution_forward>(
        f, conv, conv.winograd ? A::convolution_winograd : A::convolution_direct);
  }
}

bool is_reference(std::string_view name) {
  return name.empty() || name.find("ref") != std::string_view::npos;
}

const std::vector<PostOp>& post_of(const Spec& spec) {
  return std::visit([](const auto& s) -> const std::vector<PostOp>& { return s.post; }, spec);
}

const MemorySpec* weights_of(const Spec& spec) {
  if (const auto* conv = std::get_if<ConvSpec>(&spec)) return &conv->weights;
  if (const auto* product = std::get_if<ProductSpec>(&spec)) return &product->weights;
  return nullptr;
}

const MemorySpec* bias_of(const Spec& spec) {
  if (const auto* conv = std::get_if<ConvSpec>(&spec)) return &conv->bias;
  if (const auto* product = std::get_if<ProductSpec>(&spec)) return &product->bias;
  return nullptr;
}

}  // namespace

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("onednn {}.{}.{}", v->major, v->minor, v->patch);
}

std::vector<std::string> implementations(const Spec& spec, size_t limit) {
  std::vector<std::string> names;
  Status status = guarded([&] {
    with_descriptor(spec, [&](auto pd) {
      if (!pd) return;
      do {
        std::string name = pd.impl_info_str();
        if (is_reference(name)) return;
        const bool named = std::find(names.begin(), names.end(), name) != names.end();
        if (!named) names.push_back(std::move(name));
      } while (names.size() < limit && pd.next_impl());
    });
  });
  return status.ok() ? names : std::vector<std::string>{};
}

namespace {

constexpr size_t kMaxPost = 16;

bool is_padded(const Desc& desc) {
#if DNNL_VERSION_MAJOR < 3
  const dnnl_memory_desc_t& d = desc.data;
  return !std::equal(d.dims, d.dims + d.ndims, d.padded_dims);
#else
  return desc.get_dims() != desc.get_padded_dims();
#endif
}

// The library's objects for the arguments of one launch, kept for the next one.
struct Arguments {
  enum Place { kSrc, kDst, kWeights, kBias, kScratchpad, kPost };
  struct Kept {
    Memory memory;
    bool padded = false;
  };
  std::array<Kept, kPost + kMaxPost> kept;
  std::array<dnnl_exec_arg_t, kPost + kMaxPost> list;
  int count = 0;

  // Setting an address costs an allocation, and clears what pads the tensor: whoever wrote an
  // operand of a blocked layout may have left anything there. Results and packed weights are the
  // library's own.
  void add(int arg, size_t place, const Desc& desc, const void* data) {
    Kept& k = kept[place];
    void* const address = const_cast<void*>(data);
    if (!k.memory) {
      const bool foreign = place == kSrc || place >= kPost;
      k = {Memory(desc, cpu_engine(), address), foreign && is_padded(desc)};
    } else if (k.padded || k.memory.get_data_handle() != address) {
      k.memory.set_data_handle(address);
    }
    list[static_cast<size_t>(count++)] = {arg, k.memory.get()};
  }
};

}  // namespace

struct OnednnPrimitive::State {
  dnnl::primitive primitive;
  Desc src, weights, plain_weights, bias, dst, scratchpad;
  std::vector<Desc> post;  // of operands that post-operations read; empty where they read nothing
  std::vector<int> post_args;
  std::string implementation, weights_key;
  bool has_weights = false, has_bias = false;
  SlotPool<Arguments> arguments;
};

OnednnPrimitive::OnednnPrimitive(std::unique_ptr<State> state) : state_(std::move(state)) {}
OnednnPrimitive::~OnednnPrimitive() = default;

Result<std::unique_ptr<OnednnPrimitive>> OnednnPrimitive::make(const Spec& spec,
                                                               std::string_view implementation) {
  auto state = std::make_unique<State>();
  State& s = *state;
  LATHE_TRY(guarded([&] {
    with_descriptor(spec, [&](auto pd) {
      if (!pd) return;
      if (is_reference(pd.impl_info_str())) return;
      while (!implementation.empty() && pd.impl_info_str() != implementation) {
        if (!pd.next_impl()) return;
      }
      using Pd = decltype(pd);
      s.implementation = pd.impl_info_str();
      s.src = pd.src_desc();
      s.dst = pd.dst_desc();
      if constexpr (requires(const Pd& p) { p.weights_desc(); }) s.weights = pd.weights_desc();
      s.scratchpad = pd.scratchpad_desc();
      s.primitive = dnnl::primitive(pd.get());
    });
    if (const MemorySpec* w = weights_of(spec)) {
      s.plain_weights = plain_desc(*w);
      s.weights_key = key_of(s.weights);
      s.has_weights = true;
    }
    if (const MemorySpec* b = bias_of(spec); b != nullptr && !b->absent()) {
      s.bias = desc_of(*b);
      s.has_bias = true;
    }
    const std::vector<PostOp>& post = post_of(spec);
    for (size_t k = 0; k < post.size(); ++k) {
      const bool prelu = post[k].kind == PostOp::Kind::Prelu;
      s.post.push_back(desc_of(post[k].with));
      s.post_args.push_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(static_cast<int>(k)) |
                            (prelu ? DNNL_ARG_WEIGHTS : DNNL_ARG_SRC_1));
    }
  }));
  if (s.implementation.empty()) return unsupported("onednn has no fast implementation");
  return std::unique_ptr<OnednnPrimitive>(new OnednnPrimitive(std::move(state)));
}

const std::string& OnednnPrimitive::implementation() const { return state_->implementation; }
size_t OnednnPrimitive::scratchpad_bytes() const { return state_->scratchpad.get_size(); }
bool OnednnPrimitive::packs_weights() const {
  return state_->has_weights && state_->weights != state_->plain_weights;
}
size_t OnednnPrimitive::weights_bytes() const { return state_->weights.get_size(); }
const std::string& OnednnPrimitive::weights_key() const { return state_->weights_key; }

Status OnednnPrimitive::pack(const MemorySpec& plain, const void* from, void* to) const {
  return guarded([&] {
    Memory source(plain_desc(plain), cpu_engine(), const_cast<void*>(from));
    Memory target(state_->weights, cpu_engine(), to);
    dnnl::reorder(source, target).execute(thread_stream(), source, target);
    thread_stream().wait();
  });
}

Status OnednnPrimitive::run(const Args& args) const {
  State& s = *state_;
  const HeldSignals held;
  return guarded([&] {
    std::unique_ptr<Arguments> a = s.arguments.take();
    if (a == nullptr) a = std::make_unique<Arguments>();
    a->count = 0;
    using A = Arguments;
    a->add(DNNL_ARG_SRC, A::kSrc, s.src, args.src);
    a->add(DNNL_ARG_DST, A::kDst, s.dst, args.dst);
    if (s.has_weights) a->add(DNNL_ARG_WEIGHTS, A::kWeights, s.weights, args.weights);
    if (s.has_bias) a->add(DNNL_ARG_BIAS, A::kBias, s.bias, args.bias);
    if (s.scratchpad.get_size() > 0)
      a->add(DNNL_ARG_SCRATCHPAD, A::kScratchpad, s.scratchpad, args.scratchpad);
    for (size_t k = 0; k < s.post.size() && k < args.post.size(); ++k) {
      if (args.post[k] != nullptr) a->add(s.post_args[k], A::kPost + k, s.post[k], args.post[k]);
    }
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(s.primitive.get(), thread_stream().get(), a->count, a->list.data()),
        "could not execute a primitive");
    s.arguments.give(std::move(a));
  });
}

}  // namespace lathe::cpu
