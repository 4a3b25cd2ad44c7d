// SPDX-License-Identifier: Apache-2.0
#pragma once
// The demo's networks as engines, built in a second: chosen by the cost model, nothing measured.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "lathe/lathe.h"

namespace lathe::testing {

inline Model demo_model(const std::string& name) {
  const char* elsewhere = std::getenv("LATHE_DEMO_MODELS");  // on a machine without the sources
  const std::string folder = elsewhere != nullptr ? elsewhere : LATHE_SOURCE_DIR "/examples/models";
  Result<Model> model = Model::load(folder + "/" + name);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return *std::move(model);
}

inline BuildOptions quick_options() {
  BuildOptions options;
  options.tune = false;
  options.timing_cache = "none";
  options.verify = VerifyMode::Off;
  return options;
}

inline Engine demo_engine(const std::string& name) {
  Result<Engine> engine = Engine::build(demo_model(name), quick_options());
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return *std::move(engine);
}

// Values in 0..1 that differ from element to element.
inline Tensor wave(std::vector<int64_t> shape, int phase = 0) {
  int64_t n = 1;
  for (int64_t s : shape) n *= s;
  std::vector<float> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>((i * 37 + static_cast<size_t>(phase) * 11) % 101) / 101.0f;
  return Tensor::of<float>(std::move(shape), values);
}

inline std::vector<std::byte> bytes_of(const Tensor& t) {
  return {t.bytes().begin(), t.bytes().end()};
}

// One run of a one-input engine; the bytes of its output.
inline std::vector<std::byte> run_once(Session& session, const Tensor& image, const char* output) {
  Status s = session.set_input("image", image);
  EXPECT_TRUE(s.ok()) << s.message();
  s = session.run();
  EXPECT_TRUE(s.ok()) << s.message();
  Result<Tensor> y = session.output(output);
  EXPECT_TRUE(y.ok()) << y.status().message();
  return y.ok() ? bytes_of(*y) : std::vector<std::byte>();
}

}  // namespace lathe::testing
