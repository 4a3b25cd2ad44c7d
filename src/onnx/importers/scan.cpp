// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "onnx/import_graphs.h"

namespace lathe {
namespace {

// One number for each of `count` values, zeros where the attribute is absent.
Result<Ints> list_of(const NodeImport& n, std::string_view name, size_t count) {
  Ints list = n.ints(name, Ints(count, 0));
  if (list.size() == count) return list;
  return invalid("{} has {} entries, expected {}", name, list.size(), count);
}

Result<Ints> directions_of(const NodeImport& n, std::string_view name, size_t count) {
  Ints list = LATHE_TRY(list_of(n, name, count));
  for (int64_t d : list) {
    if (d != 0 && d != 1) return invalid("{}: {} is neither 0 nor 1", name, d);
  }
  return list;
}

Result<int> axis_of(std::string_view name, int64_t axis, int rank) {
  Result<int> positive = normalize_axis(axis, rank);
  if (positive.ok()) return positive;
  return std::move(positive).status().at(name);
}

TensorType without_axis(const TensorType& type, int axis) {
  std::vector<Dim> sizes(type.shape.begin(), type.shape.end());
  sizes.erase(sizes.begin() + axis);
  return {type.dtype, Shape(std::move(sizes))};
}

Ints zeros(size_t count) { return Ints(count, 0); }

Attrs scan_attrs(size_t carried, size_t scanned, std::string symbols) {
  Attrs attrs;
  attrs.set("carried", static_cast<int64_t>(carried)).set("scanned", static_cast<int64_t>(scanned));
  attrs.set("symbols", std::move(symbols));
  return attrs;
}

// How many of the operands are scanned: the last ones.
Result<size_t> count_scanned(const NodeImport& n, size_t operands) {
  const int64_t stated = n.i("num_scan_inputs", 0);
  if (stated >= 1 && stated <= static_cast<int64_t>(operands)) return static_cast<size_t>(stated);
  return invalid("num_scan_inputs is {}, and {} operands are given", stated, operands);
}

Result<size_t> count_collected(const NodeImport& n, size_t carried) {
  if (n.output_count() >= carried) return n.output_count() - carried;
  return invalid("{} outputs for {} values that go round", n.output_count(), carried);
}

Status give(NodeImport& n, const Node& node) {
  for (size_t k = 0; k < node.outputs.size(); ++k) LATHE_TRY(n.result(node.outputs[k], k));
  return {};
}

// Of opset 8: a batch of sequences, each scanned by itself along dimension 1. The batch is scanned,
// too, and each of it is a scan.
Status scan_batch(NodeImport& n) {
  NodeGraphs& graphs = *LATHE_TRY(n.graphs());
  if (n.in(0)) return unsupported("operand 0 (sequence_lens) is not implemented");
  const size_t operands = std::max<size_t>(n.operand_count(), 1) - 1;
  const size_t scanned = LATHE_TRY(count_scanned(n, operands)), carried = operands - scanned;
  const size_t collected = LATHE_TRY(count_collected(n, carried));
  const DraftGraph& body = *LATHE_TRY(graphs.find(n, "body", operands, n.output_count()));
  std::vector<Value*> values;
  std::vector<TensorType> each;  // of the batch
  std::vector<RegionInput> inputs;
  for (size_t k = 0; k < operands; ++k) {
    values.push_back(LATHE_TRY(n.need(1 + k, k < carried ? "initial_state" : "scan_input")));
    const TensorType& type = values.back()->type;
    const int least = k < carried ? 1 : 2;
    if (type.rank() < least)
      return invalid("operand {} is {}, expected rank {} or more", 1 + k, type.to_string(), least);
    each.push_back(without_axis(type, 0));
    inputs.push_back({.type = k < carried ? each.back() : without_axis(each.back(), 0)});
  }
  Attrs inner = scan_attrs(carried, scanned, graphs.symbols());
  inner.set("axes", zeros(scanned)).set("out_axes", zeros(collected));
  inner.set("reverse", LATHE_TRY(directions_of(n, "directions", scanned)));
  inner.set("out_reverse", zeros(collected));
  std::vector<std::unique_ptr<Graph>> regions;
  const std::string symbols = inner.text("symbols");
  regions.push_back(LATHE_TRY(graphs.body(body, inputs, {0, 0, carried}, symbols)));
  auto whole = LATHE_TRY(graphs.around("Scan", each, std::move(inner), std::move(regions)));
  Attrs outer = scan_attrs(0, operands, graphs.symbols());
  outer.set("axes", zeros(operands)).set("reverse", zeros(operands));
  outer.set("out_axes", zeros(n.output_count())).set("out_reverse", zeros(n.output_count()));
  regions.clear();
  regions.push_back(std::move(whole));
  return give(
      n, *LATHE_TRY(graphs.add("Scan", std::move(values), std::move(outer), std::move(regions))));
}

}  // namespace

Status import_scan(NodeImport& n) {
  if (n.opset() < 9) return scan_batch(n);
  NodeGraphs& graphs = *LATHE_TRY(n.graphs());
  const size_t operands = n.operand_count();
  const size_t scanned = LATHE_TRY(count_scanned(n, operands)), carried = operands - scanned;
  const size_t collected = LATHE_TRY(count_collected(n, carried));
  const DraftGraph& body = *LATHE_TRY(graphs.find(n, "body", operands, n.output_count()));
  Ints axes = LATHE_TRY(list_of(n, "scan_input_axes", scanned));
  Ints out_axes = LATHE_TRY(list_of(n, "scan_output_axes", collected));
  Attrs attrs = scan_attrs(carried, scanned, graphs.symbols());
  attrs.set("reverse", LATHE_TRY(directions_of(n, "scan_input_directions", scanned)));
  attrs.set("out_reverse", LATHE_TRY(directions_of(n, "scan_output_directions", collected)));

  std::vector<Value*> values;
  std::vector<RegionInput> inputs;
  for (size_t k = 0; k < operands; ++k) {
    values.push_back(LATHE_TRY(n.need(k, k < carried ? "initial_state" : "scan_input")));
    inputs.push_back({.type = values.back()->type});
    if (k < carried) continue;
    int64_t& axis = axes[k - carried];
    axis = LATHE_TRY(axis_of("scan_input_axes", axis, inputs[k].type.rank()));
    inputs[k].type = without_axis(inputs[k].type, static_cast<int>(axis));
  }
  std::vector<std::unique_ptr<Graph>> regions;
  const std::string symbols = attrs.text("symbols");
  regions.push_back(LATHE_TRY(graphs.body(body, inputs, {0, 0, carried}, symbols)));
  for (size_t k = 0; k < collected; ++k) {
    const int rank = regions[0]->outputs[carried + k].value->type.rank() + 1;
    out_axes[k] = LATHE_TRY(axis_of("scan_output_axes", out_axes[k], rank));
  }
  attrs.set("axes", std::move(axes)).set("out_axes", std::move(out_axes));
  return give(
      n, *LATHE_TRY(graphs.add("Scan", std::move(values), std::move(attrs), std::move(regions))));
}

}  // namespace lathe
