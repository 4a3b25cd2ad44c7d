// SPDX-License-Identifier: Apache-2.0
// Softmax, Normalize and Reduce with prologues, epilogues, several results, layouts and slices
// against the reference: what fusion makes of them.
#include "backends/cpu/tactic_check.h"

namespace lathe {
namespace {

using cpu::NoCache;
using cpu::random_tensor;

TensorType tensor(DType type, std::initializer_list<Dim> dims, Layout layout = Layout::RowMajor) {
  return {type, Shape(dims), layout};
}

OpInstance instance(const char* name, std::vector<TensorType> in, const std::string& attrs) {
  const OpDef& def = *find_op(name);
  return infer(def, std::move(in), *Attrs::parse(attrs, def.attrs))->op;
}

// `fused` further operands; empty texts: no such expression.
OpInstance fuse(OpInstance op, const std::string& prologue, const std::string& epilogue,
                std::vector<TensorType> extras) {
  Fusion f;
  f.anchor_operands = static_cast<int>(op.in.size());
  f.anchor_in = op.in;
  f.anchor_out = op.out;
  if (!prologue.empty()) {
    f.prologue = {*Expr::parse(prologue)};
    f.anchor_in[0].dtype = f.prologue[0].output_type(0);
  }
  op.in.insert(op.in.end(), extras.begin(), extras.end());
  if (!epilogue.empty()) {
    f.epilogue = *Expr::parse(epilogue);
    const TensorType y = op.out[0];
    op.out.clear();
    for (size_t k = 0; k < f.epilogue.outputs().size(); ++k) {
      op.out.push_back({f.epilogue.output_type(static_cast<int>(k)), y.shape, y.layout});
    }
  }
  op.fusion = std::move(f);
  return op;
}

// The tactic's results agree with the reference's.
void check(const OpInstance& op, const char* name) {
  SCOPED_TRACE(op.to_string());
  const Status sound = verify_instance(op);
  ASSERT_TRUE(sound.ok()) << sound.message();
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  Random random(11);
  std::vector<HostTensor> in, laid, out;
  std::vector<void*> in_at, out_at;
  for (const TensorType& t : op.in) in.push_back(random_tensor(t, random));
  for (size_t k = 0; k < in.size(); ++k) laid.push_back(*relayout(in[k], op.in[k].layout));
  for (const TensorType& t : op.out) out.push_back(*HostTensor::make(t));
  for (HostTensor& t : laid) in_at.push_back(t.mutable_bytes().data());
  for (HostTensor& t : out) out_at.push_back(t.mutable_bytes().data());
  const std::vector<HostTensor> want = *run_reference(op, in);

  bool found = false;
  for (const Tactic* t : cpu->tactics()) {
    if (t->name != name) continue;
    found = true;
    const Support s = t->supports(op, cpu->info());
    ASSERT_TRUE(s.ok) << s.why;
    NoCache cache;
    const std::vector<HostTensor> constants(op.in.size());
    Result<std::unique_ptr<Prepared>> p = t->load({op, "", {}, constants, *cpu, cache});
    ASSERT_TRUE(p.ok()) << p.status().message();
    std::vector<std::byte> workspace((*p)->workspace_bytes + 64);
    ASSERT_TRUE((*p)->launch({in_at, out_at, workspace.data()}, **cpu->open_stream()).ok());
  }
  ASSERT_TRUE(found);
  for (size_t k = 0; k < out.size(); ++k) {
    const HostTensor got = *relayout(out[k], Layout::RowMajor);
    const double eps = out[k].dtype() == DType::F32   ? 2e-6
                       : out[k].dtype() == DType::F16 ? 4e-3
                                                      : 3e-2;
    for (int64_t i = 0; i < got.elements(); ++i) {
      const double y = want[k].get_f64(i);
      ASSERT_NEAR(got.get_f64(i), y, eps * (1 + std::fabs(y))) << "result " << k << " at " << i;
    }
  }
}

const std::string kMask = "(a:f32, b:f32, c:f32) -> add(mul(a, 0.125), b)";
const std::string kResidual = "(a:f32, b:f32, c:f32) -> add(a, b)";
// The result scaled by an extra, and the sum that went in.
const std::string kTwo = "(a:f32, b:f32, c:f32, d:f32) -> mul(a, c), d";

TEST(Rows, SoftmaxWithScaleMaskAndEpilogue) {
  const std::vector<TensorType> extras = {tensor(DType::F32, {2, 1, 1, 37}),
                                          tensor(DType::F32, {37})};
  for (const char* axis : {"{axis=-1}", "{axis=1}", "{axis=2, log=1}"}) {
    OpInstance op = instance("Softmax", {tensor(DType::F32, {2, 3, 19, 37})}, axis);
    check(op, "softmax");
    check(fuse(op, kMask, "", extras), "softmax");
    check(fuse(op, kMask, kTwo, extras), "softmax");
    check(fuse(op, "", "(a:f32, b:f32, c:f32, d:f32) -> add(mul(a, b), d)", extras), "softmax");
  }
}

TEST(Rows, NormalizeWithResidualWritesTheSumToo) {
  for (DType type : {DType::F32, DType::F16, DType::BF16}) {
    const std::string t(to_string(type));
    auto typed = [&](std::string text) {
      for (size_t at = 0; (at = text.find("f32", at)) != std::string::npos; at += t.size()) {
        text.replace(at, 3, t);
      }
      return text;
    };
    const TensorType x = tensor(type, {2, 5, 48}), row = tensor(type, {48});
    for (const char* attrs : {"{axes=[-1], epsilon=0.00001, kind=\"layer\"}",
                              "{axes=[-1], epsilon=0.00001, kind=\"rms\"}",
                              "{axes=[1, 2], epsilon=0.00001, kind=\"layer\"}",
                              "{axes=[0], epsilon=0.1, kind=\"layer\"}"}) {
      OpInstance op = instance("Normalize", {x, row, row}, attrs);
      check(op, "normalize");
      check(fuse(op, typed(kResidual), typed(kTwo), {x, row}), "normalize");
      check(fuse(instance("Normalize", {x, row}, attrs), typed(kResidual), "", {x, row}),
            "normalize");
    }
  }
}

TEST(Rows, NormalizeOverSpaceInBothLayouts) {
  for (Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const TensorType x = tensor(DType::F32, {2, 24, 7, 9}, layout);
    const TensorType c = tensor(DType::F32, {24, 1, 1});
    OpInstance op =
        instance("Normalize", {x, c, c}, "{axes=[2, 3], epsilon=0.00001, kind=\"layer\"}");
    op.out[0].layout = layout;
    check(op, "normalize");
    check(fuse(op, "", "(a:f32, b:f32, c:f32) -> mul(max(a, 0), b)", {c}), "normalize");
  }
}

TEST(Rows, ReduceWithPrologueAndEpilogue) {
  for (Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const TensorType x = tensor(DType::F32, {2, 24, 7, 9}, layout),
                     c = tensor(DType::F32, {24, 1, 1});
    for (const char* kind : {"mean", "sum", "max", "min", "l1", "l2", "sumsquare"}) {
      for (const char* axes : {"[2, 3]", "[1]", "[0, 2]", "[3]", "[0, 1, 2, 3]"}) {
        OpInstance op = instance("Reduce", {x},
                                 fmt::format("{{axes={}, keepdims=1, kind=\"{}\"}}", axes, kind));
        op.out[0].layout = layout;
        check(op, "reduce");
        check(fuse(op, "(a:f32, b:f32) -> mul(a, sigmoid(b))", "", {c}), "reduce");
        if (std::string_view(axes) != "[2, 3]") continue;
        check(fuse(op, "", "(a:f32, b:f32, c:f32) -> max(add(a, b), 0), mul(a, 2)", {c}), "reduce");
      }
    }
  }
}

TEST(Rows, ReduceOfManyElementsStaysAccurate) {
  for (const char* axes : {"[0, 1]", "[0]", "[1]"}) {
    OpInstance op = instance("Reduce", {tensor(DType::F32, {700, 900})},
                             fmt::format("{{axes={}, keepdims=0, kind=\"mean\"}}", axes));
    check(fuse(op, "(a:f32) -> add(abs(a), 1)", "", {}), "reduce");
  }
}

TEST(Rows, EmptyTensorsAreNothing) {
  check(instance("Softmax", {tensor(DType::F32, {0, 5})}, "{axis=-1}"), "softmax");
  check(instance("Softmax", {tensor(DType::F32, {5, 0})}, "{axis=-1}"), "softmax");
  check(instance("Normalize", {tensor(DType::F32, {0, 5})}, "{axes=[1]}"), "normalize");
}

}  // namespace
}  // namespace lathe
