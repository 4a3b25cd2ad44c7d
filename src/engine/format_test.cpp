// SPDX-License-Identifier: Apache-2.0
#include "engine/format.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/random.h"
#include "engine/memory_plan.h"
#include "engine/plan_builder.h"
#include "engine/sections.h"

namespace lathe {
namespace {

using Bytes = std::vector<std::byte>;

// Every field that a plan has holds something.
Plan full_plan() {
  PlanBuilder b;
  const Dim n = Dim::symbol("N");
  const TensorId x = b.input("x", {DType::F32, {n, 3, 8}});
  const TensorId c = b.constant("c", HostTensor::of<float>({3, 1}, {1, 2, 3}));
  b.constant("unread", HostTensor::of<int64_t>({2}, {5, -5}));
  const TensorId whole = b.tensor("whole", {DType::F32, {n, 6, 8}});
  for (int k = 0; k < 2; ++k) {
    const TensorId part = b.pointwise("(a:f32, b:f32) -> add(a, b)", {x, c});
    b.alias(part, whole, 1, 3 * k);
    b.plan.steps.back().op.fusion.out_slice = {Slice{1, 3 * k, 6}};
  }
  Step& softmax = b.step("Softmax", {whole}, Attrs().set("axis", int64_t{2}));
  Fusion& f = softmax.op.fusion;
  f.anchor_operands = 1;
  f.anchor_in = softmax.op.in;
  f.anchor_out = softmax.op.out;
  f.prologue = {PlanBuilder::expression("(a:f32) -> mul(a, 0.5)")};
  f.epilogue = PlanBuilder::expression("(a:f32, b:f32) -> exp(a)");
  softmax.in_place = {{0, 0}};
  softmax.blob = 0;
  softmax.config = "block=128";
  softmax.seconds = 1.0 / 3;
  softmax.measured = true;
  softmax.why = "the only one";
  softmax.certificate = {true, 1e-7, 0.25, 144, {"other: wrong"}};
  const TensorId y = softmax.out[0];
  const TensorId flat = b.tensor("flat", {DType::F32, {n * 48}});
  b.alias(flat, y);
  b.output("y", flat);
  Plan& p = b.plan;
  p.model = "m.onnx";
  p.device_key = "some cpu|avx2||threads=2";
  p.options = "tune=on";
  p.symbols = {{"N", 1, 2, 64}};
  p.constraints = {{Constraint::Kind::Positive, n, 0, "node 'r'"}};
  p.blobs = {{std::byte{1}, std::byte{2}}};
  p.nodes_in_model = 7;
  p.end_to_end = {1e-6};
  p.graph = "graph g() {}";
  return std::move(b.plan);
}

Result<Plan> read(const Bytes& file) {
  auto copy = std::make_shared<Bytes>(file);
  return read_engine(*copy, copy);
}

TEST(EngineFormat, WhatIsWrittenReadsBack) {
  const Plan plan = full_plan();
  const Bytes file = *write_engine(plan);
  ASSERT_TRUE(looks_like_engine(file));
  const Result<Plan> back = read(file);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->tensors, plan.tensors);
  EXPECT_EQ(back->constants, plan.constants);
  EXPECT_EQ(back->blobs, plan.blobs);
  EXPECT_EQ(back->symbols, plan.symbols);
  EXPECT_EQ(back->constraints, plan.constraints);
  EXPECT_EQ(back->end_to_end, plan.end_to_end);
  EXPECT_EQ(back->options, plan.options);
  EXPECT_EQ(back->device_key, plan.device_key);
  ASSERT_EQ(back->steps.size(), plan.steps.size());
  for (size_t k = 0; k < plan.steps.size(); ++k) {
    const Step &a = plan.steps[k], &b = back->steps[k];
    EXPECT_EQ(a.op.to_string(), b.op.to_string());
    EXPECT_EQ(a.op.fusion, b.op.fusion);
    EXPECT_EQ(a.in_place, b.in_place);
    EXPECT_EQ(a.certificate, b.certificate);
    EXPECT_EQ(a.seconds, b.seconds);
  }
  EXPECT_EQ(*write_engine(*back), file);
}

TEST(EngineFormat, TheSamePlanGivesTheSameBytes) {
  EXPECT_EQ(*write_engine(full_plan()), *write_engine(full_plan()));
}

TEST(EngineFormat, ConstantsAreViewsOfTheFileAtAlignedPlaces) {
  auto file = std::make_shared<Bytes>(*write_engine(full_plan()));
  const Plan plan = *read_engine(*file, file);
  for (const HostTensor& c : plan.constants) {
    const auto at = c.bytes().data() - file->data();
    EXPECT_GE(at, 0);
    EXPECT_LE(static_cast<size_t>(at) + c.bytes().size(), file->size());
    EXPECT_EQ(at % static_cast<int64_t>(kSectionAlign), 0);
  }
}

TEST(EngineFormat, RefusesEveryTruncation) {
  const Bytes file = *write_engine(full_plan());
  for (size_t n = 0; n < file.size(); ++n) {
    EXPECT_FALSE(read(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(n))).ok())
        << n;
  }
}

TEST(EngineFormat, RefusesBytesBehindTheEnd) {
  Bytes file = *write_engine(full_plan());
  file.resize(file.size() + 64);
  EXPECT_FALSE(read(file).ok());
}

TEST(EngineFormat, RefusesFlippedBits) {
  const Bytes file = *write_engine(full_plan());
  Random random(7);
  for (int k = 0; k < 2000; ++k) {
    Bytes broken = file;
    const auto at = static_cast<size_t>(random.integer(0, static_cast<int64_t>(file.size()) - 1));
    broken[at] ^= static_cast<std::byte>(1 << random.integer(0, 7));
    EXPECT_FALSE(read(broken).ok()) << "byte " << at;
  }
}

TEST(EngineFormat, AnotherVersionIsNamedWithACure) {
  Bytes file = *write_engine(full_plan());
  file[8] = std::byte{9};
  const Result<Plan> r = read(file);
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().message(), "the engine has format 9, this Lathe reads format 1");
  EXPECT_NE(r.status().cure(), "");
}

TEST(EngineFormat, WhatIsNoEngineSaysSo) {
  EXPECT_FALSE(looks_like_engine(Bytes(4)));
  const Result<Plan> r = read(Bytes(1000));
  ASSERT_FALSE(r.ok());
  EXPECT_NE(r.status().message().find("it is no engine"), std::string::npos);
}

// The file with one section changed and every hash computed anew.
Bytes reframed(const Bytes& file, Section section, void (*change)(Bytes&, Random&),
               Random& random) {
  const Sections sections = *unframe(file, nullptr);
  std::array<Bytes, kSections> parts;
  for (size_t s = 0; s < kSections; ++s)
    parts[s].assign(sections.parts[s].begin(), sections.parts[s].end());
  change(parts[static_cast<size_t>(section)], random);
  return frame(parts);
}

TEST(EngineFormat, ChangedStructuresWithTrueHashesDoNoHarm) {
  const Bytes file = *write_engine(full_plan());
  Random random(11);
  auto change = [](Bytes& bytes, Random& r) {
    for (int64_t n = r.integer(1, 4); n > 0; --n) {
      const auto at = static_cast<size_t>(r.integer(0, static_cast<int64_t>(bytes.size()) - 1));
      bytes[at] = r.integer(0, 1) == 0 ? static_cast<std::byte>(r.integer(0, 255))
                                       : bytes[at] ^ static_cast<std::byte>(1 << r.integer(0, 7));
    }
  };
  int accepted = 0;
  for (int k = 0; k < 3000; ++k) {
    const Result<Plan> plan = read(reframed(file, Section::Structure, change, random));
    if (!plan.ok()) continue;
    ++accepted;  // a name, a time, a word of the explanation
    EXPECT_TRUE(verify(*plan).ok());
    std::vector<Shape> shapes(plan->inputs.size(), Shape{2, 3, 8});
    if (const auto symbols = bind_symbols(*plan, shapes); symbols.ok())
      (void)plan_memory(*plan, *symbols);
  }
  EXPECT_LT(accepted, 3000);
}

TEST(EngineFormat, AConstantOutsideItsSectionIsRefused) {
  const Bytes file = *write_engine(full_plan());
  Random random(3);
  auto cut = [](Bytes& bytes, Random&) { bytes.resize(64); };
  const Result<Plan> plan = read(reframed(file, Section::Weights, cut, random));
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.status().message().find("outside its section"), std::string::npos)
      << plan.status().message();
}

TEST(EngineSections, EverySectionIsReleasedOnceItWasHashed) {
  static size_t released;
  released = 0;
  const Bytes file = *write_engine(full_plan());
  ASSERT_TRUE(unframe(file, [](std::span<const std::byte> part) { released += part.size(); }).ok());
  EXPECT_EQ(released, file.size() - 128);  // all but the header
}

}  // namespace
}  // namespace lathe
