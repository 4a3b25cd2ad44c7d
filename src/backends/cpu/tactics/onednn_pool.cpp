// SPDX-License-Identifier: Apache-2.0
// onednn_pool: means of windows by oneDNN.
#include <algorithm>

#include "backends/cpu/dnnl/conv_problem.h"
#include "backends/cpu/dnnl/post_ops.h"

namespace lathe::cpu {
namespace {

// Rounding up makes windows that leave the padded input: more padding at the end, which a mean must
// not count.
bool fill_window(const OpInstance& op, PoolSpec& s) {
  s.kernel = op.attrs.ints("kernel");
  s.strides = op.attrs.ints("strides");
  s.dilations = op.attrs.ints("dilations");
  const Ints& pads = op.attrs.ints("pads");
  const size_t n = s.kernel.size();
  s.begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(n));
  s.end.assign(pads.begin() + static_cast<std::ptrdiff_t>(n), pads.end());
  bool grown = false;
  for (size_t d = 0; d < n; ++d) {
    const auto axis = static_cast<int>(d) + 2;
    const int64_t extent = s.dilations[d] * (s.kernel[d] - 1) + 1;
    const int64_t need = (op.out[0].shape[axis].value() - 1) * s.strides[d] + extent;
    const int64_t end = need - op.in[0].shape[axis].value() - s.begin[d];
    grown = grown || end > s.end[d];
    s.end[d] = std::max(s.end[d], end);
  }
  return grown;
}

OnednnProblem problem(const OpInstance& op) {
  PoolSpec s;
  const std::string& kind = op.attrs.text("kind");
  auto no = [](std::string why) { return OnednnProblem{PoolSpec(), std::move(why)}; };
  if (kind != "average") return no("onednn has no p-norm, and its maximum forgets NaN");
  if (op.in[0].rank() > 5) return no("more than three spatial dimensions");
  if (std::string why = refuse_tensors(op); !why.empty()) return no(std::move(why));
  if (std::string why = refuse_prologues(op); !why.empty()) return no(std::move(why));
  PostOps post = match_post_ops(op);
  if (!post.ok()) return no(std::move(post.why));
  s.post = std::move(post.list);
  s.src = operand_memory(op, 0);
  s.dst = result_memory(op, 0);
  const bool grown = fill_window(op, s);
  for (size_t d = 0; d < s.kernel.size(); ++d) {
    const int64_t extent = s.dilations[d] * (s.kernel[d] - 1) + 1;
    if (s.begin[d] >= extent || s.end[d] >= extent) return no("a window lies in the padding whole");
  }
  const bool count = op.attrs.i("count_include_pad") != 0;
  if (count && grown) return no("a mean would count positions beyond the padding");
  s.kind = count ? PoolSpec::Kind::AverageWithPadding : PoolSpec::Kind::AverageWithoutPadding;
  return {std::move(s), ""};
}

Support supports(const OpInstance& op, const DeviceInfo&) { return onednn_support(problem(op)); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return load_onednn(context, problem(context.op));
}

}  // namespace

const Tactic& onednn_pool() {
  static constexpr Tactic tactic{
      .name = "onednn_pool",
      .op = "Pool",
      .doc = "Means of windows by oneDNN, epilogue included.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
