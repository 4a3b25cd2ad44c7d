// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an engine holds, in memory: tensors, steps, weights, and what was verified about them. The
// compiler makes a Plan, format.h writes and reads it, the runtime runs it. Plain data.
//
// Sizes and offsets are not stored: they are derived from the types and the inputs' sizes by
// plan_memory (memory_plan.h) whenever a session meets a shape, so a file cannot lie about them.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "device/tactic.h"
#include "ops/op.h"
#include "tensor/host_tensor.h"

namespace lathe {

// Index of a tensor in Plan::tensors; -1: absent operand.
using TensorId = int32_t;

struct PlanTensor {
  std::string name;
  TensorType type;        // symbolic
  bool on_host = false;   // lives in host memory though the engine's device is a GPU
  int32_t constant = -1;  // index in Plan::constants, or -1: an activation
  // Storage inside another tensor (a Reshape's result, a part of a Concat): that tensor, the axis
  // and the start along it. `alias_axis` -1: the same bytes from offset 0.
  TensorId alias_of = -1;
  int32_t alias_axis = -1;
  Dim alias_start;
  friend bool operator==(const PlanTensor&, const PlanTensor&) = default;
};

// What the build measured of a step, by --verify.
struct Certificate {
  bool checked = false;
  double max_error = 0;               // largest |y - reference| over the reference's largest |y|
  double bound_used = 0;              // largest |y - reference| / allowed; at most 1
  int64_t elements = 0;               // compared
  std::vector<std::string> rejected;  // "tactic: why": those that computed wrong values
  friend bool operator==(const Certificate&, const Certificate&) = default;
};

struct Step {
  std::string name;  // the model's node names that it computes: "conv1+bn1+relu1"
  OpInstance op;     // symbolic; layouts, fusion and constant_in decided
  std::vector<TensorId> in, out;
  bool on_host = false;  // runs on the CPU device
  std::string tactic;    // name in the device's manifest
  Config config;
  int32_t blob = -1;                                // index in Plan::blobs
  std::vector<std::pair<int8_t, int8_t>> in_place;  // (output, operand) that may share memory
  double seconds = 0;                               // measured at the tuned point, or modelled
  bool measured = false;
  std::string why;  // why this tactic, and what was not fused and why
  Certificate certificate;
};

struct PlanPort {
  std::string name;
  TensorId tensor;
};

// The range of one symbol and the point that was tuned.
struct SymbolRange {
  std::string name;
  int64_t min = 0, opt = 1, max = INT64_MAX;
  friend bool operator==(const SymbolRange&, const SymbolRange&) = default;
};

struct Plan {
  std::string model;       // file name, no path
  std::string device_key;  // DeviceInfo::key() of the machine it was tuned on
  DeviceKind device = DeviceKind::Cpu;
  std::string options;  // canonical text of the build options
  std::vector<PlanPort> inputs, outputs;
  std::vector<SymbolRange> symbols;
  std::vector<Constraint> constraints;
  std::vector<PlanTensor> tensors;
  std::vector<Step> steps;
  std::vector<HostTensor> constants;
  std::vector<std::vector<std::byte>> blobs;
  int nodes_in_model = 0;
  // What the build spent on choosing tactics and on checking; not stored: the same build gives the
  // same bytes.
  double tuning_seconds = 0, checking_seconds = 0;
  // Whole engine against the unfused FP32 chain (or the reference): largest error over the largest
  // output, by output; empty when not verified.
  std::vector<double> end_to_end;
  std::string graph;  // the optimized graph as text, tensors by hash
};

// Everything that a stranger's plan could lie about, derived again and compared: indices in range,
// operators known, attributes and fusion verified, every step's output types inferred from its
// inputs, aliases inside their tensors, every tensor written before it is read, one writer each.
// A plan that passes can be run on the CPU without harm.
Status verify(const Plan& plan);

}  // namespace lathe
