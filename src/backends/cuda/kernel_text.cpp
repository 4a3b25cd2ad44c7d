// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/kernel_text.h"

#include <algorithm>

#include "backends/cuda/expr_text.h"
#include "backends/cuda/kernel.h"

namespace lathe::cuda {
namespace {

std::string array(std::string_view type, std::string_view name, size_t count,
                  std::string_view rest = "") {
  return fmt::format("  {} {}[{}]{};\n", type, name, std::max<size_t>(count, 1), rest);
}

std::string args_text(const ArgsShape& s) {
  const std::string rank = fmt::format("[{}]", s.rank);
  std::string t = "struct Args {\n";
  t += array("const void*", "in", s.operands);
  t += array("const void*", "extra", s.extras);
  t += array("void*", "out", s.outs);
  t += array("void*", "workspace", 1);
  t += array("i64", "in_size", s.operands, rank);
  t += array("i64", "in_stride", s.operands, rank);
  t += array("i64", "out_size", s.rank);
  t += array("i64", "out_stride", s.outs, rank);
  t += array("i64", "extra_stride", s.extras, rank);
  if (s.prologue) t += array("i64", "prologue_stride", s.extras, rank);
  t += array("i64", "n", kMaxInts);
  t += array("double", "f", kMaxFloats);
  return t + "};\n";
}

std::string types_text(const OpInstance& op, const ArgsShape& s) {
  std::string t;
  const auto name = [&](std::string_view letter, size_t k, DType type) {
    if (type != DType::None) {
      t += fmt::format("typedef {} {}{};\n", storage_name(type), letter, k);
    }
  };
  for (size_t k = 0; k < s.operands; ++k) name("I", k, op.in[k].dtype);
  for (size_t k = 0; k < s.extras; ++k) name("E", k, op.in[s.operands + k].dtype);
  for (size_t k = 0; k < s.outs; ++k) name("O", k, op.out[k].dtype);
  if (s.operands > 0 && !op.in[0].absent()) {
    t += fmt::format("typedef {} X;\n", storage_name(anchor_operand(op, 0).dtype));
  }
  return t + fmt::format("typedef {} Y;\n", storage_name(anchor_result(op, 0).dtype));
}

const Expr* prologue_of(const OpInstance& op) {
  const auto& p = op.fusion.prologue;
  return !p.empty() && !p[0].empty() ? &p[0] : nullptr;
}

// load_x: operand 0 with its prologue.
std::string load_text(const OpInstance& op, const ArgsShape& s) {
  if (s.operands == 0 || op.in[0].absent()) return "";
  const Expr* e = prologue_of(op);
  std::string t = "inline Compute<X>::type load_x(const Args& a, const i64* c) {\n";
  if (e == nullptr) {
    return t + "  return load<I0>(a.in[0], dot<RANK>(c, a.in_stride[0]));\n}\n";
  }
  std::vector<std::string> inputs, results;
  for (size_t k = 0; k < e->inputs().size(); ++k) {
    inputs.push_back(
        k == 0 ? std::string("load<I0>(a.in[0], dot<RANK>(c, a.in_stride[0]))")
               : fmt::format("load<E{}>(a.extra[{}], dot<RANK>(c, a.prologue_stride[{}]))", k - 1,
                             k - 1, k - 1));
  }
  t += expr_text(*e, inputs, "p", &results);
  return t + fmt::format("  return {};\n}}\n", results[0]);
}

std::string finish_text(const OpInstance& op, const ArgsShape& s) {
  std::string t =
      "template <class V>\ninline void finish(const Args& a, const i64* c, V value) {\n"
      "  const Compute<Y>::type y = rounded<Y>(value);\n";
  const Expr& e = op.fusion.epilogue;
  std::vector<std::string> results{"y"};
  if (!e.empty()) {
    std::vector<std::string> inputs{"y"};
    for (size_t k = 0; k < s.extras; ++k) {
      inputs.push_back(
          fmt::format("load<E{}>(a.extra[{}], dot<RANK>(c, a.extra_stride[{}]))", k, k, k));
    }
    inputs.push_back("load_x(a, c)");
    t += expr_text(e, inputs, "q", &results);
  }
  for (size_t k = 0; k < results.size(); ++k) {
    t += fmt::format("  store<O{}>(a.out[{}], dot<RANK>(c, a.out_stride[{}]), {});\n", k, k, k,
                     results[k]);
  }
  return t + "}\n";
}

// Neighbouring elements of the output are neighbours in memory in this order.
std::string unravel_text(const OpInstance& op) {
  std::string t = "inline void unravel_out(i64 i, const Args& a, i64* c) {\n";
  const TensorType& y = op.out[0];
  if (y.layout != Layout::ChannelsLast) {
    return t + "  unravel<RANK>(i, a.out_size, c);\n}\n";
  }
  const int rank = y.rank();
  t += fmt::format("  i64 s[{}], t[{}];\n  s[0] = a.out_size[0];\n", rank, rank);
  for (int d = 2; d < rank; ++d) t += fmt::format("  s[{}] = a.out_size[{}];\n", d - 1, d);
  t += fmt::format("  s[{}] = a.out_size[1];\n  unravel<{}>(i, s, t);\n  c[0] = t[0];\n", rank - 1,
                   rank);
  t += fmt::format("  c[1] = t[{}];\n", rank - 1);
  for (int d = 2; d < rank; ++d) t += fmt::format("  c[{}] = t[{}];\n", d, d - 1);
  return t + fmt::format("  for (int d = {}; d < RANK; ++d) c[d] = 0;\n}}\n", rank);
}

Support check_type(const TensorType& t) {
  if (t.absent()) return Support::yes();
  if (!is_computable(t.dtype)) {
    return Support::no(fmt::format("no arithmetic on {}", to_string(t.dtype)));
  }
  if (t.layout == Layout::Blocked16) return Support::no("no blocked layouts on a GPU");
  if (t.rank() > kMaxRank) return Support::no(fmt::format("rank {} is above 8", t.rank()));
  return Support::yes();
}

}  // namespace

size_t anchor_operands(const OpInstance& op) {
  return op.fusion.empty() ? op.in.size() : static_cast<size_t>(op.fusion.anchor_operands);
}
const TensorType& anchor_operand(const OpInstance& op, size_t k) {
  return op.fusion.empty() ? op.in[k] : op.fusion.anchor_in[k];
}
const TensorType& anchor_result(const OpInstance& op, size_t k) {
  return op.fusion.empty() ? op.out[k] : op.fusion.anchor_out[k];
}

Support check_generated(const OpInstance& op, bool prologue) {
  for (const TensorType& t : op.in) {
    if (Support s = check_type(t); !s) return s;
  }
  for (const TensorType& t : op.out) {
    if (Support s = check_type(t); !s) return s;
  }
  for (size_t k = 0; k < op.fusion.prologue.size(); ++k) {
    if (op.fusion.prologue[k].empty()) continue;
    if (k > 0 || !prologue) return Support::no("no prologue here");
  }
  const Expr& e = op.fusion.epilogue;
  if (!e.empty()) {
    if (op.fusion.anchor_out.size() != 1) return Support::no("no epilogue on several results");
    const bool same = op.fusion.anchor_in.size() > 0 &&
                      op.fusion.anchor_in[0].shape == op.fusion.anchor_out[0].shape;
    if (op.fusion.epilogue_reads_operand() && !(prologue && same)) {
      return Support::no("the epilogue reads operand 0, which this kernel does not keep");
    }
  }
  constexpr size_t kParameterBytes = 4096;  // of a kernel, on every GPU and driver
  if (ArgsShape::of(op).words() * 8 > kParameterBytes) {
    return Support::no("more operands than a kernel's parameters hold");
  }
  return Support::yes();
}

std::string kernel_source(const OpInstance& op, std::string_view name, const std::string& defines,
                          const std::string& functions) {
  const ArgsShape s = ArgsShape::of(op);
  std::string text(device_text("prelude"));
  text += define("RANK", s.rank) + define("OPERANDS", s.operands) + defines;
  text += types_text(op, s) + args_text(s) + load_text(op, s) + finish_text(op, s);
  text += unravel_text(op) + functions;
  text += device_text(name);
  return text;
}

}  // namespace lathe::cuda
