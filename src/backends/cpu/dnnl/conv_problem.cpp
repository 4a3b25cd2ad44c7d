// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/conv_problem.h"

#include <algorithm>

#include "backends/cpu/dnnl/post_ops.h"

namespace lathe::cpu {
namespace {

bool is_supported_type(DType t) { return t == DType::F32 || t == DType::BF16; }

// A channel slice of a blocked tensor is contiguous for one batch, if it cuts no block.
bool is_contiguous_blocked(const TensorType& t, const std::optional<Slice>& slice) {
  return !slice || (slice->axis == 1 && t.shape[0].value() == 1 && t.shape[1].value() % 16 == 0 &&
                    slice->start.value() % 16 == 0);
}

std::string refuse_tensor(const TensorType& t, const std::vector<std::optional<Slice>>& slices,
                          size_t k) {
  if (t.absent()) return "";
  if (!is_supported_type(t.dtype)) return fmt::format("{} is not f32 or bf16", to_string(t.dtype));
  if (t.shape.elements() == 0) return "a tensor is empty";
  const std::optional<Slice> slice = k < slices.size() ? slices[k] : std::nullopt;
  if (t.layout == Layout::Blocked16 && !is_contiguous_blocked(t, slice)) {
    return "a slice of a blocked tensor is not contiguous";
  }
  return "";
}

// Weights [M, C/group, k...] as oneDNN wants them: with the group split off when there are several.
// `swapped`: stored [C, M/group, k...], as Deconv has them.
MemorySpec weights_memory(const TensorType& w, int64_t group, bool swapped) {
  MemorySpec m;
  m.dtype = w.dtype;
  m.free = true;
  m.dims = w.shape.sizes();
  m.strides = strides(w);
  m.dims[0] /= group;
  const int64_t of_group = m.dims[0] * m.strides[0];
  if (swapped) {
    std::swap(m.dims[0], m.dims[1]);
    std::swap(m.strides[0], m.strides[1]);
  }
  if (group > 1) {
    m.dims.insert(m.dims.begin(), group);
    m.strides.insert(m.strides.begin(), of_group);
  }
  return m;
}

std::string fill(const OpInstance& op, ConvSpec& s) {
  if (op.in[0].rank() > 5) return "more than three spatial dimensions";
  if (std::string why = refuse_tensors(op); !why.empty()) return why;
  if (std::string why = refuse_prologues(op); !why.empty()) return why;
  if (is_sliced(op, 1) || (has_operand(op, 2) && is_sliced(op, 2)))
    return "weights or bias are a slice";
  if (op.in[1].layout != Layout::RowMajor) return "the weights are not row-major";
  PostOps post = match_post_ops(op);
  if (!post.ok()) return post.why;
  s.post = std::move(post.list);
  s.src = operand_memory(op, 0);
  s.dst = result_memory(op, 0);
  if (has_operand(op, 2)) s.bias = operand_memory(op, 2);
  s.weights = weights_memory(anchor_in(op)[1], op.attrs.i("group"), s.transposed);
  s.strides = op.attrs.ints("strides");
  s.dilations = op.attrs.ints("dilations");
  const Ints& pads = op.attrs.ints("pads");
  s.begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(s.strides.size()));
  s.end.assign(pads.begin() + static_cast<std::ptrdiff_t>(s.strides.size()), pads.end());
  return "";
}

}  // namespace

std::string refuse_tensors(const OpInstance& op) {
  for (size_t k = 0; k < op.in.size(); ++k) {
    if (std::string why = refuse_tensor(op.in[k], op.fusion.in_slice, k); !why.empty()) return why;
  }
  for (size_t k = 0; k < op.out.size(); ++k) {
    if (std::string why = refuse_tensor(op.out[k], op.fusion.out_slice, k); !why.empty()) {
      return why;
    }
  }
  if (op.out.size() != 1) return "more than one result";
  return "";
}

OnednnProblem conv_problem(const OpInstance& op, bool winograd) {
  ConvSpec s;
  s.winograd = winograd;
  std::string why = fill(op, s);
  return {std::move(s), std::move(why)};
}

OnednnProblem deconv_problem(const OpInstance& op) {
  ConvSpec s;
  s.transposed = true;
  std::string why = fill(op, s);
  // oneDNN derives the result's size from the padding at the end, so what output_padding adds
  // there is taken off; the library does not know output_padding.
  const Ints& extra = op.attrs.ints("output_padding");
  for (size_t d = 0; d < s.end.size(); ++d) s.end[d] -= extra[d];
  if (std::any_of(s.end.begin(), s.end.end(), [](int64_t p) { return p < 0; }) && why.empty()) {
    why = "output_padding exceeds the padding at the end";
  }
  return {std::move(s), std::move(why)};
}

}  // namespace lathe::cpu
