// SPDX-License-Identifier: Apache-2.0
#pragma once
// The graphs inside an If, Loop or Scan, as the importers of these see them: put in the node's
// place, or made regions of a node of control flow.
//
//   NodeGraphs& graphs = *LATHE_TRY(n.graphs());
//   const DraftGraph& body = *LATHE_TRY(graphs.find(n, "body"));
//   auto region = LATHE_TRY(graphs.region(body, {{{DType::F32, {2, 3}}}}));
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "onnx/draft.h"
#include "onnx/node_import.h"

namespace lathe {

class Lowering;
struct ImportState;

// An input of a region: its type, and what is known of its elements.
struct RegionInput {
  TensorType type;
  std::optional<Contents> contents = {};  // while the region is lowered; forgotten then
  std::optional<HostTensor> value = {};   // it is always this one
};

class NodeGraphs {
 public:
  NodeGraphs(Lowering& lowering, ImportState& state, const Draft& draft, const DraftNode& node)
      : lowering_(lowering), state_(state), draft_(draft), node_(node) {}

  // An error where the attribute is no graph, or takes or gives other numbers of values.
  Result<const DraftGraph*> find(const NodeImport& n, std::string_view attribute, size_t inputs,
                                 size_t results) const;
  // What the file says of an input of the graph.
  const RankClaim& claim(const DraftGraph& graph, size_t input) const;
  // What the symbols of this node begin with: nothing else begins so.
  std::string symbols();

  // The graph's nodes in the place of this one: its results. It has no inputs.
  Result<std::vector<Value*>> in_place(const DraftGraph& graph);
  Result<std::unique_ptr<Graph>> region(const DraftGraph& graph,
                                        std::span<const RegionInput> inputs);
  // `count` values that go round, as inputs from `input` and results from `result` on.
  struct Round {
    size_t input, result, count;
  };
  // The region of a body; sizes that it changes on the way become symbols, in `inputs` too.
  Result<std::unique_ptr<Graph>> body(const DraftGraph& graph, std::vector<RegionInput>& inputs,
                                      Round round, std::string_view symbols);
  // A region that is one such node, whose own operands are the region's inputs.
  Result<std::unique_ptr<Graph>> around(std::string_view op, std::span<const TensorType> inputs,
                                        Attrs attrs, std::vector<std::unique_ptr<Graph>> regions);
  // The node, in which what the regions read from outside comes behind its own operands.
  Result<Node*> add(std::string_view op, std::vector<Value*> operands, Attrs attrs,
                    std::vector<std::unique_ptr<Graph>> regions);

 private:
  struct Capture {
    int v;  // of the draft
    Value* outer;
    // What the region has in its place where it is known now: weights, shapes.
    std::optional<HostTensor> tensor = {};
    bool is_input() const { return !tensor && !dims; }
    bool dims = false;
  };
  Status find_captures();
  Status fill(const DraftGraph& graph, std::span<const RegionInput> inputs);
  Status add_inputs(const DraftGraph& graph, std::span<const RegionInput> inputs);
  Status add_captures();

  Lowering& lowering_;
  ImportState& state_;
  const Draft& draft_;
  const DraftNode& node_;
  std::optional<std::vector<Capture>> captures_;  // once they were looked for
};

}  // namespace lathe
