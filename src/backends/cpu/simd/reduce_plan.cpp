// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/reduce_plan.h"

#include <algorithm>
#include <array>

#include "backends/cpu/simd/row_loop.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kPart = 4096;  // floats brought in at a time

std::vector<bool> reduced_axes(const OpInstance& op, int rank) {
  std::vector<bool> is_reduced(static_cast<size_t>(rank), false);
  for (int64_t a : op.attrs.ints("axes"))
    is_reduced[static_cast<size_t>(a < 0 ? a + rank : a)] = true;
  return is_reduced;
}

bool is_f32_or_narrower(DType t) { return t == DType::F32 || t == DType::F16 || t == DType::BF16; }

}  // namespace

Support ReducePlan::supports(const OpInstance& op) {
  const TensorType& x = anchor_inputs(op)[0];
  if (!is_f32_or_narrower(x.dtype)) return Support::no("f32, f16 and bf16 only");
  auto blocked = [](const TensorType& t) { return t.layout == Layout::Blocked16; };
  if (std::any_of(op.in.begin(), op.in.end(), blocked) ||
      std::any_of(op.out.begin(), op.out.end(), blocked)) {
    return Support::no("channels in blocks");
  }
  if (op.in.size() + op.out.size() > 60) return Support::no("too many tensors");
  if (op.fusion.epilogue_reads_operand()) return Support::no("the epilogue reads what is reduced");
  return Support::yes();
}

ReducePlan::ReducePlan(const OpInstance& op) {
  const Shape& shape = anchor_inputs(op)[0].shape;
  const int rank = shape.rank();
  const std::vector<bool> is_reduced = reduced_axes(op, rank);
  const bool has_prologue = !op.fusion.prologue.empty() && !op.fusion.prologue[0].empty();
  const size_t own = anchor_inputs(op).size();

  std::vector<std::vector<int64_t>> all;
  for (size_t k = 0; k < op.in.size(); ++k) {
    if (k > 0 && (k < own || !has_prologue)) continue;
    inputs_.push_back({static_cast<int>(k), bits(op.in[k].dtype) / 8});
    const bool fits = op.in[k].rank() <= rank;
    all.push_back(
        fits ? broadcast_strides(op.in[k].shape, operand_strides(op, static_cast<int>(k)), rank)
             : std::vector<int64_t>(static_cast<size_t>(rank), 0));
  }
  auto part = [&](bool want) {
    std::vector<int64_t> sizes;
    std::vector<std::vector<int64_t>> strides(all.size());
    for (int d = 0; d < rank; ++d) {
      if (is_reduced[static_cast<size_t>(d)] != want) continue;
      sizes.push_back(shape[d].value());
      for (size_t k = 0; k < all.size(); ++k) strides[k].push_back(all[k][static_cast<size_t>(d)]);
    }
    return make_nest(std::move(sizes), std::move(strides));
  };
  kept = part(false);
  reduced = part(true);
  length = reduced.elements();
  columns = kept.strides[0].back() == 1 && kept.inner() >= 8 &&
            (reduced.strides[0].back() != 1 || reduced.inner() == 1);

  const DType wide[] = {DType::F32};
  if (has_prologue) {
    enter_ = ExprKernel(op.fusion.prologue[0], {}, wide);
  } else if (op.in[0].dtype != DType::F32 ||
             (!columns && reduced.strides[0].back() != 1 && reduced.inner() != 1)) {
    Expr copy({op.in[0].dtype});
    copy.output(copy.input(0));
    enter_ = ExprKernel(copy, {}, wide);
  }

  // Results: output strides for the kept axes, in the order in which `kept` has them.
  const bool keeps = op.attrs.i("keepdims") != 0;
  std::vector<int64_t> sizes, order;
  std::vector<std::vector<int64_t>> strides(2);  // of x, for the order; dense, filled below
  std::vector<int> result_axis;
  for (int d = 0, at = 0; d < rank; ++d) {
    const bool r = is_reduced[static_cast<size_t>(d)];
    if (!r) {
      sizes.push_back(shape[d].value());
      order.push_back(static_cast<int64_t>(result_axis.size()));
      strides[0].push_back(all[0][static_cast<size_t>(d)]);
      result_axis.push_back(at);
    }
    at += !r || keeps;
  }
  auto add = [&](const TensorType& t, const std::vector<int64_t>& s, int number,
                 std::vector<Tensor>& to) {
    to.push_back({number, bits(t.dtype) / 8});
    // An operand of the prologue alone may have more axes than the result.
    const int out_rank = op.out[0].rank();
    const auto wide_strides = t.rank() <= out_rank
                                  ? broadcast_strides(t.shape, s, out_rank)
                                  : std::vector<int64_t>(static_cast<size_t>(out_rank), 0);
    strides.emplace_back();
    for (int a : result_axis) strides.back().push_back(wide_strides[static_cast<size_t>(a)]);
  };
  for (size_t k = 0; k < op.out.size(); ++k) {
    add(op.out[k], result_strides(op, static_cast<int>(k)), static_cast<int>(k), outputs_);
  }
  const bool has_epilogue = !op.fusion.epilogue.empty();
  for (size_t k = own; has_epilogue && k < op.in.size(); ++k) {
    add(op.in[k], operand_strides(op, static_cast<int>(k)), static_cast<int>(k), extras_);
  }
  // Sorted as make_nest sorts `kept`: by all the strides of the inputs.
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    for (const auto& s : all) {
      std::vector<int64_t> of_kept;
      for (int d = 0; d < rank; ++d) {
        if (!is_reduced[static_cast<size_t>(d)]) of_kept.push_back(s[static_cast<size_t>(d)]);
      }
      const int64_t x = of_kept[static_cast<size_t>(a)], y = of_kept[static_cast<size_t>(b)];
      if (x != y) return x > y;
    }
    return false;
  });
  strides[1].assign(sizes.size(), 1);
  for (size_t k = order.size(); k-- > 1;) {
    strides[1][static_cast<size_t>(order[k - 1])] =
        strides[1][static_cast<size_t>(order[k])] * sizes[static_cast<size_t>(order[k])];
  }
  strides.erase(strides.begin());
  results_ = make_nest(std::move(sizes), std::move(strides));
  if (has_epilogue) {
    const DType first[] = {DType::F32};
    leave_ = ExprKernel(op.fusion.epilogue, first);
  } else {
    Expr copy({op.out[0].dtype});
    copy.output(copy.input(0));
    leave_ = ExprKernel(copy, wide);
  }
}

void ReducePlan::offsets_of(int64_t index, bool without_inner, std::vector<int64_t>& out) const {
  out.assign(inputs_.size(), 0);
  for (size_t d = kept.sizes.size() - (without_inner ? 1 : 0); d-- > 0;) {
    const int64_t c = index % kept.sizes[d];
    index /= kept.sizes[d];
    for (size_t k = 0; k < out.size(); ++k) out[k] += c * kept.strides[k][d];
  }
}

void ReducePlan::reduced_offsets(int64_t outer, std::vector<int64_t>& out) const {
  for (size_t d = reduced.sizes.size() - 1; d-- > 0;) {
    const int64_t c = outer % reduced.sizes[d];
    outer /= reduced.sizes[d];
    for (size_t k = 0; k < out.size(); ++k) out[k] += c * reduced.strides[k][d];
  }
}

// A run lies along the innermost reduced dimension.
void ReducePlan::visit_runs(const Buffers& at, int64_t index, Body body) const {
  std::array<float, kPart> part;
  thread_local std::vector<int64_t> base, offset;  // kept: a launch allocates nothing
  offsets_of(index, false, base);
  const int64_t inner = reduced.inner(), outer = inner == 0 ? 0 : length / inner;
  std::array<Rows, 64> in;
  for (int64_t o = 0; o < outer; ++o) {
    offset = base;
    reduced_offsets(o, offset);
    if (enter_.empty()) {
      body.call(body.object, static_cast<const float*>(at.in[0]) + offset[0], inner, 1);
      continue;
    }
    for (int64_t c = 0; c < inner; c += kPart) {
      const int64_t wide = std::min(kPart, inner - c);
      for (size_t k = 0; k < inputs_.size(); ++k) {
        const int64_t step = reduced.strides[k].back();
        auto* data = static_cast<std::byte*>(at.in[static_cast<size_t>(inputs_[k].number)]);
        in[k] = {data + (offset[k] + c * step) * inputs_[k].bytes, step, 0};
      }
      const Rows out{part.data(), 1, wide};
      enter_.run({in.data(), inputs_.size()}, {&out, 1}, 1, wide);
      body.call(body.object, part.data(), wide, 1);
    }
  }
}

// Columns of a kept plane stand beside each other and each reduced element is a row.
void ReducePlan::visit_strip(const Buffers& at, const Strip& strip, Body body) const {
  std::array<float, kPart> part;
  thread_local std::vector<int64_t> base, offset;
  offsets_of(strip.plane, true, base);
  const int64_t inner = reduced.inner(), most = std::max<int64_t>(1, kPart / strip.n);
  std::array<Rows, 64> in;
  for (int64_t from = strip.first; from < strip.last;) {
    const int64_t o = from / inner, begin = from % inner;
    const int64_t end = std::min(inner, begin + strip.last - from);
    from += end - begin;
    offset = base;
    reduced_offsets(o, offset);
    if (enter_.empty()) {
      const int64_t row = reduced.strides[0].back();
      const float* x = static_cast<const float*>(at.in[0]) + offset[0] + strip.column + begin * row;
      body.call(body.object, x, row, end - begin);
      continue;
    }
    for (int64_t r = begin; r < end; r += most) {
      const int64_t now = std::min(most, end - r);
      for (size_t k = 0; k < inputs_.size(); ++k) {
        const int64_t step = kept.strides[k].back(), row = reduced.strides[k].back();
        auto* data = static_cast<std::byte*>(at.in[static_cast<size_t>(inputs_[k].number)]);
        in[k] = {data + (offset[k] + r * row + strip.column * step) * inputs_[k].bytes, step, row};
      }
      const Rows out{part.data(), 1, strip.n};
      enter_.run({in.data(), inputs_.size()}, {&out, 1}, now, strip.n);
      body.call(body.object, part.data(), strip.n, now);
    }
  }
}

void ReducePlan::write(const Buffers& at, float* results) const {
  const Planes planes(results_);
  const size_t rank = results_.sizes.size(), tensors = results_.strides.size();
  thread_local std::vector<int64_t> offset;
  offset.assign(tensors, 0);
  std::array<Rows, 64> rows;
  for (int64_t p = 0; p < planes.count; ++p) {
    planes.offsets(p, offset);
    size_t slot = 0;
    auto place = [&](void* data, int64_t bytes) {
      const size_t k = slot++;
      rows[k] = {static_cast<std::byte*>(data) + offset[k] * bytes, results_.strides[k][rank - 1],
                 rank > 1 ? results_.strides[k][rank - 2] : 0};
    };
    place(results, 4);
    for (const Tensor& t : outputs_) place(at.out[static_cast<size_t>(t.number)], t.bytes);
    const std::array<Rows, 64> placed = rows;
    for (const Tensor& t : extras_) place(at.in[static_cast<size_t>(t.number)], t.bytes);
    // Inputs: the result, the extras, operand 0 (not read).
    thread_local std::vector<Rows> in;
    in.assign(1, placed[0]);
    in.insert(in.end(), rows.begin() + static_cast<std::ptrdiff_t>(1 + outputs_.size()),
              rows.begin() + static_cast<std::ptrdiff_t>(slot));
    in.emplace_back();
    leave_.run(in, {rows.data() + 1, outputs_.size()}, planes.rows, planes.n);
  }
}

}  // namespace lathe::cpu
