// SPDX-License-Identifier: Apache-2.0
// The end-to-end part of the certificate: the finished engine against the unfused chain of its
// FP32 steps, on the same seeded inputs.
#include <cmath>

#include "base/log.h"
#include "base/random.h"
#include "compiler/stages.h"
#include "runtime/session.h"
#include "tuner/test_data.h"

namespace lathe {
namespace {

using Opened = std::shared_ptr<LoadedEngine>;

Devices devices_of(const Stage& stage) { return {stage.devices.main, stage.devices.host}; }

Result<std::unique_ptr<RuntimeSession>> session_of(const Opened& engine, const Stage& stage) {
  SessionOptions options;
  options.threads = stage.options.tuner.threads;
  return RuntimeSession::open(engine, options);
}

Result<std::vector<HostTensor>> run(const Opened& engine, const Stage& stage,
                                    std::span<const HostTensor> inputs) {
  auto session = LATHE_TRY(session_of(engine, stage));
  for (size_t k = 0; k < inputs.size(); ++k)
    LATHE_TRY(session->set_input(static_cast<int>(k), inputs[k]));
  LATHE_TRY(session->run());
  std::vector<HostTensor> outputs;
  for (size_t k = 0; k < engine->plan().outputs.size(); ++k)
    outputs.push_back(LATHE_TRY(session->output(static_cast<int>(k))));
  return outputs;
}

// Largest difference over the largest value; equal NaNs and infinities do not differ.
double relative_error(const HostTensor& got, const HostTensor& want) {
  double error = 0, largest = 0;
  for (int64_t i = 0; i < want.elements(); ++i) {
    const double a = got.get_f64(i), b = want.get_f64(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      if (std::isfinite(b)) largest = std::max(largest, std::abs(b));
      continue;
    }
    const double e = std::abs(a - b);
    if (!std::isfinite(e)) return std::numeric_limits<double>::infinity();
    error = std::max(error, e);
    largest = std::max(largest, std::abs(b));
  }
  return largest > 0 ? error / largest : error;
}

// Seeded values for the plan's inputs. Integers are 0 or 1: token types, masks, indices and lengths
// take those in nearly every network, and whatever else is legal no one but the network knows.
Result<std::vector<HostTensor>> network_inputs(const Plan& plan, const Stage& stage) {
  OpInstance ports;  // the inputs' types, for the generator of random operands
  ports.def = find_op("Pointwise");
  for (const PlanPort& p : plan.inputs) {
    const TensorType& t = tensor(plan, p.tensor).type;
    Shape shape = LATHE_TRY(t.shape.evaluate(stage.point));
    ports.in.push_back({t.dtype, std::move(shape), Layout::RowMajor});
  }
  constexpr uint64_t kSeed = 0x1a74e;
  std::vector<HostTensor> inputs = LATHE_TRY(make_inputs(ports, {}, kSeed));
  Random random(kSeed);
  for (HostTensor& t : inputs) {
    if (!is_int(t.dtype())) continue;
    for (int64_t i = 0; i < t.elements(); ++i)
      t.set_f64(i, static_cast<double>(random.integer(0, 1)));
  }
  return inputs;
}

}  // namespace

Result<Opened> open_prepared(const Plan& plan, const Stage& stage) {
  Opened engine = LATHE_TRY(LoadedEngine::open(plan, devices_of(stage)));
  auto session = LATHE_TRY(session_of(engine, stage));
  for (size_t k = 0; k < plan.inputs.size(); ++k) {
    const TensorType& t = tensor(plan, plan.inputs[k].tensor).type;
    LATHE_TRY(session->set_shape(static_cast<int>(k), LATHE_TRY(t.shape.evaluate(stage.point))));
  }
  LATHE_TRY(session->device_memory_bytes());
  return engine;
}

Status certify(Plan& plan, const Opened& engine, const Plan& unfused, const Stage& stage) {
  const std::vector<HostTensor> inputs = LATHE_TRY(network_inputs(plan, stage));
  const Opened chain = LATHE_TRY(LoadedEngine::open(unfused, devices_of(stage), {}, engine.get()));
  Result<std::vector<HostTensor>> want = run(chain, stage, inputs);
  // A network may refuse made-up values (an index that is out of range): then nothing is certified
  // of the whole, and of the steps what the tuner found.
  if (!want.ok() && want.status().code() == Code::InvalidInput) {
    log_warning("certificate: the whole is not verified: {}", want.status().message());
    return {};
  }
  if (!want.ok()) return std::move(want).status();
  const std::vector<HostTensor> got = LATHE_TRY(run(engine, stage, inputs));
  for (size_t k = 0; k < got.size(); ++k) {
    plan.end_to_end.push_back(is_computable(got[k].dtype()) ? relative_error(got[k], (*want)[k])
                                                            : 0);
  }
  return {};
}

}  // namespace lathe
