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
    Result<CompileResult> made = compile(graph.clone(), devices, cache, options, Progress{});
    EXPECT_TRUE(made.ok()) << made.status().message();
    if (made.ok()) plan = std::move(made->plan);
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

// Weights as constants whose values matter: small, of both signs, different everywhere.
inline std::string weights(std::string_view name, std::vector<int64_t> sizes, uint64_t seed) {
  HostTensor t = random_tensor({DType::F32, Shape::of(sizes)}, seed);
  for (float& v : t.mutable_span<float>()) v *= 0.2f;
  return fmt::format("  %{} = Constant{{value={}}}()\n", name, t.to_string(true));
}

inline std::string conv(std::string_view y, std::string_view x, std::string_view w, int pad,
                        int stride = 1) {
  return fmt::format(
      "  %{} = Conv{{strides=[{}, {}], dilations=[1, 1], pads=[{}, {}, {}, {}]}}(%{}, %{}) "
      "\"{}\"\n",
      y, stride, stride, pad, pad, pad, pad, x, w, y);
}

inline std::string pointwise(std::string_view y, std::string_view expr, std::string_view operands) {
  return fmt::format("  %{} = Pointwise{{expr=\"{}\"}}({}) \"{}\"\n", y, expr, operands, y);
}

inline constexpr std::string_view kRelu = "(a:f32) -> max(a, 0)";
inline constexpr std::string_view kAdd = "(a:f32, b:f32) -> add(a, b)";
inline constexpr std::string_view kAddRelu = "(a:f32, b:f32) -> max(add(a, b), 0)";

// Tuned, untuned, unfused and by references alone: all must be right.
inline void expect_right_in_all_ways(const std::string& text, const Bindings& symbols = {}) {
  {
    SCOPED_TRACE("untuned");
    Compiled(text).expect_right(1e-4, symbols);
  }
  {
    SCOPED_TRACE("tuned");
    Compiled(text, CompileOptions{}).expect_right(1e-4, symbols);
  }
  {
    SCOPED_TRACE("unfused");
    CompileOptions o = untuned();
    o.fuse = false;
    Compiled(text, o).expect_right(1e-4, symbols);
  }
  {
    SCOPED_TRACE("reference only");
    CompileOptions o = untuned();
    o.tuner.reference_only = true;
    Compiled(text, o).expect_right(1e-5, symbols);
  }
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE("random tactics");
    CompileOptions o;
    o.tuner.random_tactic_seed = seed;
    Compiled(text, o).expect_right(1e-4, symbols);
  }
}

}  // namespace lathe::testing
