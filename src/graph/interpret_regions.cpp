// SPDX-License-Identifier: Apache-2.0
#include "graph/interpret_regions.h"

#include <algorithm>

#include "graph/interpret.h"
#include "ops/control_flow.h"
#include "ops/elementwise.h"

namespace lathe {
namespace {

using Tensors = std::vector<HostTensor>;

// A loop that nothing ends: its condition never fails, and nobody gives a count.
constexpr int64_t kMaxIterations = int64_t{1} << 18;

Result<Tensors> run_region(const Node& node, size_t k, const Tensors& in,
                           const Bindings& bindings) {
  Result<Tensors> out = interpret(*node.regions[k], in, bindings);
  if (out.ok()) return out;
  std::string_view names = node.op.def->regions;
  if (k > 0) names.remove_prefix(names.find(' ') + 1);
  return std::move(out).status().at(names.substr(0, names.find(' ')));
}

Result<Tensors> run_if(const Node& node, std::span<const HostTensor> in, const Bindings& bindings) {
  const bool holds = in[0].get_i64(0) != 0;
  return run_region(node, holds ? 0 : 1, {in.begin() + 1, in.end()}, bindings);
}

// One tensor of the collected ones along a new dimension; of a shape that only the run would have
// told where there are none.
Result<HostTensor> stack(const Tensors& parts, int axis, const TensorType& type,
                         const Bindings& bindings) {
  if (parts.empty()) {
    TensorType none{type.dtype, {}};
    for (int d = 0; d < type.rank(); ++d) {
      Result<int64_t> size = type.shape[d].evaluate(bindings);
      none.shape.push_back(d == axis || !size.ok() ? 0 : *size);
    }
    return HostTensor::zeros(none);
  }
  Shape one = parts[0].shape();
  std::vector<Dim> sizes(one.begin(), one.end());
  sizes.insert(sizes.begin() + axis, Dim(1));
  Tensors in;
  std::vector<TensorType> types;
  for (const HostTensor& part : parts) {
    if (part.shape() != one) {
      return invalid("one iteration gives {}, another {}: what is collected must have one shape",
                     one.to_string(), part.shape().to_string());
    }
    in.push_back(part.reshaped(Shape(sizes)));
    types.push_back(in.back().type());
  }
  const Inferred concat = LATHE_TRY(
      infer(*find_op("Concat"), std::move(types), Attrs().set("axis", static_cast<int64_t>(axis))));
  return LATHE_TRY(run_reference(concat.op, in))[0];
}

// Appends what an iteration collected, result by result.
void collect(const Tensors& out, size_t first, std::vector<Tensors>& collected) {
  for (size_t k = 0; k < collected.size(); ++k) collected[k].push_back(out[first + k]);
}

HostTensor one_i64(const TensorType& type, int64_t value) {
  return HostTensor::scalar<int64_t>(value).reshaped(type.shape);
}

Result<Tensors> run_loop(const Node& node, std::span<const HostTensor> in, Bindings bindings) {
  const Graph& body = *node.regions[0];
  const auto carried = static_cast<size_t>(node.op.attrs.i("carried"));
  const std::string& symbols = node.op.attrs.text("symbols");
  const int64_t trips = in[0].empty() ? INT64_MAX : in[0].get_i64(0);
  HostTensor holds = in[1].empty() ? HostTensor::scalar<bool>(true) : in[1];
  Tensors values(in.begin() + 2, in.begin() + 2 + static_cast<long>(carried));
  std::vector<Tensors> collected(node.outputs.size() - carried);
  for (int64_t i = 0; i < trips && holds.get_i64(0) != 0; ++i) {
    if (i == kMaxIterations) return invalid("it runs more than {} times", kMaxIterations);
    if (!symbols.empty()) bindings[trip_symbol(symbols)] = i;
    Tensors args{one_i64(body.inputs[0].value->type, i),
                 holds.reshaped(body.inputs[1].value->type.shape)};
    args.insert(args.end(), values.begin(), values.end());
    args.insert(args.end(), in.begin() + 2 + static_cast<long>(carried), in.end());
    Tensors out = LATHE_TRY(run_region(node, 0, args, bindings));
    holds = out[0];
    values.assign(out.begin() + 1, out.begin() + 1 + static_cast<long>(carried));
    collect(out, 1 + carried, collected);
  }
  for (size_t k = 0; k < collected.size(); ++k) {
    const TensorType& type = node.outputs[carried + k]->type;
    values.push_back(LATHE_TRY(stack(collected[k], 0, type, bindings)));
  }
  return values;
}

// Slice `i` of the tensor along the axis, which goes.
Result<HostTensor> slice_at(const HostTensor& x, int64_t axis, int64_t i) {
  Box box = Box::whole(x.shape());
  const auto d = static_cast<size_t>(axis);
  box.begin[d] = i;
  box.end[d] = i + 1;
  const HostTensor part = LATHE_TRY(cut(x, box));
  std::vector<Dim> sizes(x.shape().begin(), x.shape().end());
  sizes.erase(sizes.begin() + axis);
  return part.reshaped(Shape(std::move(sizes)));
}

Result<Tensors> run_scan(const Node& node, std::span<const HostTensor> in,
                         const Bindings& bindings) {
  const Attrs& a = node.op.attrs;
  const auto carried = static_cast<size_t>(a.i("carried"));
  const auto scanned = static_cast<size_t>(a.i("scanned"));
  const int64_t length = in[carried].shape().sizes()[static_cast<size_t>(a.ints("axes")[0])];
  Tensors values(in.begin(), in.begin() + static_cast<long>(carried));
  std::vector<Tensors> collected(node.outputs.size() - carried);
  for (int64_t i = 0; i < length; ++i) {
    Tensors args = values;
    for (size_t k = 0; k < scanned; ++k) {
      const int64_t at = a.ints("reverse")[k] != 0 ? length - 1 - i : i;
      args.push_back(LATHE_TRY(slice_at(in[carried + k], a.ints("axes")[k], at)));
    }
    args.insert(args.end(), in.begin() + static_cast<long>(carried + scanned), in.end());
    Tensors out = LATHE_TRY(run_region(node, 0, args, bindings));
    values.assign(out.begin(), out.begin() + static_cast<long>(carried));
    collect(out, carried, collected);
  }
  for (size_t k = 0; k < collected.size(); ++k) {
    if (a.ints("out_reverse")[k] != 0) std::reverse(collected[k].begin(), collected[k].end());
    const TensorType& type = node.outputs[carried + k]->type;
    const auto axis = static_cast<int>(a.ints("out_axes")[k]);
    values.push_back(LATHE_TRY(stack(collected[k], axis, type, bindings)));
  }
  return values;
}

// The sizes that the run decided, and that the others are what inference said.
Status bind_results(const Node& node, const Tensors& out, Bindings& bindings) {
  const std::string prefix = node.op.attrs.text("symbols") + ".";
  for (size_t k = 0; k < out.size(); ++k) {
    const Shape& want = node.outputs[k]->type.shape;
    for (int d = 0; d < want.rank(); ++d) {
      const std::string size = want[d].is_symbol() ? want[d].to_string() : "";
      if (size.starts_with(prefix)) bindings.emplace(size, out[k].shape()[d].value());
    }
    Result<Shape> expected = want.evaluate(bindings);
    if (!expected.ok()) return std::move(expected).status();
    if (out[k].shape() == *expected) continue;
    return invalid("result {} is {}, expected {}", k, out[k].shape().to_string(),
                   expected->to_string());
  }
  return {};
}

}  // namespace

Result<std::vector<HostTensor>> run_regions(const Node& node, std::span<const HostTensor> in,
                                            Bindings& bindings) {
  Result<Tensors> out = node.is("If")     ? run_if(node, in, bindings)
                        : node.is("Loop") ? run_loop(node, in, bindings)
                                          : run_scan(node, in, bindings);
  if (out.ok()) LATHE_TRY(bind_results(node, *out, bindings));
  return out;
}

}  // namespace lathe
