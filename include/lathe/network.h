// SPDX-License-Identifier: Apache-2.0
#pragma once
// A network under construction: built by hand, or taken from a Model and edited. Its operators are
// Lathe's own (`lathe ops`) and every operator that the ONNX importer knows (onnx_operators()):
// what the importer can build, a person can build by hand.
//
//   lathe::Network net("tiny");
//   auto x = *net.add_input("x", lathe::Type::F32, {{-1, "N"}, {8}});
//   auto w = *net.add_constant("w", weights);                       // a Tensor, f32[8,4]
//   auto h = *net.add("MatMul", {x, w});
//   auto y = *net.add_onnx("Relu", {net.result(h)});
//   net.mark_output(net.result(y), "y");
//   auto model = net.finish();                                      // Result<Model>
//   auto engine = lathe::Engine::build(*model);
//
// Types, shapes and the contents of small integer tensors are inferred as soon as a node is added,
// and a node that does not fit is an error that names it, and is not added. An edit of what is
// there (set_operand, set_attribute, set_input, set_constant) checks only that the graph stays one;
// what follows from it is inferred when it is next asked for, so several edits may pass through a
// state that fits nothing. check() says whether everything fits now.
//
// A Network belongs to one thread at a time, also for questions. Models made from it are
// independent of it. Nothing throws; Code::InvalidInput is what every wrong argument gives, a
// handle of a removed thing or of another network included.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lathe/lathe.h"

namespace lathe {

struct NetworkState;

// An attribute. Lathe's operators take types, dimensions and expressions as text too ("f16",
// "[N, 3]", "(a:f32) -> exp(a)"), and those that have them answer them so.
using Attribute = std::variant<int64_t, double, std::string, Tensor, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;
using Attributes = std::map<std::string, Attribute>;

// The operator set that add_onnx means unless told otherwise.
constexpr int kDefaultOpset = 21;

class LATHE_API Network {
 public:
  // Handles: cheap to copy, valid until what they name is removed, also after renames. A
  // default-made Value is an operand that is left out.
  struct Value {
    int32_t id = -1;
    uint32_t network = 0;
    friend bool operator==(Value, Value) = default;
  };
  struct Node {
    int32_t id = -1;
    uint32_t network = 0;
    friend bool operator==(Node, Node) = default;
  };

  enum class Kind { Input, Constant, Result };
  struct ValueInfo {
    std::string name;
    Kind kind = Kind::Result;
    Type type = Type::F32;
    std::vector<DimInfo> shape;  // sizes, or -1 with the expression over the inputs' symbols
    // Row-major elements of a small integer tensor whose elements are known before it runs: shapes
    // and what is computed from them.
    std::optional<std::vector<DimInfo>> contents;
    Node producer;              // of a Result
    int index = 0;              // which result of the producer
    std::vector<Node> readers;  // one entry for each operand that reads it
    bool is_output = false;
  };
  struct NodeInfo {
    std::string name;
    std::string op;               // "Conv"
    std::string domain;           // "lathe": an operator of Lathe's own; "": ONNX's default domain
    int opset = 0;                // of an ONNX operator
    std::vector<Value> operands;  // id -1: left out
    std::vector<Value> results;   // id -1: not asked for
    Attributes attributes;        // of Lathe's operators with their defaults, of ONNX's as given
    std::string text;             // "y = Conv{group=1, ...}(x, w)"
  };

  explicit Network(std::string name = "network");
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  // One whose nodes may also be of operators of the user's own: add_onnx with their domain.
  static Result<Network> with(const ModelOptions& operators, std::string name = "network");
  // The model as it was imported, before any optimization: one node for each of the file's (calls
  // of its functions are inlined), with the file's names of nodes, values and initializers.
  static Result<Network> from(const Model& model);
  // The network as it is now. Fails when something does not fit or no output is marked.
  Result<Model> finish() const;
  // Ok, or the first node that does not fit.
  Status check() const;
  const std::string& name() const;

  // --- building. Names are unique among values; "" makes one up. Nodes' names need not be unique.

  // A size of -1 with a symbol is the same size wherever the symbol stands ("N", also "2*N"),
  // without a symbol a size of its own.
  Result<Value> add_input(std::string_view name, Type type, const std::vector<DimInfo>& shape);
  // The tensor moves in.
  Result<Value> add_constant(std::string_view name, Tensor data);
  // The caller's memory, row-major, `bytes` long, not copied. `owner` keeps it alive; null: the
  // caller does, until the network and every Model and Engine made from it are gone. It may not
  // change meanwhile. Not for strings.
  Result<Value> borrow_constant(std::string_view name, Type type, const std::vector<int64_t>& shape,
                                const void* data, size_t bytes, std::shared_ptr<const void> owner);
  // A node of an operator of Lathe's own, checked by the operator's schema. Its results are named
  // as the node, with ":1", ":2" for the second and third; a node without a name gets one from its
  // operator.
  Result<Node> add(std::string_view op, const std::vector<Value>& operands,
                   const Attributes& attributes = {}, std::string_view name = "");
  // A node of an ONNX operator, through the importer's function for it. Floats are rounded to F32,
  // as ONNX keeps them. `results`: how many are wanted (as Split and the optional results of others
  // need to know); -1: those that it gives unasked.
  struct OnnxOptions {
    std::string domain;
    int opset = kDefaultOpset;
    int results = -1;
  };
  Result<Node> add_onnx(std::string_view op, const std::vector<Value>& operands,
                        const Attributes& attributes = {}, std::string_view name = "");
  Result<Node> add_onnx(std::string_view op, const std::vector<Value>& operands,
                        const Attributes& attributes, std::string_view name,
                        const OnnxOptions& options);
  // Result k of a node; one with id -1 when there is none.
  Value result(Node node, size_t k = 0) const;

  // Outputs of the engine, in the order in which they were marked; `name` "": the value's own.
  Status mark_output(Value value, std::string_view name = "");
  Status unmark_output(Value value);

  // --- questions

  std::vector<Value> inputs() const;
  std::vector<Value> outputs() const;
  std::vector<std::string> output_names() const;  // in the order of outputs()
  std::vector<Value> constants() const;           // initializers: what a refitter names
  std::vector<Value> values() const;
  std::vector<Node> nodes() const;            // in an order in which they can run
  Result<ValueInfo> info(Value value) const;  // fails where its type cannot be inferred now
  Result<NodeInfo> info(Node node) const;
  Result<std::string> name(Value value) const;  // also where info() fails
  // By name; the first of nodes that share one; id -1: none.
  Value find_value(std::string_view name) const;
  Node find_node(std::string_view name) const;
  // A constant's elements, and the same without a copy (strings have no bytes); the span is valid
  // until the constant is set or removed.
  Result<Tensor> constant(Value value) const;
  Result<std::span<const std::byte>> constant_bytes(Value value) const;
  // The network in lines of text, for people.
  std::string to_string() const;

  // --- editing

  // An output whose name was the value's follows it.
  Status rename(Value value, std::string_view name);
  Status rename(Node node, std::string_view name);
  // Operand k reads `value` (left out: default-made Value) from now on. A cycle is refused.
  Status set_operand(Node node, size_t k, Value value);
  // Every reader of `value`, and the outputs, read `replacement` instead; not the node that makes
  // the replacement, so that a node can be put behind a value.
  Status replace(Value value, Value replacement);
  Status set_attribute(Node node, const std::string& name, const Attribute& attribute);
  Status remove_attribute(Node node, const std::string& name);  // back to the default
  Status set_input(Value input, Type type, const std::vector<DimInfo>& shape);
  // Other data; type and shape may change too.
  Status set_constant(Value constant, Tensor data);
  Status borrow_constant(Value constant, Type type, const std::vector<int64_t>& shape,
                         const void* data, size_t bytes, std::shared_ptr<const void> owner);
  // Refused while something reads what would go.
  Status remove(Node node);
  Status remove(Value input_or_constant);
  // Nodes that lead to no output, and constants that nobody reads; how many nodes went.
  int remove_dead();

 private:
  std::unique_ptr<NetworkState> state_;
};

}  // namespace lathe
