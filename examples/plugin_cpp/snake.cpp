// SPDX-License-Identifier: Apache-2.0
// A plugin: the Snake activation of audio networks (Ziyin et al. 2020), with a frequency for each
// channel:
//
//   y[n,c,t] = x[n,c,t] + sin(alpha[c] * x[n,c,t])^2 / (alpha[c] + epsilon)
//
// It needs lathe/plugin.h and nothing else of Lathe. Built by the CMakeLists.txt beside it:
//
//   lathe build vocoder.onnx --plugin ./libsnake.so
#include <lathe/plugin.h>

#include <cmath>
#include <memory>
#include <vector>

namespace {

const LatheField kFields[] = {
    {"epsilon", LATHE_FIELD_FLOAT, "1e-9", "keeps the division finite where alpha is 0"},
};

double epsilon_of(const LatheProblem* problem) { return problem->fields[0].f; }

// Symbols stand for sizes: the same plugin serves every shape.
int32_t signature(const LatheProblem* problem, LatheText* out) {
  if (problem->operand_count != 2 || problem->operands[0].rank != 3) {
    out->write(out, "Snake takes x of rank 3 and alpha");
    return LATHE_INVALID;
  }
  out->write(out, "(x: f32[N,C,T], alpha: f32[C]) -> (y: f32[N,C,T])");
  return LATHE_OK;
}

struct Sizes {
  int64_t batch, channels, length;
  explicit Sizes(const LatheProblem* p)
      : batch(p->operands[0].sizes[0]),
        channels(p->operands[0].sizes[1]),
        length(p->operands[0].sizes[2]) {}
};

// The CPU twin: slow, obvious, in double. Lathe holds every tactic against it.
int32_t reference(const LatheProblem* problem, const LatheBuffers* at, LatheText*) {
  const Sizes size(problem);
  const auto* x = static_cast<const float*>(at->operands[0]);
  const auto* alpha = static_cast<const float*>(at->operands[1]);
  auto* y = static_cast<float*>(at->results[0]);
  for (int64_t i = 0; i < size.batch * size.channels * size.length; ++i) {
    const double a = alpha[i / size.length % size.channels];
    const double s = std::sin(a * x[i]);
    y[i] = static_cast<float>(x[i] + s * s / (a + epsilon_of(problem)));
  }
  return LATHE_OK;
}

// sin(v)^2 = (1 - cos(2v)) / 2, one call for each element.
int32_t by_sine(const void*, const LatheProblem* problem, const LatheBuffers* at, LatheText*) {
  const Sizes size(problem);
  const auto* x = static_cast<const float*>(at->operands[0]);
  const auto* alpha = static_cast<const float*>(at->operands[1]);
  auto* y = static_cast<float*>(at->results[0]);
  const auto epsilon = static_cast<float>(epsilon_of(problem));
  for (int64_t row = 0; row < size.batch * size.channels; ++row) {
    const float a = alpha[row % size.channels], scale = 1 / (a + epsilon);
    for (int64_t t = row * size.length; t < (row + 1) * size.length; ++t) {
      const float s = std::sin(a * x[t]);
      y[t] = x[t] + s * s * scale;
    }
  }
  return LATHE_OK;
}

// The second tactic knows alpha when the engine is opened, and keeps what follows from it. That
// sine is a polynomial after the angle is brought into [-pi/2, pi/2], which compilers vectorize.
struct Folded {
  std::vector<float> alpha, scale;
};

int32_t folded_supports(const LatheProblem* problem, LatheText* why) {
  if (problem->operands[0].sizes[2] >= 8) return LATHE_OK;
  why->write(why, "rows are too short to be worth it");
  return LATHE_UNSUPPORTED;
}

int32_t folded_prepare(const LatheProblem* problem, void** state, size_t*, LatheText* error) {
  if (problem->operands[1].constant == nullptr) {
    error->write(error, "alpha is no constant");
    return LATHE_UNSUPPORTED;
  }
  const auto* alpha = static_cast<const float*>(problem->operands[1].constant);
  auto folded = std::make_unique<Folded>();
  folded->alpha.assign(alpha, alpha + Sizes(problem).channels);
  for (const float a : folded->alpha)
    folded->scale.push_back(static_cast<float>(1 / (a + epsilon_of(problem))));
  *state = folded.release();
  return LATHE_OK;
}

// sin(v)^2 has the period pi. Within an ulp or two of [0, 1] for |v| up to some thousands.
float squared_sine(float v) {
  constexpr float kPiHigh = 3.140625f, kPiLow = 9.67653589793e-4f, kPerPi = 0.318309886f;
  const float turns = std::nearbyint(v * kPerPi);
  const float r = (v - turns * kPiHigh) - turns * kPiLow, r2 = r * r;
  const float s = r + r * r2 *
                          (-1.6666667e-1f +
                           r2 * (8.3333310e-3f + r2 * (-1.9840874e-4f +
                                                       r2 * (2.7525562e-6f - r2 * 2.3889859e-8f))));
  return s * s;
}

int32_t folded_launch(const void* state, const LatheProblem* problem, const LatheBuffers* at,
                      LatheText*) {
  const auto& folded = *static_cast<const Folded*>(state);
  const Sizes size(problem);
  for (int64_t row = 0; row < size.batch * size.channels; ++row) {
    const auto channel = static_cast<size_t>(row % size.channels);
    const float a = folded.alpha[channel], scale = folded.scale[channel];
    const float* x = static_cast<const float*>(at->operands[0]) + row * size.length;
    float* y = static_cast<float*>(at->results[0]) + row * size.length;
    for (int64_t t = 0; t < size.length; ++t) y[t] = x[t] + squared_sine(a * x[t]) * scale;
  }
  return LATHE_OK;
}

void folded_release(void* state) { delete static_cast<Folded*>(state); }

const LatheTactic kTactics[] = {
    {"folded", 1, LATHE_CPU, 0, 0, folded_supports, folded_prepare, folded_launch, folded_release},
    {"by_sine", 1, LATHE_CPU, 0, 0, nullptr, nullptr, by_sine, nullptr},
};

const LatheOperator kOperators[] = {
    {"com.example::Snake", "x + sin(alpha x)^2 / (alpha + epsilon)", kFields, 1, 64, signature,
     reference, kTactics, 2},
};

const LathePlugin kPlugin = {LATHE_PLUGIN_ABI, "snake", "1.0.0", kOperators, 1};

}  // namespace

// Lathe of another version of the interface gets the plugin's own, and refuses it by name.
const LathePlugin* lathe_plugin(uint32_t) { return &kPlugin; }
