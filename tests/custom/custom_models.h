// SPDX-License-Identifier: Apache-2.0
#pragma once
// Models of one custom operator on x f32[N,C], their engines and answers.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lathe/lathe.h"
#include "onnx/test_model.h"

namespace lathe {

using Sizes = std::vector<int64_t>;

// A file of definitions that holds acme::Op.
inline std::string defined(const std::string& body) {
  return R"({"lathe_ops": 1, "operators": [{"name": "acme::Op", )" + body + "}]}";
}

inline TestModel model_of(const std::string& domain, const std::string& type) {
  TestModel m(17);
  m.input("x", 1, {-1, -2}).node(type, {"x"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_node(0)->set_domain(domain);
  auto* opset = m.proto.add_opset_import();
  opset->set_domain(domain);
  opset->set_version(1);
  return m;
}

inline Result<Model> parse(const TestModel& m, const ModelOptions& options) {
  const std::string bytes = m.proto.SerializeAsString();
  return Model::parse(std::as_bytes(std::span<const char>(bytes)), "model", options);
}

// The message of a model that does not load.
inline std::string refused(const TestModel& m, const ModelOptions& options) {
  Result<Model> model = parse(m, options);
  return model.ok() ? "loaded" : model.status().message();
}

inline BuildOptions quick(const std::string& device = "cpu") {
  BuildOptions o;
  o.device = device;
  o.timing_cache = "none";
  o.shapes = {{"x", {{1, 1}, {4, 6}, {64, 64}}}};
  return o;
}

inline Engine build(const TestModel& m, const ModelOptions& options,
                    const BuildOptions& how = quick()) {
  Result<Model> model = parse(m, options);
  EXPECT_TRUE(model.ok()) << model.status().message();
  if (!model.ok()) return {};
  Result<Engine> engine = Engine::build(*model, how);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? *engine : Engine();
}

inline std::vector<float> ramp(int64_t n) {
  std::vector<float> v;
  for (int64_t i = 0; i < n; ++i) v.push_back(static_cast<float>(i % 13) * 0.25F - 1.5F);
  return v;
}

// The engine's answer for x of these sizes, by element.
inline Result<std::vector<double>> answer(const Engine& engine, const Sizes& sizes) {
  Engine::OpenOptions open;
  open.poison = true;
  Session session = LATHE_TRY(engine.open(open));
  int64_t n = 1;
  for (const int64_t s : sizes) n *= s;
  const std::vector<float> x = ramp(n);
  LATHE_TRY(session.set_input("x", Tensor::of<float>(sizes, std::span<const float>(x))));
  LATHE_TRY(session.run());
  return LATHE_TRY(session.output("y")).to_doubles();
}

// y = f(x) for several sizes, of which some were never tuned.
template <class F>
void expect_everywhere(const Engine& engine, F&& f) {
  for (const Sizes& sizes : {Sizes{4, 6}, Sizes{1, 1}, Sizes{7, 33}, Sizes{64, 64}}) {
    Result<std::vector<double>> y = answer(engine, sizes);
    ASSERT_TRUE(y.ok()) << y.status().message();
    const std::vector<float> x = ramp(sizes[0] * sizes[1]);
    ASSERT_EQ(y->size(), x.size());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR((*y)[i], f(x[i]), 1e-5) << "element " << i;
  }
}

}  // namespace lathe
