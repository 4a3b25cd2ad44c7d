// SPDX-License-Identifier: Apache-2.0
#include "lathe/network.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/random.h"
#include "onnx/test_model.h"

namespace lathe {
namespace {

// Sizes, negative: a symbol of its own.
std::vector<DimInfo> dims(const std::vector<int64_t>& sizes) {
  std::vector<DimInfo> out;
  out.reserve(sizes.size());
  for (int64_t s : sizes) out.push_back({s, ""});
  return out;
}

Tensor random_tensor(std::vector<int64_t> sizes, uint64_t seed) {
  Random random(seed);
  Tensor t = *Tensor::make(Type::F32, std::move(sizes));
  auto* p = reinterpret_cast<float*>(t.mutable_bytes().data());
  for (int64_t k = 0; k < t.elements(); ++k) p[k] = static_cast<float>(random.uniform(-1, 1));
  return t;
}

std::string shape_text(const Network& net, Network::Value v) {
  Result<Network::ValueInfo> info = net.info(v);
  if (!info.ok()) return info.status().message();
  std::string text = to_string(info->type);
  for (const DimInfo& d : info->shape)
    text += " " + (d.size >= 0 ? std::to_string(d.size) : d.symbol);
  return text;
}

std::string text_of(const std::string& path) {
  std::stringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

// An engine's file, and its steps as lines that a test's failure shows the difference of.
struct Built {
  std::vector<std::byte> bytes;
  std::string steps;
};

Built built(const Model& model, const std::string& cache) {
  BuildOptions options;
  options.timing_cache = cache;
  options.threads = 1;
  Result<Engine> engine = Engine::build(model, options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  if (!engine.ok()) return {};
  std::string steps;
  for (const StepInfo& s : engine->steps()) {
    steps += s.name + " | " + s.op + " | " + s.tactic + " " + s.config + " | " +
             std::to_string(s.seconds * 1e6) + " us | " + s.why + "\n";
  }
  return {*engine->serialize(), std::move(steps)};
}

// A timing cache that nobody left behind, and that nobody finds.
struct FreshCache {
  explicit FreshCache(const std::string& name)
      : path(testing::TempDir() + "/" + name + std::to_string(::getpid()) + ".cache") {}
  FreshCache(const FreshCache&) = delete;
  ~FreshCache() {
    std::remove(path.c_str());
    std::remove((path + ".lock").c_str());
  }
  std::string path;
};

// With what the cache knows of a model, every build of it measures nothing and is the same.
void expect_same(const Model& a, const Model& b, const std::string& cache) {
  const std::string known = text_of(cache);
  const Built first = built(a, cache);
  EXPECT_EQ(text_of(cache), known);
  const Built second = built(b, cache);
  EXPECT_EQ(text_of(cache), known);
  EXPECT_EQ(first.steps, second.steps);
  EXPECT_TRUE(first.bytes == second.bytes);
}

TEST(Network, InfersTypesAndShapesAtOnce) {
  Network net;
  const auto x = *net.add_input("x", Type::F32, {{-1, "N"}, {8, ""}});
  const auto w = *net.add_constant("w", random_tensor({8, 4}, 1));
  const auto h = net.result(*net.add("MatMul", {x, w}));
  EXPECT_EQ(shape_text(net, h), "f32 N 4");
  const auto twice = net.result(*net.add("Concat", {h, h}, {{"axis", int64_t{0}}}));
  EXPECT_EQ(shape_text(net, twice), "f32 2*N 4");
  const auto shape = net.result(*net.add_onnx("Shape", {twice}));
  const auto contents = net.info(shape)->contents;
  ASSERT_TRUE(contents.has_value());
  EXPECT_EQ((*contents)[0].symbol, "2*N");
  EXPECT_EQ((*contents)[1].size, 4);
}

TEST(Network, AnErrorNamesTheNodeAndWhatWasExpectedAndAddsNothing) {
  Network net;
  const auto x = *net.add_input("x", Type::F32, dims({2, 8}));
  const auto w = *net.add_constant("w", random_tensor({9, 4}, 1));
  Result<Network::Node> bad = net.add("MatMul", {x, w}, {}, "product");
  ASSERT_FALSE(bad.ok());
  EXPECT_TRUE(bad.status().message().starts_with("node 'product' (MatMul): "))
      << bad.status().message();
  EXPECT_EQ(net.add("MatMal", {x, w}).status().message(),
            "a node (MatMal): there is no such operator");
  EXPECT_EQ(net.add("Softmax", {x}, {{"axis", std::string("one")}}, "s").status().message(),
            "node 's' (Softmax): attribute 'axis' is text, expected an integer");
  EXPECT_EQ(net.add("Softmax", {x}, {{"axes", int64_t{1}}}, "s").status().message(),
            "node 's' (Softmax): there is no attribute 'axes', expected one of: axis, log");
  EXPECT_EQ(net.add_onnx("Frobnicate", {x}, {}, "f").status().message(),
            "node 'f' (Frobnicate): the operator Frobnicate of domain '', opset 21, is not "
            "implemented");
  EXPECT_TRUE(net.nodes().empty());
  EXPECT_EQ(net.values().size(), 2u);
  EXPECT_TRUE(net.check().ok());
}

TEST(Network, HandlesOfOtherNetworksAndOfRemovedThingsAreRefused) {
  Network a, b;
  const auto x = *a.add_input("x", Type::F32, dims({2}));
  EXPECT_EQ(b.add("Softmax", {x}, {}, "s").status().message(),
            "node 's' (Softmax): the operand 0 is of another network");
  const auto n = *a.add("Softmax", {x}, {{"axis", int64_t{0}}});
  const auto y = a.result(n);
  EXPECT_TRUE(a.remove(n).ok());
  EXPECT_EQ(a.info(y).status().message(), "the value was removed from the network");
  EXPECT_EQ(a.info(n).status().message(), "the node was removed from the network");
  EXPECT_EQ(a.find_value("Softmax").id, -1);
}

TEST(Network, AnOnnxOperatorGivesTheResultsThatAreAskedFor) {
  Network net;
  const auto x = *net.add_input("x", Type::F32, dims({6, 4}));
  const auto k = *net.add_constant("k", Tensor::of<int64_t>({1}, std::vector<int64_t>{2}));
  const auto top = *net.add_onnx("TopK", {x, k});
  EXPECT_EQ(shape_text(net, net.result(top, 0)), "f32 6 2");
  EXPECT_EQ(shape_text(net, net.result(top, 1)), "i64 6 2");
  Network::OnnxOptions three;
  three.results = 3;
  const auto split = *net.add_onnx("Split", {x}, {}, "parts", three);
  EXPECT_EQ(shape_text(net, net.result(split, 2)), "f32 2 4");
  EXPECT_EQ(net.info(net.result(split, 2))->name, "parts:2");
  EXPECT_EQ(net.result(split, 3).id, -1);
}

TEST(Network, AttributesAreAnsweredWithTheirDefaults) {
  Network net;
  const auto x = *net.add_input("x", Type::F32, dims({2, 3}));
  const auto s = *net.add("Softmax", {x}, {{"axis", int64_t{1}}}, "s");
  const Network::NodeInfo info = *net.info(s);
  EXPECT_EQ(info.domain, "lathe");
  EXPECT_EQ(std::get<int64_t>(info.attributes.at("log")), 0);
  EXPECT_EQ(info.text, "s = Softmax{axis=1}(x)");
  const auto e = *net.add("Pointwise", {x}, {{"expr", std::string("(a:f32) -> exp(a)")}});
  EXPECT_EQ(std::get<std::string>(net.info(e)->attributes.at("expr")), "(a:f32) -> exp(a)");
  const auto r = *net.add("Reshape", {x}, {{"shape", std::vector<int64_t>{3, 2}}});
  EXPECT_EQ(shape_text(net, net.result(r)), "f32 3 2");
}

TEST(Network, AnEditIsInferredAnewWhenItIsAskedFor) {
  Network net;
  const auto x = *net.add_input("x", Type::F32, dims({1, 1, 8, 8}));
  const auto w = *net.add_constant("w", random_tensor({2, 1, 3, 3}, 1));
  const auto conv = *net.add_onnx("Conv", {x, w}, {}, "conv");
  const auto relu = *net.add_onnx("Relu", {net.result(conv)}, {}, "relu");
  EXPECT_EQ(shape_text(net, net.result(relu)), "f32 1 2 6 6");
  ASSERT_TRUE(net.set_attribute(conv, "pads", std::vector<int64_t>{1, 1, 1, 1}).ok());
  EXPECT_EQ(shape_text(net, net.result(relu)), "f32 1 2 8 8");
  ASSERT_TRUE(net.set_input(x, Type::F32, {{-1, "N"}, {1}, {4}, {4}}).ok());
  EXPECT_EQ(shape_text(net, net.result(relu)), "f32 N 2 4 4");
  // A state between two edits that fits nothing, and names the node that does not.
  ASSERT_TRUE(net.set_constant(w, random_tensor({2, 3, 3, 3}, 1)).ok());
  EXPECT_TRUE(net.check().message().starts_with("node 'conv' (Conv): ")) << net.check().message();
  EXPECT_EQ(shape_text(net, net.result(relu)), net.check().message());
  EXPECT_FALSE(net.finish().ok());
  EXPECT_FALSE(net.add_onnx("Relu", {net.result(relu)}).ok());
  ASSERT_TRUE(net.set_input(x, Type::F32, dims({1, 3, 4, 4})).ok());
  EXPECT_EQ(shape_text(net, net.result(relu)), "f32 1 2 4 4");
}

TEST(Network, OperandsAreRewiredAndCyclesRefused) {
  Network net;
  const auto x = *net.add_input("x", Type::F32, dims({2}));
  const auto a = *net.add_onnx("Exp", {x}, {}, "a");
  const auto b = *net.add_onnx("Relu", {net.result(a)}, {}, "b");
  const Status cycle = net.set_operand(a, 0, net.result(b));
  EXPECT_NE(cycle.message().find("cycle"), std::string::npos);
  EXPECT_EQ(net.info(a)->operands[0], x);
  // x -> a -> b becomes x -> b -> a: the order follows.
  const auto y = *net.add_input("y", Type::F32, dims({3}));
  ASSERT_TRUE(net.set_operand(b, 0, y).ok());
  ASSERT_TRUE(net.set_operand(a, 0, net.result(b)).ok());
  EXPECT_EQ(net.nodes().front(), b);
  EXPECT_EQ(shape_text(net, net.result(a)), "f32 3");
}

TEST(Network, ReplaceMovesReadersAndOutputs) {
  Network net;
  const auto x = *net.add_input("x", Type::F32, dims({2}));
  const auto a = *net.add_onnx("Exp", {x}, {}, "a");
  const auto b = *net.add_onnx("Add", {net.result(a), net.result(a)}, {}, "b");
  ASSERT_TRUE(net.mark_output(net.result(a), "out").ok());
  ASSERT_TRUE(net.mark_output(net.result(b)).ok());
  EXPECT_FALSE(net.remove(a).ok());
  const auto c = *net.add_onnx("Neg", {net.result(b)}, {}, "c");
  ASSERT_TRUE(net.replace(net.result(b), net.result(c)).ok());
  EXPECT_EQ(net.info(c)->operands[0], net.result(b));
  EXPECT_EQ(net.outputs()[1], net.result(c));
  ASSERT_TRUE(net.replace(net.result(c), net.result(b)).ok());
  ASSERT_TRUE(net.remove(c).ok());
  ASSERT_TRUE(net.replace(net.result(a), x).ok());
  EXPECT_EQ(net.info(b)->operands, (std::vector<Network::Value>{x, x}));
  EXPECT_EQ(net.outputs()[0], x);
  EXPECT_EQ(net.output_names(), (std::vector<std::string>{"out", "b"}));
  EXPECT_EQ(net.remove_dead(), 1);
  ASSERT_TRUE(net.rename(net.result(b), "sum").ok());
  EXPECT_EQ(net.output_names()[1], "sum");
  EXPECT_TRUE(net.finish().ok());
}

TEST(Network, ANetworkOfAModelHasItsNamesAndNodes) {
  TestModel m(17);
  m.input("x", 1, {-1, 3}).floats("w", {3}, {1, 2, 3}).node("Mul", {"x", "w"}, {"p"});
  m.node("HardSwish", {"p"}, {"y"}).output("y");
  const std::string bytes = m.proto.SerializeAsString();
  Network net = *Network::from(*Model::parse(std::as_bytes(std::span<const char>(bytes))));
  ASSERT_EQ(net.nodes().size(), 2u);
  EXPECT_EQ(net.info(net.nodes()[1])->op, "HardSwish");
  EXPECT_EQ(net.info(net.nodes()[1])->name, "my_HardSwish");
  EXPECT_EQ(net.info(net.constants()[0])->name, "w");
  EXPECT_EQ(shape_text(net, net.find_value("p")), "f32 N 3");
  EXPECT_EQ(net.constant(net.find_value("w"))->to_doubles(), (std::vector<double>{1, 2, 3}));
}

// y = c ? x + w : x, z = -x
std::string with_branches() {
  TestModel m(17);
  m.input("c", 9, {}).input("x", 1, {2}).node("If", {"c"}, {"y"});
  for (const char* name : {"then_branch", "else_branch"}) {
    auto* g = m.attribute(name, 5).mutable_g();
    if (std::string_view(name) == "then_branch") {
      auto* w = g->add_initializer();
      w->set_name("w");
      w->set_data_type(1);
      w->add_dims(1);
      w->add_float_data(3);
      auto* add = g->add_node();
      add->set_op_type("Add");
      add->add_input("x");
      add->add_input("w");
      add->add_output("sum");
    }
    g->add_output()->set_name(g->node_size() > 0 ? "sum" : "x");
  }
  m.node("Neg", {"x"}, {"z"}).output("y").output("z");
  return m.proto.SerializeAsString();
}

TEST(Network, GraphsInsideANodeAreThatNodesOwnAffair) {
  const std::string bytes = with_branches();
  const Model model = *Model::parse(std::as_bytes(std::span<const char>(bytes)));
  EXPECT_TRUE(model.has_control_flow());
  Network net = *Network::from(model);
  EXPECT_TRUE(net.check().ok()) << net.check().message();
  EXPECT_EQ(net.nodes().size(), 2u);
  EXPECT_EQ(net.constants().size(), 0u);
  EXPECT_EQ(net.find_value("sum"), Network::Value{});
  EXPECT_EQ(net.values().size(), 4u);  // c, x, y, z
  for (Network::Value v : net.values()) {
    Result<Network::ValueInfo> info = net.info(v);
    ASSERT_TRUE(info.ok()) << info.status().message();
    for (Network::Node n : info->readers) EXPECT_TRUE(net.info(n).ok());
  }
  // What the branches read follows where it is replaced.
  Network::Value z = net.find_value("z"), x = net.find_value("x");
  ASSERT_TRUE(net.unmark_output(z).ok());
  const Network::Node twice = *net.add_onnx("Add", {x, x}, {});
  const Status replaced = net.replace(x, net.result(twice));
  ASSERT_TRUE(replaced.ok()) << replaced.message();
  EXPECT_TRUE(net.check().ok()) << net.check().message();
  const Result<OptimizedModel> optimized = net.finish()->optimize({});
  ASSERT_TRUE(optimized.ok()) << optimized.status().message();
  EXPECT_EQ(optimized->control_flow, (std::vector<std::string>{"node 'my_If' (If)"}));
  EXPECT_EQ(net.remove_dead(), 1);
  ASSERT_TRUE(net.unmark_output(net.find_value("y")).ok());
  EXPECT_EQ(net.remove_dead(), 2);
  EXPECT_EQ(net.nodes().size(), 0u);
  EXPECT_EQ(net.values().size(), 2u);
}

TEST(Network, AnOperatorThatHoldsGraphsIsNotAddedWithoutThem) {
  Network net("n");
  const Network::Value c = *net.add_input("c", Type::Bool, {});
  EXPECT_EQ(net.add("If", {c}, {}, "n").status().message(),
            "node 'n' (If): If: expected 2 graphs (then_branch else_branch), got 0");
  EXPECT_EQ(net.add_onnx("If", {c}, {}, "n").status().message(),
            "node 'n' (If): then_branch: the graph is missing");
}

TEST(Network, AnEngineOfAnImportedNetworkIsThatOfItsModel) {
  const FreshCache fresh("imported");
  for (const char* name : {"digits", "upscale"}) {
    const std::string path = std::string(LATHE_SOURCE_DIR) + "/examples/models/" + name + ".onnx";
    const Model model = *Model::load(path);
    built(model, fresh.path);  // fills the cache
    const Network net = *Network::from(model);
    const Model again = *net.finish();
    EXPECT_EQ(again.node_count(), model.node_count());
    SCOPED_TRACE(name);
    expect_same(again, model, fresh.path);
  }
}

// 3x3, padding 1, then max over 2x2 windows, then a product: in double, by definition.
std::vector<double> tiny_cnn(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& p) {
  constexpr int64_t kC = 3, kM = 5, kS = 6, kOut = 4;
  std::vector<double> pooled;
  const auto at = [&](int64_t m, int64_t r, int64_t c) {
    double sum = b.data<float>()[static_cast<size_t>(m)];
    for (int64_t k = 0; k < kC * 9; ++k) {
      const int64_t ch = k / 9, y = r + k / 3 % 3 - 1, z = c + k % 3 - 1;
      if (y < 0 || z < 0 || y >= kS || z >= kS) continue;
      sum += static_cast<double>(x.data<float>()[static_cast<size_t>((ch * kS + y) * kS + z)]) *
             static_cast<double>(w.data<float>()[static_cast<size_t>(m * kC * 9 + k)]);
    }
    return std::max(sum, 0.0);
  };
  for (int64_t m = 0; m < kM; ++m) {
    for (int64_t r = 0; r < kS; r += 2) {
      for (int64_t c = 0; c < kS; c += 2) {
        pooled.push_back(
            std::max({at(m, r, c), at(m, r, c + 1), at(m, r + 1, c), at(m, r + 1, c + 1)}));
      }
    }
  }
  std::vector<double> out(kOut);
  for (size_t k = 0; k < pooled.size(); ++k) {
    for (size_t n = 0; n < kOut; ++n) {
      out[n] += pooled[k] * static_cast<double>(p.data<float>()[k * kOut + n]);
    }
  }
  return out;
}

TEST(Network, AConvolutionalNetworkByHandComputesWhatItSays) {
  const Tensor x = random_tensor({1, 3, 6, 6}, 11), w = random_tensor({5, 3, 3, 3}, 12),
               b = random_tensor({5}, 13), p = random_tensor({45, 4}, 14);
  Network net("cnn");
  const std::vector<int64_t> ones{1, 1}, pads{1, 1, 1, 1}, twos{2, 2};
  const auto in = *net.add_input("x", Type::F32, dims({1, 3, 6, 6}));
  const auto wv =
      *net.borrow_constant("w", Type::F32, w.shape(), w.bytes().data(), w.bytes().size(), nullptr);
  const auto bv = *net.add_constant("b", b);
  const auto conv = *net.add("Conv", {in, wv, bv},
                             {{"pads", pads}, {"strides", ones}, {"dilations", ones}}, "conv");
  const auto relu = *net.add("Pointwise", {net.result(conv)},
                             {{"expr", std::string("(a:f32) -> max(a, 0)")}}, "relu");
  const auto pool = *net.add_onnx("MaxPool", {net.result(relu)},
                                  {{"kernel_shape", twos}, {"strides", twos}}, "pool");
  const auto flat = *net.add_onnx("Flatten", {net.result(pool)}, {}, "flat");
  const auto y = *net.add("MatMul", {net.result(flat), *net.add_constant("p", p)}, {}, "y");
  ASSERT_TRUE(net.mark_output(net.result(y)).ok());
  BuildOptions options;
  options.timing_cache = "none";
  Engine engine = *Engine::build(*net.finish(), options);
  Session session = *engine.open();
  ASSERT_TRUE(session.set_input("x", x).ok());
  ASSERT_TRUE(session.run().ok());
  const std::vector<double> got = session.output("y")->to_doubles();
  const std::vector<double> want = tiny_cnn(x, w, b, p);
  ASSERT_EQ(got.size(), want.size());
  for (size_t k = 0; k < want.size(); ++k) EXPECT_NEAR(got[k], want[k], 1e-4);
}

TEST(Network, SizesThatABuildFixesHoldInAttributesToo) {
  Network net;
  const auto x = *net.add_input("x", Type::F32, {{-1, "N"}, {4, ""}, {-1, "H"}});
  const auto cut = *net.add("Reshape", {x}, {{"shape", std::string("[N, 2, 2*H]")}});
  const auto y = *net.add("Reshape", {net.result(cut)}, {{"shape", std::string("[4*N, H]")}});
  ASSERT_TRUE(net.mark_output(net.result(y), "y").ok());
  BuildOptions options;
  options.timing_cache = "none";
  options.shapes["x"] = {{2, 4, 1}, {2, 4, 3}, {2, 4, 9}};  // N is 2, H is free
  Engine engine = *Engine::build(*net.finish(), options);
  Session session = *engine.open();
  const Tensor data = random_tensor({2, 4, 5}, 3);
  ASSERT_TRUE(session.set_input("x", data).ok());
  ASSERT_TRUE(session.run().ok());
  const Tensor got = *session.output("y");
  EXPECT_EQ(got.shape(), (std::vector<int64_t>{8, 5}));
  EXPECT_EQ(got.to_doubles(), data.to_doubles());
}

TEST(Network, ByHandThroughOnnxOperatorsIsTheEngineOfTheFile) {
  TestModel m(21);
  m.input("x", 1, {-1, 3}).floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  m.node("MatMul", {"x", "w"}, {"p"}).node("Sigmoid", {"p"}, {"y"}).output("y");
  const std::string bytes = m.proto.SerializeAsString();
  const Model file = *Model::parse(std::as_bytes(std::span<const char>(bytes)), "test");
  Network net("test");
  const auto x = *net.add_input("x", Type::F32, {{-1, "N"}, {3, ""}});
  const auto w =
      *net.add_constant("w", Tensor::of<float>({3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6}));
  const auto p = *net.add_onnx("MatMul", {x, w}, {}, "my_MatMul");
  ASSERT_TRUE(net.rename(net.result(p), "p").ok());
  const auto y = *net.add_onnx("Sigmoid", {net.result(p)}, {}, "my_Sigmoid");
  ASSERT_TRUE(net.rename(net.result(y), "y").ok());
  ASSERT_TRUE(net.mark_output(net.result(y)).ok());
  const FreshCache fresh("by_hand");
  built(file, fresh.path);
  expect_same(*net.finish(), file, fresh.path);
}

}  // namespace
}  // namespace lathe
