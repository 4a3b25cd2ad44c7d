// SPDX-License-Identifier: Apache-2.0
#pragma once
// A Draft becomes a Graph of Lathe's operators: each node goes through its operator's importer, or,
// where the operator is Lathe's own, is appended as it is. Types and contents are inferred on the
// way.
//
//   Graph g = LATHE_TRY(lower(draft, budget));
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "onnx/draft.h"
#include "onnx/load.h"

namespace lathe {

struct ImportState;

// The whole draft. Errors name the node.
Result<Graph> lower(const Draft& draft, Budget& budget, const LoadOptions& options = {});

// Node by node, for a draft that grows and changes. Order: inputs, then nodes as Draft::order says.
class Lowering {
 public:
  explicit Lowering(Budget& budget);
  ~Lowering();
  Lowering(Lowering&&) noexcept;
  Lowering& operator=(Lowering&&) noexcept;

  // No mark forgets an input.
  Status add_input(const Draft& draft, int v, const LoadOptions& options);
  // The values of a node's results, null where an output that is not wanted has none. On an error
  // nothing of the node stays.
  Result<std::vector<Value*>> run(const Draft& draft, int node);
  // Value v of the draft is this one from now on; checks what the file says of it.
  Status define(const Draft& draft, int v, Value* value);
  // Null: not defined so far.
  Value* find(int v) const;
  // The value, made where it is a constant that nothing has read so far.
  Result<Value*> value(const Draft& draft, int v);

  // Everything after the moment when mark() answered this is forgotten.
  struct Mark {
    size_t nodes = 0, defined = 0;
  };
  Mark mark() const;
  void rewind(Mark mark);
  Graph& graph();

  // What is around a region while that is lowered: it sees nothing of it.
  struct Around {
    Graph graph;
    std::unordered_map<int, Value*> values;
    std::vector<int> defined;
  };
  Around open_region();
  Graph close_region(Around around);

 private:
  Status define_results(const Draft& draft, const DraftNode& node,
                        const std::vector<Value*>& results);
  Status put(const Draft& draft, int v, Value* value);
  void fix_sizes(const Shape& declared, const Shape& given);
  Attrs with_sizes(Attrs attrs) const;
  std::unique_ptr<ImportState> state_;
  std::unordered_map<int, Value*> values_;  // by the draft's index
  std::vector<int> defined_;                // in order
  // Symbols of inputs' shapes that LoadOptions gives numbers for.
  std::map<std::string, Dim, std::less<>> sizes_;
};

}  // namespace lathe
