// SPDX-License-Identifier: Apache-2.0
// Runs the ONNX backend suite through the importer and the reference interpreter.
//
//   onnx_suite DATA SKIP.txt [GLOB]      exit 1 when a case neither passes nor is listed
#include <fnmatch.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/file.h"
#include "compare.h"
#include "graph/interpret.h"
#include "onnx/load.h"
#include "onnx/tensor_proto.h"
#include "skip_list.h"

namespace fs = std::filesystem;
using namespace lathe;

namespace {

constexpr const char* kKinds[] = {"node", "pytorch-converted", "pytorch-operator", "simple"};

Result<HostTensor> read_tensor(const fs::path& path) {
  std::vector<std::byte> bytes = LATHE_TRY(read_file(path.string(), int64_t{1} << 30));
  return read_tensor_proto(bytes);
}

Result<std::vector<HostTensor>> read_all(const fs::path& folder, const char* stem) {
  std::vector<HostTensor> out;
  for (int k = 0;; ++k) {
    const fs::path path = folder / fmt::format("{}_{}.pb", stem, k);
    if (!fs::exists(path)) return out;
    out.push_back(LATHE_TRY(read_tensor(path)));
  }
}

Status check_outputs(const Graph& graph, std::vector<HostTensor> inputs, const fs::path& folder) {
  const std::vector<HostTensor> want = LATHE_TRY(read_all(folder, "output"));
  const std::vector<HostTensor> got = LATHE_TRY(interpret(graph, inputs));
  if (got.size() != want.size()) return invalid("{} outputs, not {}", got.size(), want.size());
  for (size_t k = 0; k < got.size(); ++k) {
    Status s = compare(got[k], want[k]);
    if (!s.ok()) return std::move(s).at(fmt::format("output {}", k));
  }
  return {};
}

Result<Graph> load(const fs::path& folder, const LoadOptions& options) {
  Budget budget({.bytes = int64_t{1} << 31, .nodes = 100'000});
  Graph graph = LATHE_TRY(load_onnx_file((folder / "model.onnx").string(), budget, options));
  LATHE_TRY(verify(graph));
  return graph;
}

// The model with every input an input of the graph.
Status run_dynamic(const fs::path& folder) {
  const Graph graph = LATHE_TRY(load(folder, {}));
  for (int k = 0;; ++k) {
    const fs::path data = folder / fmt::format("test_data_set_{}", k);
    if (!fs::exists(data)) return {};
    std::vector<HostTensor> inputs = LATHE_TRY(read_all(data, "input"));
    // Inputs that the model lists and also initializes are constants of ours.
    inputs.resize(std::min(inputs.size(), graph.inputs.size()));
    LATHE_TRY(check_outputs(graph, std::move(inputs), data));
  }
}

// The suite passes axes, shapes and counts as inputs. Where they must be known when a model is
// built, the data set's values are: all inputs but the first, or all of them.
Status run_fixed(const fs::path& folder, size_t dynamic) {
  const fs::path data = folder / "test_data_set_0";
  LoadOptions options;
  std::vector<HostTensor> inputs;
  for (int k = 0;; ++k) {
    const fs::path path = data / fmt::format("input_{}.pb", k);
    if (!fs::exists(path)) break;
    const std::vector<std::byte> bytes = LATHE_TRY(read_file(path.string(), int64_t{1} << 30));
    NamedTensor t = LATHE_TRY(read_named_tensor_proto(bytes));
    if (inputs.size() < dynamic)
      inputs.push_back(std::move(t.value));
    else
      options.input_values[t.name] = std::move(t.value);
  }
  const Graph graph = LATHE_TRY(load(folder, options));
  return check_outputs(graph, std::move(inputs), data);
}

Status run_case(const fs::path& folder) {
  Status s = run_dynamic(folder);
  const auto needs_value = [&] {
    return s.message().find("known when the model is built") != std::string::npos;
  };
  if (needs_value()) s = run_fixed(folder, 1);
  if (needs_value()) s = run_fixed(folder, 0);
  return s;
}

struct Counts {
  int passed = 0, listed = 0, failed = 0;
};

void run_kind(const fs::path& folder, const char* glob, SkipList& skip, Counts& counts) {
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(folder)) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  for (const fs::path& path : cases) {
    const std::string name = path.filename().string();
    if (fnmatch(glob, name.c_str(), 0) != 0 || !fs::exists(path / "model.onnx")) continue;
    const Status s = run_case(path);
    std::string message = s.message();
    if (message.starts_with(path.string()))
      message.erase(0, (path / "model.onnx").string().size() + 2);
    const SkipEntry* entry = skip.find(name, message);
    if (s.ok() && entry) {
      std::printf("FAILED %s: passes, and is listed: %s\n", name.c_str(), entry->reason.c_str());
      ++counts.failed;
    } else if (s.ok()) {
      ++counts.passed;
    } else if (entry && s.code() != Code::Internal) {
      ++counts.listed;
    } else {
      std::printf("FAILED %s: %s\n", name.c_str(), message.c_str());
      ++counts.failed;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  SkipList skip;
  if (argc < 3 || !skip.read(argv[2])) {
    std::fprintf(stderr, "usage: onnx_suite DATA SKIP.txt [GLOB]\n");
    return 2;
  }
  const char* glob = argc > 3 ? argv[3] : "*";
  Counts total;
  for (const char* kind : kKinds) {
    Counts counts;
    run_kind(fs::path(argv[1]) / kind, glob, skip, counts);
    std::printf("%-18s %5d passed %5d listed %5d failed\n", kind, counts.passed, counts.listed,
                counts.failed);
    total.passed += counts.passed, total.failed += counts.failed;
  }
  for (const SkipEntry& e : skip.entries()) {
    if (e.used > 0 || argc > 3) continue;
    std::printf("FAILED the list: nothing matches %s\n", e.pattern.c_str());
    ++total.failed;
  }
  return total.failed == 0 && total.passed > 0 ? 0 : 1;
}
