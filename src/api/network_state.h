// SPDX-License-Identifier: Apache-2.0
#pragma once
// What stands behind a Network: the draft, and what has been inferred of it so far.
#include <string>
#include <unordered_map>
#include <vector>

#include "base/budget.h"
#include "lathe/network.h"
#include "onnx/lowering.h"

namespace lathe {

// The lowered graph of the first nodes in the draft's order. Nodes that do not fit are left out,
// and so is what reads them; each keeps the first error on the way to it.
class Inference {
 public:
  explicit Inference(const Draft& draft) : draft_(draft) {}

  void add_input(int v);    // that the draft has now
  void finish();            // all nodes of the draft
  Status status(int node);  // after finish()
  Status inputs_status() const { return inputs_; }
  const Value* find(int v) const { return lowering_ ? lowering_->find(v) : nullptr; }
  // The node that was added last: its results, so that more of them can be defined.
  Result<std::vector<lathe::Value*>> run_last(int node);
  Status define(int v, lathe::Value* value) { return lowering_->define(draft_, v, value); }
  // What was inferred of this node and those after it is no longer so; of everything.
  void forget_from(int node);
  void forget();

 private:
  void start();
  Status step(int node);

  const Draft& draft_;
  Budget budget_;
  std::unique_ptr<Lowering> lowering_;  // null: nothing inferred
  Status inputs_;
  std::vector<int> done_;                   // nodes
  std::vector<Lowering::Mark> marks_;       // before each of them
  std::unordered_map<int, Status> errors_;  // by node
};

struct NetworkState {
  NetworkState();
  uint32_t serial;
  std::string name;  // the model's
  Draft draft;
  std::unordered_map<std::string, int> names;  // of values
  Inference inference{draft};

  // A handle's index, or an error; `what` names the argument.
  Result<int> index(Network::Value value, std::string_view what = "value") const;
  Result<int> index(Network::Node node) const;
  Network::Value handle(int v) const {
    return v < 0 ? Network::Value{} : Network::Value{v, serial};
  }
  Network::Node node_handle(int n) const {
    return n < 0 ? Network::Node{} : Network::Node{n, serial};
  }

  // Names of values: unique ones from a stem, and refusal of those that are taken.
  std::string unique(std::string_view stem) const;
  Status check_free(std::string_view name) const;
  Result<Shape> shape(std::string_view input, const std::vector<DimInfo>& dims);
  // The value that a constant's readers see has changed.
  void constant_changed(int v);
};

// The public tensor's memory moves behind the result.
Result<HostTensor> host_tensor(Tensor tensor);
Result<HostTensor> borrowed_tensor(Type type, const std::vector<int64_t>& shape, const void* data,
                                   size_t bytes, std::shared_ptr<const void> owner);

// Attributes between the public form and ours. Of Lathe's operators by the schema.
Result<AttrValue> to_attr(const OpDef& op, const std::string& name, const Attribute& attribute);
Result<Attrs> to_attrs(const OpDef& op, const Attributes& attributes);
Result<OnnxAttribute> to_onnx_attribute(const Attribute& attribute);
Attributes to_public(const DraftNode& node);
std::string attributes_text(const DraftNode& node);

}  // namespace lathe
