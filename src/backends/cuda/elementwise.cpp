// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/elementwise.h"

#include <algorithm>
#include <numeric>

#include "backends/cuda/expr_text.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

constexpr size_t kDims = 8;        // of the kernel's arguments, after merging
constexpr size_t kLongExpr = 64;   // nodes above which unrolling costs more than it brings
constexpr int kElementsShort = 4;  // of a thread in the flat kernel
constexpr int kElementsLong = 2;

int elements_per_thread(const Elementwise& e) {
  return e.expr.nodes().size() > kLongExpr ? kElementsLong : kElementsShort;
}

// Dimensions of size 1 gone, the rest in the order of output 0's memory, neighbours merged that
// every operand and output walks as one.
Walk merged(const Walk& w) {
  std::vector<size_t> order;
  for (size_t d = 0; d < w.sizes.size(); ++d) {
    if (w.sizes[d] != 1) order.push_back(d);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::abs(w.out[0].strides[a]) > std::abs(w.out[0].strides[b]);
  });
  Walk m{{}, w.in, w.out};
  for (Walk::Place& p : m.in) p.strides.clear();
  for (Walk::Place& p : m.out) p.strides.clear();
  for (size_t d : order) {
    const auto joins = [&](const Walk::Place& to, const Walk::Place& from) {
      return to.strides.back() == from.strides[d] * w.sizes[d];
    };
    bool join = !m.sizes.empty();
    for (size_t k = 0; join && k < w.in.size(); ++k) join = joins(m.in[k], w.in[k]);
    for (size_t k = 0; join && k < w.out.size(); ++k) join = joins(m.out[k], w.out[k]);
    const auto append = [&](Walk::Place& to, const Walk::Place& from) {
      if (join) to.strides.pop_back();
      to.strides.push_back(from.strides[d]);
    };
    for (size_t k = 0; k < w.in.size(); ++k) append(m.in[k], w.in[k]);
    for (size_t k = 0; k < w.out.size(); ++k) append(m.out[k], w.out[k]);
    if (join) {
      m.sizes.back() *= w.sizes[d];
    } else {
      m.sizes.push_back(w.sizes[d]);
    }
  }
  return m;
}

// One launch, as the kernel's struct Args; in and out pointers come first.
struct Pass {
  Walk walk;
  std::vector<uint64_t> words;
  int64_t total = 0;
  bool flat = false;  // one dimension, every stride 0 or 1
};

bool is_flat(const Walk& w) {
  const auto at_most_one = [](const Walk::Place& p) {
    return p.strides.empty() || p.strides[0] == 0 || p.strides[0] == 1;
  };
  return w.sizes.size() <= 1 && std::all_of(w.in.begin(), w.in.end(), at_most_one) &&
         std::all_of(w.out.begin(), w.out.end(),
                     [](const Walk::Place& p) { return p.strides.empty() || p.strides[0] == 1; });
}

Result<Pass> pass_of(const Walk& whole) {
  Pass p;
  p.walk = merged(whole);
  p.total = 1;
  for (int64_t s : whole.sizes) p.total *= s;
  p.flat = is_flat(p.walk);
  if (p.walk.sizes.size() > kDims) return unsupported("more than {} dimensions", kDims);
  const size_t pointers = whole.in.size() + whole.out.size();
  p.words.assign(pointers, 0);
  p.words.push_back(static_cast<uint64_t>(p.total));
  p.words.push_back(p.walk.sizes.size());
  p.words.push_back(0);  // whether packs may be read
  const auto put = [&](const std::vector<int64_t>& v, uint64_t fill) {
    for (size_t d = 0; d < kDims; ++d) {
      p.words.push_back(d < v.size() ? static_cast<uint64_t>(v[d]) : fill);
    }
  };
  put(p.walk.sizes, 1);
  for (const Walk::Place& w : p.walk.in) put(w.strides, 0);
  for (const Walk::Place& w : p.walk.out) put(w.strides, 0);
  return p;
}

class PreparedElementwise : public Prepared {
 public:
  PreparedElementwise(std::shared_ptr<const Module> module, const Elementwise& e)
      : module_(std::move(module)), per_thread_(elements_per_thread(e)) {
    for (DType t : e.in) in_bytes_.push_back(bits(t) / 8);
    for (DType t : e.out) out_bytes_.push_back(bits(t) / 8);
  }
  Status load(std::vector<Walk> walks) {
    flat_ = LATHE_TRY(module_->function("elementwise_flat"));
    strided_ = LATHE_TRY(module_->function("elementwise_strided"));
    for (const Walk& w : walks) {
      Pass p = LATHE_TRY(pass_of(w));
      if (p.total > 0) passes_.push_back(std::move(p));
    }
    return {};
  }
  Status launch(const Buffers& at, Stream& stream) const override {
    const Context& c = module_->context();
    ContextScope scope(c);
    for (const Pass& p : passes_) {
      std::vector<uint64_t> words = bound(p, at);
      void* parameters[] = {words.data()};
      const Grid grid =
          Grid::for_items(p.flat ? (p.total + per_thread_ - 1) / per_thread_ : p.total);
      LATHE_TRY(
          check(c.driver.cuLaunchKernel(p.flat ? flat_ : strided_, grid.blocks, 1, 1, grid.threads,
                                        1, 1, 0, cuda_stream(stream).handle(), parameters, nullptr),
                "cuLaunchKernel"));
    }
    return {};
  }

 private:
  std::vector<uint64_t> bound(const Pass& p, const Buffers& at) const {
    std::vector<uint64_t> words = p.words;
    bool aligned = p.flat;
    const auto place = [&](size_t word, const Walk::Place& w, void* base, int64_t width) {
      words[word] = address(base) + static_cast<uint64_t>(w.offset * width);
      const bool moves = !w.strides.empty() && w.strides[0] != 0;
      if (moves && words[word] % static_cast<uint64_t>(width * per_thread_) != 0) aligned = false;
    };
    for (size_t k = 0; k < p.walk.in.size(); ++k) {
      place(k, p.walk.in[k], at.in[p.walk.in[k].index], in_bytes_[k]);
    }
    for (size_t k = 0; k < p.walk.out.size(); ++k) {
      place(p.walk.in.size() + k, p.walk.out[k], at.out[p.walk.out[k].index], out_bytes_[k]);
    }
    words[p.walk.in.size() + p.walk.out.size() + 2] = aligned ? 1 : 0;
    return words;
  }

  std::shared_ptr<const Module> module_;
  int per_thread_;
  std::vector<int64_t> in_bytes_, out_bytes_;
  CUfunction flat_ = nullptr, strided_ = nullptr;
  std::vector<Pass> passes_;
};

}  // namespace

std::string elementwise_source(const Elementwise& e) {
  std::string text(device_text("prelude"));
  text += define("INPUTS", e.in.size()) + define("OUTPUTS", e.out.size());
  text += define("PER_THREAD", elements_per_thread(e));
  std::string values = "struct In {\n", results = "struct Out {\n", packs, read, unpack, load,
              store, pack, write, save;
  std::vector<std::string> inputs, outputs;
  for (size_t k = 0; k < e.in.size(); ++k) {
    text += fmt::format("typedef {} I{};\n", storage_name(e.in[k]), k);
    values += fmt::format("  Compute<I{}>::type v{};\n", k, k);
    packs += fmt::format("  Pack<I{}> p{};\n", k, k);
    read += fmt::format("  read_pack(p{}, a.in[{}], at, a.in_stride[{}][0], count, a.packs);\n", k,
                        k, k);
    unpack += fmt::format("  x.v{} = widen(p{}.v[j]);\n", k, k);
    load += fmt::format("  x.v{} = load<I{}>(a.in[{}], in[{}]);\n", k, k, k, k);
    inputs.push_back(fmt::format("x.v{}", k));
  }
  for (size_t k = 0; k < e.out.size(); ++k) {
    text += fmt::format("typedef {} O{};\n", storage_name(e.out[k]), k);
    results += fmt::format("  Compute<O{}>::type r{};\n", k, k);
    packs += fmt::format("  Pack<O{}> q{};\n", k, k);
    pack += fmt::format("  q{}.v[j] = narrow<O{}>(y.r{});\n", k, k, k);
    write += fmt::format("  write_pack(q{}, a.out[{}], at, count, a.packs);\n", k, k);
    save += fmt::format("  store<O{}>(a.out[{}], out[{}], y.r{});\n", k, k, k, k);
  }
  text += values + "};\n" + results + "};\n";
  const std::string body = expr_text(e.expr, inputs, "e", &outputs);
  text += "inline void evaluate(const In& x, Out& y) {\n" + body;
  for (size_t k = 0; k < outputs.size(); ++k) text += fmt::format("  y.r{} = {};\n", k, outputs[k]);
  text += "}\n";
  const auto macro = [](std::string_view name, std::string lines) {
    for (size_t at = 0; (at = lines.find('\n', at)) != std::string::npos; at += 2) {
      lines.replace(at, 1, "\\\n");
    }
    return fmt::format("#define {} {}\n\n", name, lines);
  };
  text += macro("PACKS", packs) + macro("READ_PACKS", read) + macro("UNPACK", unpack);
  text += macro("PACK", pack) + macro("WRITE_PACKS", write);
  text += macro("LOAD", load) + macro("STORE", save);
  text += device_text("elementwise");
  return text;
}

Result<Elementwise> copy_of(DType type) {
  DType as = DType::None;
  switch (type == DType::String ? 0 : bits(type)) {
    case 8: as = DType::U8; break;
    case 16: as = DType::U16; break;
    case 32: as = DType::U32; break;
    case 64: as = DType::U64; break;
    default: return unsupported("elements of {} are not one word", to_string(type));
  }
  Expr e({as});
  e.output(e.input(0));
  return Elementwise{std::move(e), {as}, {as}};
}

Result<std::unique_ptr<Prepared>> prepare_elementwise(const LoadContext& context,
                                                      const Elementwise& e,
                                                      std::vector<Walk> walks) {
  auto prepared = std::make_unique<PreparedElementwise>(LATHE_TRY(Module::load(context)), e);
  LATHE_TRY(prepared->load(std::move(walks)));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

Result<Elementwise> movement_of(const OpInstance& op) {
  if (op.fusion.epilogue.empty()) return copy_of(op.in[0].dtype);
  // The epilogue's last input, operand 0 at the same place, is not read (check_movement).
  const Expr& e = op.fusion.epilogue;
  std::vector<DType> types(e.inputs().begin(), e.inputs().end() - 1);
  std::vector<int> map;
  for (size_t k = 0; k < types.size(); ++k) map.push_back(static_cast<int>(k));
  map.push_back(0);
  Elementwise out{e.with_inputs(map, types), types, {}};
  for (const TensorType& t : op.out) out.out.push_back(t.dtype);
  return out;
}

Support check_movement(const OpInstance& op) {
  for (const auto* list : {&op.in, &op.out}) {
    for (const TensorType& t : *list) {
      if (t.absent()) continue;
      if (t.layout == Layout::Blocked16) return Support::no("no blocked layouts on a GPU");
      if (t.rank() > kMaxRank) return Support::no(fmt::format("rank {} is above 8", t.rank()));
    }
  }
  if (Result<Elementwise> e = copy_of(op.in[0].dtype); !e.ok()) {
    return Support::no(std::string(e.status().message()));
  }
  for (const Expr& p : op.fusion.prologue) {
    if (!p.empty()) return Support::no("no prologue here");
  }
  const Expr& e = op.fusion.epilogue;
  if (e.empty()) return Support::yes();
  if (Support s = check_generated(op, false); !s) return s;
  const bool typed = e.inputs()[0] == anchor_result(op, 0).dtype;
  return typed ? Support::yes() : Support::no("the epilogue does not read the moved elements");
}

void add_extras(const OpInstance& op, Walk& walk) {
  for (size_t k = anchor_operands(op); k < op.in.size(); ++k) {
    walk.in.push_back(
        {k, 0,
         broadcast_strides(op.in[k], operand_strides(op, static_cast<int>(k)), op.out[0].shape)});
  }
}

void add_outputs(const OpInstance& op, Walk& walk) {
  for (size_t k = 0; k < op.out.size(); ++k) {
    walk.out.push_back({k, 0, result_strides(op, static_cast<int>(k))});
  }
}

}  // namespace lathe::cuda
