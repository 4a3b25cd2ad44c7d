// SPDX-License-Identifier: Apache-2.0
// Plans that lie, framed with right hashes. Each is refused with a message, or it opens and runs
// without touching what is not its own (AddressSanitizer sees to that) and without end.
#include <algorithm>

#include "api/demo_engine.h"
#include "backends/cpu/cpu_device.h"
#include "base/random.h"
#include "engine/format.h"
#include "runtime/session.h"

namespace lathe::testing {
namespace {

Plan plan_of(const char* network) {
  auto bytes = std::make_shared<std::vector<std::byte>>(*demo_engine(network).serialize());
  Result<Plan> plan = read_engine(*bytes, bytes);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return *std::move(plan);
}

template <class T>
T& any(Random& r, std::vector<T>& items) {
  return items[static_cast<size_t>(r.integer(0, static_cast<int64_t>(items.size()) - 1))];
}

int64_t odd_number(Random& r) {
  static constexpr int64_t kOdd[] = {-2, -1, 0,    1,         2,         3,
                                     7,  17, 1000, INT32_MAX, INT64_MAX, INT64_MIN};
  return kOdd[r.integer(0, 11)];
}

TensorId odd_tensor(Random& r, const Plan& p) {
  const auto n = static_cast<int64_t>(p.tensors.size());
  return static_cast<TensorId>(r.integer(0, 9) == 0 ? odd_number(r) : r.integer(-1, n));
}

// The new type in the tensor and in every step that names it, so that only inference can object.
void retype(Plan& p, TensorId t, const TensorType& type) {
  p.tensors[static_cast<size_t>(t)].type = type;
  for (Step& s : p.steps) {
    for (size_t k = 0; k < s.in.size(); ++k) {
      if (s.in[k] == t) s.op.in[k] = type;
    }
    for (size_t k = 0; k < s.out.size(); ++k) {
      if (s.out[k] == t) s.op.out[k] = type;
    }
  }
}

void lie_about_a_type(Random& r, Plan& p) {
  const auto t = static_cast<TensorId>(r.integer(0, static_cast<int64_t>(p.tensors.size()) - 1));
  TensorType type = p.tensors[static_cast<size_t>(t)].type;
  switch (r.integer(0, 2)) {
    case 0: type.dtype = static_cast<DType>(r.integer(1, 20)); break;
    case 1: type.layout = static_cast<Layout>(r.integer(0, 2)); break;
    default:
      if (type.rank() > 0) {
        const auto d = static_cast<int>(r.integer(0, type.rank() - 1));
        type.shape[d] = type.shape[d].is_constant() && r.integer(0, 1) == 0
                            ? Dim(type.shape[d].value() + r.integer(-3, 3))
                            : Dim(odd_number(r));
      }
  }
  if (r.integer(0, 3) == 0) {
    p.tensors[static_cast<size_t>(t)].type = type;
  } else {
    retype(p, t, type);
  }
}

void lie_about_storage(Random& r, Plan& p) {
  PlanTensor& t = any(r, p.tensors);
  switch (r.integer(0, 4)) {
    case 0: t.alias_of = odd_tensor(r, p); break;
    case 1: t.alias_axis = static_cast<int32_t>(r.integer(-1, 4)); break;
    case 2: t.alias_start = odd_number(r); break;
    case 3: t.constant = static_cast<int32_t>(r.integer(-2, 40)); break;
    default: t.on_host = !t.on_host;
  }
}

void lie_about_wiring(Random& r, Plan& p) {
  Step& s = any(r, p.steps);
  switch (r.integer(0, 5)) {
    case 0: any(r, s.in) = odd_tensor(r, p); break;
    case 1: any(r, s.out) = odd_tensor(r, p); break;
    case 2: std::swap(any(r, p.steps), any(r, p.steps)); break;
    case 3:
      s.in_place.emplace_back(static_cast<int8_t>(r.integer(-1, 2)),
                              static_cast<int8_t>(r.integer(-1, 3)));
      break;
    case 4: s.op.constant_in ^= uint64_t{1} << r.integer(0, 63); break;
    default: s.blob = static_cast<int32_t>(odd_number(r));
  }
}

void lie_about_an_operator(Random& r, Plan& p) {
  Step& s = any(r, p.steps);
  const Step& other = any(r, p.steps);
  switch (r.integer(0, 4)) {
    case 0: s.tactic = other.tactic; break;
    case 1: s.config = other.config + "=,;9"; break;
    case 2: s.op.def = other.op.def; break;
    case 3: s.op.fusion = other.op.fusion; break;
    default:
      for (const auto& [name, value] : Attrs(s.op.attrs)) {
        if (const auto* i = std::get_if<int64_t>(&value)) {
          s.op.attrs.set(name, r.integer(0, 1) == 0 ? *i + r.integer(-2, 2) : odd_number(r));
        } else if (const auto* ints = std::get_if<Ints>(&value); ints && !ints->empty()) {
          Ints changed = *ints;
          any(r, changed) = odd_number(r);
          s.op.attrs.set(name, changed);
        }
      }
  }
}

void lie_about_a_slice(Random& r, Plan& p) {
  Step& s = any(r, p.steps);
  const Slice slice{static_cast<int>(r.integer(-1, 4)), odd_number(r), odd_number(r)};
  auto& into = r.integer(0, 1) == 0 ? s.op.fusion.in_slice : s.op.fusion.out_slice;
  into.resize(static_cast<size_t>(r.integer(1, 3)));
  into[0] = slice;
}

void lie_about_ports(Random& r, Plan& p) {
  switch (r.integer(0, 3)) {
    case 0: any(r, p.inputs).tensor = odd_tensor(r, p); break;
    case 1: any(r, p.outputs).tensor = odd_tensor(r, p); break;
    case 2: p.symbols.push_back({"N", odd_number(r), odd_number(r), odd_number(r)}); break;
    default: p.constraints.clear();
  }
}

void lie(Random& r, Plan& p) {
  static constexpr void (*kLies[])(Random&, Plan&) = {lie_about_a_type,  lie_about_storage,
                                                      lie_about_wiring,  lie_about_an_operator,
                                                      lie_about_a_slice, lie_about_ports};
  kLies[r.integer(0, 5)](r, p);
}

// Opens and runs a plan that was accepted; errors are fine.
Status try_to_run(Plan plan, const Shape& image, Device& cpu) {
  if (plan.device != DeviceKind::Cpu || plan.inputs.size() != 1) return {};
  const DType dtype = plan.tensors[static_cast<size_t>(plan.inputs[0].tensor)].type.dtype;
  const auto engine = LATHE_TRY(LoadedEngine::open(std::move(plan), {&cpu, &cpu}));
  SessionOptions options;
  options.poison = true;
  const auto session = LATHE_TRY(RuntimeSession::open(engine, options));
  const HostTensor tensor = LATHE_TRY(HostTensor::zeros({dtype, image}));
  LATHE_TRY(session->set_input(0, tensor));
  LATHE_TRY(session->run());
  for (size_t k = 0; k < engine->plan().outputs.size(); ++k)
    (void)LATHE_TRY(session->output(static_cast<int>(k)));
  return {};
}

void tell_lies(const char* network, const Shape& image, int rounds) {
  const Plan honest = plan_of(network);
  const auto cpu = cpu::make_cpu_device(1);
  int refused = 0, ran = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    Random r(static_cast<uint64_t>(round) + 7);
    Plan plan = honest;
    for (int64_t k = r.integer(1, 3); k > 0; --k) lie(r, plan);
    Result<std::vector<std::byte>> bytes = write_engine(plan);
    if (!bytes.ok()) continue;
    auto owner = std::make_shared<std::vector<std::byte>>(*std::move(bytes));
    Result<Plan> read = read_engine(*owner, owner);
    if (!read.ok()) {
      EXPECT_FALSE(read.status().message().empty());
      EXPECT_NE(read.status().code(), Code::Internal) << read.status().message();
      ++refused;
      continue;
    }
    const Status s = try_to_run(*std::move(read), image, *cpu);
    EXPECT_NE(s.code(), Code::Internal) << s.message();
    ran += s.ok();
  }
  // Both kinds occur, so the lies are neither all absurd nor all harmless.
  EXPECT_GT(refused, rounds / 10);
  EXPECT_GT(ran, 0);
}

TEST(HostilePlan, OfDigitsDoesNoHarm) { tell_lies("digits.onnx", Shape({2, 1, 8, 8}), 1500); }
TEST(HostilePlan, OfUpscaleDoesNoHarm) { tell_lies("upscale.onnx", Shape({1, 3, 9, 7}), 1500); }

}  // namespace
}  // namespace lathe::testing
