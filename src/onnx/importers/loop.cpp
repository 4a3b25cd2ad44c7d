// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "onnx/import_graphs.h"
#include "ops/control_flow.h"

namespace lathe {
namespace {

// More iterations than any machine gets through: a bomb or a mistake.
constexpr int64_t kMaxTrips = int64_t{1} << 36;
constexpr size_t kOwn = 2;  // M and cond; the body's iteration and cond

// Exporters give the counter and the condition the shape [] or [1].
TensorType one_of(DType type, const RankClaim& claim) {
  return {type, claim.rank == 1 ? Shape{1} : Shape{}};
}

bool is_true(const NodeImport& n, const Value* v) {
  if (!v) return true;
  const std::optional<HostTensor> known = n.fold(v);
  return known && known->dtype() == DType::Bool && known->elements() == 1 && known->get_i64(0) != 0;
}

// How often the body runs, where a count that is known alone decides it.
Dims trips_of(const NodeImport& n, const Graph& body) {
  if (!n.in(0) || !is_true(n, n.in(1)) || !is_true(n, body.outputs[0].value)) return {};
  const Result<Dims> count = n.dims_of(0, "M");
  if (!count.ok() || count->size() != 1) return {};
  const Dim& trips = (*count)[0];
  return {trips.provably_nonnegative() ? trips : Dim::max(trips, 0)};
}

}  // namespace

Status import_loop(NodeImport& n) {
  NodeGraphs& graphs = *LATHE_TRY(n.graphs());
  const size_t carried = std::max(n.operand_count(), kOwn) - kOwn;
  const DraftGraph& body = *LATHE_TRY(graphs.find(n, "body", kOwn + carried, 1 + n.output_count()));
  if (n.output_count() < carried)
    return invalid("{} outputs for {} values that go round", n.output_count(), carried);
  const std::string symbols = graphs.symbols();
  std::vector<RegionInput> inputs;
  inputs.push_back({.type = one_of(DType::I64, graphs.claim(body, 0)),
                    .contents = Contents{Dim::symbol(trip_symbol(symbols))}});
  // The body runs while the condition holds, so it always finds it true.
  const TensorType condition = one_of(DType::Bool, graphs.claim(body, 1));
  inputs.push_back(
      {.type = condition, .value = HostTensor::scalar<bool>(true).reshaped(condition.shape)});
  std::vector<Value*> operands{n.in(0), n.in(1)};
  for (size_t k = 0; k < carried; ++k) {
    operands.push_back(LATHE_TRY(n.need(kOwn + k, "v_initial")));
    inputs.push_back({.type = operands.back()->type});
  }
  std::vector<std::unique_ptr<Graph>> regions;
  regions.push_back(LATHE_TRY(graphs.body(body, inputs, {kOwn, 1, carried}, symbols)));
  Attrs attrs;
  attrs.set("carried", static_cast<int64_t>(carried)).set("symbols", symbols);
  Dims trips = trips_of(n, *regions[0]);
  if (!trips.empty() && trips[0].is_constant() && trips[0].value() > kMaxTrips) {
    return out_of_memory("the body runs {} times, the limit is {}", trips[0].value(), kMaxTrips);
  }
  attrs.set("trips", std::move(trips));
  const Node* node =
      LATHE_TRY(graphs.add("Loop", std::move(operands), std::move(attrs), std::move(regions)));
  for (size_t k = 0; k < node->outputs.size(); ++k) LATHE_TRY(n.result(node->outputs[k], k));
  return {};
}

}  // namespace lathe
