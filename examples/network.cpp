// SPDX-License-Identifier: Apache-2.0
// A network by hand, without a model file: a small classifier is made layer by layer, built, saved,
// loaded and run at two batch sizes. Prints its scores; exits with 1 where anything fails.
//
//   example_network [DEVICE]         cpu, cuda, cuda:1
#include "lathe/network.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace lathe;

// Weights that are the same in every run, between -0.5 and 0.5.
Tensor weights(const std::vector<int64_t>& shape, uint32_t seed) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    seed = seed * 1664525U + 1013904223U;
    value = static_cast<float>(seed >> 8) / static_cast<float>(1U << 24) - 0.5F;
  }
  return Tensor::of<float>(shape, values);
}

// scores = softmax(pool(relu(conv(images))) * matrix), over any number of images.
Result<Model> classifier() {
  Network net("classifier");
  const std::vector<int64_t> pads{1, 1, 1, 1}, ones{1, 1};
  const auto images = net.add_input("images", Type::F32, {{-1, "N"}, {3}, {16}, {16}});
  const auto kernel = net.add_constant("kernel", weights({8, 3, 3, 3}, 1));
  const auto matrix = net.add_constant("matrix", weights({8, 4}, 2));
  if (!images.ok()) return images.status();
  if (!kernel.ok()) return kernel.status();
  if (!matrix.ok()) return matrix.status();
  // Lathe's own operators (`lathe ops`) and ONNX's, side by side; a node that does not fit is an
  // error that names it.
  const auto conv = net.add("Conv", {*images, *kernel},
                            {{"pads", pads}, {"strides", ones}, {"dilations", ones}}, "conv");
  if (!conv.ok()) return conv.status();
  const auto relu = net.add_onnx("Relu", {net.result(*conv)}, {}, "relu");
  if (!relu.ok()) return relu.status();
  const auto pool = net.add_onnx("GlobalAveragePool", {net.result(*relu)}, {}, "pool");
  if (!pool.ok()) return pool.status();
  const auto flat = net.add_onnx("Flatten", {net.result(*pool)}, {}, "flat");
  if (!flat.ok()) return flat.status();
  const auto product = net.add("MatMul", {net.result(*flat), *matrix}, {}, "product");
  if (!product.ok()) return product.status();
  const auto scores = net.add_onnx("Softmax", {net.result(*product)}, {}, "softmax");
  if (!scores.ok()) return scores.status();
  if (Status s = net.mark_output(net.result(*scores), "scores"); !s.ok()) return s;
  return net.finish();
}

Status run(Engine& engine, int64_t batch) {
  Result<Session> session = engine.open();
  if (!session.ok()) return session.status();
  if (Status s = session->set_input("images", weights({batch, 3, 16, 16}, 3)); !s.ok()) return s;
  if (Status s = session->run(); !s.ok()) return s;
  const Result<Tensor> scores = session->output("scores");
  if (!scores.ok()) return scores.status();
  const std::vector<double> values = scores->to_doubles();
  for (size_t k = 0; k < values.size(); ++k)
    std::printf("%.4f%s", values[k], k % 4 == 3 ? "\n" : " ");
  return {};
}

Status all(const std::string& device, const std::string& file) {
  const Result<Model> model = classifier();
  if (!model.ok()) return model.status();
  BuildOptions options;
  options.device = device;
  options.timing_cache = "none";
  options.shapes["images"] = {{1, 3, 16, 16}, {4, 3, 16, 16}, {8, 3, 16, 16}};
  const Result<Engine> built = Engine::build(*model, options);
  if (!built.ok()) return built.status();
  if (Status s = built->save(file); !s.ok()) return s;
  Result<Engine> engine = Engine::load(file);
  if (!engine.ok()) return engine.status();
  std::printf("%zu steps on %s\n", engine->steps().size(), engine->device().c_str());
  if (Status s = run(*engine, 1); !s.ok()) return s;
  return run(*engine, 3);
}

}  // namespace

int main(int argc, char** argv) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("lathe_example_" + std::to_string(::getpid()) + ".engine");
  Status status = all(argc > 1 ? argv[1] : "cpu", file.string());
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  if (!status.ok()) std::fprintf(stderr, "example_network: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
