// SPDX-License-Identifier: Apache-2.0
#pragma once
// A graph in text, compiled for the CPU and held against the interpreter.
//
//   Compiled c("graph g(%x: f32[1,4]) { %y = Softmax{axis=1}(%x) return y=%y }");
//   c.expect_right();
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backends/cpu/cpu_device.h"
#include "base/random.h"
#include "compiler/compiler.h"
#include "graph/interpret.h"
#include "runtime/session.h"

namespace lathe::testing {

inline CompileOptions untuned() {
  CompileOptions o;
  o.tuner.tune = false;
  return o;
}

inline HostTensor random_tensor(const TensorType& type, uint64_t seed) {
  HostTensor t = *HostTensor::make({type.dtype, type.shape});
  Random random(seed);
  for (int64_t i = 0; i < t.elements(); ++i) {
    if (is_float(type.dtype)) {
      t.set_f64(i, random.normal());
    } else {
      t.set_i64(i, random.integer(0, 3));
    }
  }
  return t;
}

struct Compiled {
  explicit Compiled(std::string_view text, CompileOptions options = untuned())
      : device(cpu::make_cpu_device(1)) {
    Result<Graph> parsed = parse_graph(text);
    EXPECT_TRUE(parsed.ok()) << parsed.status().message();
    if (!parsed.ok()) return;
    graph = *std::move(parsed);
    options.tuner.threads = 1;
    const CompileDevices devices{device.get(), device.get(), nullptr};
    Result<Plan> made = compile(graph.clone(), devices, cache, options, Progress{});
    EXPECT_TRUE(made.ok()) << made.status().message();
    if (made.ok()) plan = *std::move(made);
  }

  int count(std::string_view op) const {
    return static_cast<int>(std::count_if(plan.steps.begin(), plan.steps.end(),
                                          [&](const Step& s) { return s.op.def->is(op); }));
  }
  const Step& first(std::string_view op) const {
    return *std::find_if(plan.steps.begin(), plan.steps.end(),
                         [&](const Step& s) { return s.op.def->is(op); });
  }
  std::string steps() const {
    std::string text;
    for (const Step& s : plan.steps) {
      text += fmt::format("{}: {} by {}\n", s.name, s.op.to_string(), s.tactic);
      if (!s.why.empty()) text += "    " + s.why + "\n";
    }
    return text;
  }

  // Runs the plan on random inputs, symbols bound as told, in poisoned memory, twice.
  void expect_right(double tolerance = 1e-4, const Bindings& symbols = {}) const {
    std::vector<HostTensor> inputs;
    for (const GraphPort& p : graph.inputs) {
      TensorType type = p.value->type;
      type.shape = *type.shape.evaluate(symbols);
      inputs.push_back(random_tensor(type, inputs.size() + 1));
    }
    const Result<std::vector<HostTensor>> want = interpret(graph, inputs);
    ASSERT_TRUE(want.ok()) << want.status().message();
    auto engine = LoadedEngine::open(plan, {device.get(), device.get()});
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    auto session = *RuntimeSession::open(*engine, {.threads = 1, .poison = true});
    for (size_t k = 0; k < inputs.size(); ++k)
      ASSERT_TRUE(session->set_input(static_cast<int>(k), inputs[k]).ok());
    for (int run = 0; run < 2; ++run) {
      const Status ran = session->run();
      ASSERT_TRUE(ran.ok()) << ran.message() << "\n" << steps();
      for (size_t k = 0; k < want->size(); ++k)
        expect_near(*session->output(static_cast<int>(k)), (*want)[k], tolerance);
    }
  }

  void expect_near(const HostTensor& got, const HostTensor& want, double tolerance) const {
    ASSERT_EQ(got.type(), want.type());
    double largest = 1e-30;
    for (int64_t i = 0; i < want.elements(); ++i)
      largest = std::max(largest, std::abs(want.get_f64(i)));
    for (int64_t i = 0; i < want.elements(); ++i) {
      const double error = std::abs(got.get_f64(i) - want.get_f64(i));
      ASSERT_LE(error, tolerance * largest) << "element " << i << "\n" << steps();
    }
  }

  std::unique_ptr<Device> device;
  TimingCache cache;
  Graph graph;
  Plan plan;
};

}  // namespace lathe::testing
