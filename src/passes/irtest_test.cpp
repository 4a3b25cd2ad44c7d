// SPDX-License-Identifier: Apache-2.0
// Runs the golden texts beside the passes. NAME.irtest is a list of
//
//   test: a sentence
//   sizes: N=3 M=4              (optional: sizes of symbols for the comparison of numbers)
//   tolerance: 1e-4             (optional: relative to the largest element; 1e-5)
//   before:
//   graph g(%x: f32[N]) { ... }
//   after: same                 (or a graph)
//
// Each is checked twice: the text of the graph, values renamed in order, and the numbers of both
// graphs on the same random inputs.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "graph/interpret.h"
#include "passes/pass.h"

namespace lathe {
namespace {

struct GoldenTest {
  std::string sentence, before, after;
  Bindings sizes;
  double tolerance = 1e-5;
};

bool take_prefix(std::string& line, std::string_view prefix) {
  if (!line.starts_with(prefix)) return false;
  line.erase(0, prefix.size());
  line.erase(0, line.find_first_not_of(' '));
  return true;
}

void read_sizes(const std::string& text, Bindings& sizes) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    sizes[word.substr(0, equals)] = std::stoll(word.substr(equals + 1));
  }
}

std::vector<GoldenTest> read_tests(std::string_view pass) {
  std::ifstream file(fmt::format("{}/src/passes/{}.irtest", LATHE_SOURCE_DIR, pass));
  std::vector<GoldenTest> tests;
  std::string* part = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (take_prefix(line, "test:")) {
      tests.emplace_back().sentence = line;
      part = nullptr;
    } else if (tests.empty()) {
      continue;
    } else if (take_prefix(line, "sizes:")) {
      read_sizes(line, tests.back().sizes);
    } else if (take_prefix(line, "tolerance:")) {
      tests.back().tolerance = std::stod(line);
    } else if (take_prefix(line, "before:")) {
      part = &tests.back().before;
    } else if (take_prefix(line, "after:")) {
      part = &tests.back().after;
      if (line == "same") tests.back().after = tests.back().before, part = nullptr;
    } else if (part) {
      *part += line + "\n";
    }
  }
  return tests;
}

// Values named by position, so that a golden text does not depend on names that a pass made up.
std::string canonical_text(const Graph& graph) {
  Graph copy = graph.clone();
  int next = 0;
  const std::vector<Node*> nodes = copy.nodes();
  for (const char* stem : {"canonical.", ""}) {
    next = 0;
    for (Node* node : nodes) {
      for (Value* v : node->outputs) copy.rename(v, fmt::format("{}{}", stem, ++next));
    }
  }
  return to_string(copy);
}

HostTensor random_tensor(const TensorType& type, std::mt19937& rng) {
  HostTensor t = *HostTensor::zeros(type);
  for (int64_t k = 0; k < t.elements(); ++k) {
    if (is_float(type.dtype)) {
      t.set_f64(k, std::uniform_real_distribution<double>(-2, 2)(rng));
    } else {
      t.set_i64(k, static_cast<int64_t>(rng() % 2));
    }
  }
  return t;
}

std::vector<HostTensor> random_inputs(const Graph& graph, Bindings sizes) {
  std::mt19937 rng(12345);
  std::vector<HostTensor> inputs;
  for (const GraphPort& port : graph.inputs) {
    std::set<std::string> symbols;
    for (const Dim& d : port.value->type.shape) d.collect_symbols(symbols);
    for (const std::string& s : symbols) {
      sizes.emplace(s, 2 + static_cast<int64_t>(sizes.size() % 4));
    }
    const TensorType& type = port.value->type;
    inputs.push_back(random_tensor({type.dtype, *type.shape.evaluate(sizes)}, rng));
  }
  return inputs;
}

void expect_close(const HostTensor& a, const HostTensor& b, double tolerance) {
  ASSERT_EQ(a.type().to_string(), b.type().to_string());
  double largest = 0;
  for (double v : a.to_f64()) {
    if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
  }
  for (int64_t k = 0; k < a.elements(); ++k) {
    const double x = a.get_f64(k), y = b.get_f64(k);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x == y) continue;
    ASSERT_LE(std::abs(x - y), tolerance * largest) << "element " << k << ": " << x << ", " << y;
  }
}

void expect_same_numbers(const Graph& before, const Graph& after, const GoldenTest& test) {
  const std::vector<HostTensor> inputs = random_inputs(before, test.sizes);
  Result<std::vector<HostTensor>> a = interpret(before, inputs, test.sizes);
  Result<std::vector<HostTensor>> b = interpret(after, inputs, test.sizes);
  ASSERT_TRUE(a.ok()) << a.status().message();
  ASSERT_TRUE(b.ok()) << b.status().message();
  ASSERT_EQ(a->size(), b->size());
  for (size_t k = 0; k < a->size(); ++k) expect_close((*a)[k], (*b)[k], test.tolerance);
}

void run_test(const Pass& pass, const GoldenTest& test) {
  Result<Graph> before = parse_graph(test.before);
  ASSERT_TRUE(before.ok()) << "before: " << before.status().message();
  Result<Graph> after = parse_graph(test.after);
  ASSERT_TRUE(after.ok()) << "after: " << after.status().message();
  Graph graph = before->clone();
  Result<bool> changed = pass.run(graph, {});
  ASSERT_TRUE(changed.ok()) << changed.status().message();
  Status valid = verify(graph);
  ASSERT_TRUE(valid.ok()) << valid.message();
  EXPECT_EQ(canonical_text(graph), canonical_text(*after));
  EXPECT_EQ(*changed, test.after != test.before);
  expect_same_numbers(*before, graph, test);
}

class GoldenText : public testing::TestWithParam<const Pass*> {};

TEST_P(GoldenText, HoldsAndKeepsTheNumbers) {
  const std::vector<GoldenTest> tests = read_tests(GetParam()->name);
  EXPECT_GE(tests.size(), 2u) << "a pass needs a golden test, and one of what it leaves alone";
  for (const GoldenTest& test : tests) {
    SCOPED_TRACE(test.sentence);
    run_test(*GetParam(), test);
  }
}

std::vector<const Pass*> each_pass_once() {
  std::vector<const Pass*> list;
  for (const Pass* pass : pipeline()) {
    if (std::find(list.begin(), list.end(), pass) == list.end()) list.push_back(pass);
  }
  return list;
}

INSTANTIATE_TEST_SUITE_P(Passes, GoldenText, testing::ValuesIn(each_pass_once()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace lathe
