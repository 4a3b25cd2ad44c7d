// SPDX-License-Identifier: Apache-2.0
// Plugins that misbehave, each in its own way. Every operator is y = 2x on f32, has a reference
// that is right, and tactics of which some are not. ABI and VERSION are set by CMake.
#include <lathe/plugin.h>

#include <cstring>
#include <stdexcept>

#include "doubling.h"

#ifndef ODD_ABI
#define ODD_ABI LATHE_PLUGIN_ABI
#endif
#ifndef ODD_VERSION
#define ODD_VERSION "1.2.0"
#endif

namespace {

int32_t wide_signature(const LatheProblem* problem, LatheText* out) {
  out->write(out, "(x: f32[N,C]) -> ");
  out->write(out, problem->fields[0].i == 2 ? "(y: f32[N,2*C])" : "(y: f32[N,C])");
  return LATHE_OK;
}
int32_t no_signature(const LatheProblem*, LatheText* out) {
  out->write(out, "this is no signature");
  return LATHE_OK;
}
int32_t refuses(const LatheProblem*, LatheText* out) {
  out->write(out, "today is not a good day");
  return LATHE_INVALID;
}

// y = 2x for `n` elements from element `first`.
void twice(const LatheBuffers* at, int64_t first, int64_t n, float factor = 2) {
  const auto* x = static_cast<const float*>(at->operands[0]);
  auto* y = static_cast<float*>(at->results[0]);
  for (int64_t i = first; i < first + n; ++i) y[i] = factor * x[i];
}

int32_t reference(const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  twice(at, 0, count(p->operands[0]));
  return LATHE_OK;
}
int32_t right(const void*, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  twice(at, 0, count(p->operands[0]));
  return LATHE_OK;
}
int32_t wrong(const void*, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  twice(at, 0, count(p->operands[0]), 2.01F);
  return LATHE_OK;
}
int32_t overruns(const void*, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  const int64_t n = count(p->operands[0]);
  twice(at, 0, n);
  static_cast<float*>(at->results[0])[n] = 7;
  return LATHE_OK;
}
int32_t lazy(const void*, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  twice(at, 1, count(p->operands[0]) - 1);
  return LATHE_OK;
}
int32_t meddles(const void*, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  twice(at, 0, count(p->operands[0]));
  const_cast<float*>(static_cast<const float*>(at->operands[0]))[0] = 7;
  return LATHE_OK;
}
int32_t fails(const void*, const LatheProblem*, const LatheBuffers*, LatheText* error) {
  error->write(error, "the flux capacitor is empty");
  return LATHE_FAILED;
}

// It must not, and Lathe survives it.
int32_t throws(const void*, const LatheProblem*, const LatheBuffers*, LatheText*) {
  throw std::runtime_error("a tantrum");
}
int32_t signature_throws(const LatheProblem*, LatheText*) { throw 7; }
int32_t declines(const LatheProblem*, LatheText* why) {
  why->write(why, "not on a weekend");
  return LATHE_UNSUPPORTED;
}
int32_t cannot_prepare(const LatheProblem*, void**, size_t*, LatheText* error) {
  error->write(error, "no room for my tables");
  return LATHE_OUT_OF_MEMORY;
}

// y = 2x + the index of x's channel, on [N,C,H,W] in either format.
int64_t channel_of(const LatheTensor& t, int64_t i) {
  if (t.format == LATHE_CHANNELS_LAST) return i % t.sizes[1];
  return i / (t.sizes[2] * t.sizes[3]) % t.sizes[1];
}
int32_t picture_signature(const LatheProblem*, LatheText* out) {
  out->write(out, "(x: f32[N,C,H,W]) -> (y: f32[N,C,H,W])");
  return LATHE_OK;
}
int32_t add_channel(const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  const auto* x = static_cast<const float*>(at->operands[0]);
  auto* y = static_cast<float*>(at->results[0]);
  for (int64_t i = 0; i < count(p->operands[0]); ++i)
    y[i] = 2 * x[i] + static_cast<float>(channel_of(p->operands[0], i));
  return LATHE_OK;
}
int32_t add_channel_anywhere(const void*, const LatheProblem* p, const LatheBuffers* at,
                             LatheText* error) {
  return add_channel(p, at, error);
}

int32_t wants_workspace(const LatheProblem*, void** state, size_t* bytes, LatheText*) {
  *state = nullptr;
  *bytes = 64;
  return LATHE_OK;
}
int32_t wants_everything(const LatheProblem*, void**, size_t* bytes, LatheText*) {
  *bytes = SIZE_MAX;
  return LATHE_OK;
}
int32_t leaves_workspace(const void*, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  twice(at, 0, count(p->operands[0]));
  std::memset(at->workspace, 0, 65);
  return LATHE_OK;
}

const LatheTactic kRight[] = {{"right", 1, LATHE_CPU, 0, 0, nullptr, nullptr, right, nullptr}};
const LatheTactic kFails[] = {{"fails", 1, LATHE_CPU, 0, 0, nullptr, nullptr, fails, nullptr}};
const LatheTactic kOverruns[] = {
    {"overruns", 1, LATHE_CPU, 0, 0, nullptr, nullptr, overruns, nullptr}};
const LatheTactic kMixed[] = {
    {"wrong", 1, LATHE_CPU, 0, 0, nullptr, nullptr, wrong, nullptr},
    {"overruns", 1, LATHE_CPU, 0, 0, nullptr, nullptr, overruns, nullptr},
    {"lazy", 1, LATHE_CPU, 0, 0, nullptr, nullptr, lazy, nullptr},
    {"meddles", 1, LATHE_CPU, 0, 0, nullptr, nullptr, meddles, nullptr},
    {"fails", 1, LATHE_CPU, 0, 0, nullptr, nullptr, fails, nullptr},
    {"throws", 1, LATHE_CPU, 0, 0, nullptr, nullptr, throws, nullptr},
    {"declines", 1, LATHE_CPU, 0, 0, declines, nullptr, right, nullptr},
    {"unprepared", 1, LATHE_CPU, 0, 0, nullptr, cannot_prepare, right, nullptr},
    {"leaves_workspace", 1, LATHE_CPU, 0, 0, nullptr, wants_workspace, leaves_workspace, nullptr},
    {"greedy", 1, LATHE_CPU, 0, 0, nullptr, wants_everything, right, nullptr},
    {"on_gpu", 1, LATHE_CUDA, 0, 0, nullptr, nullptr, fails, nullptr},
    {"right", 3, LATHE_CPU, 0, 0, nullptr, nullptr, right, nullptr},
};
const LatheTactic kChannels[] = {
    {"channels", 1, LATHE_CPU, 0, LATHE_FORMAT_BIT(LATHE_CHANNELS_LAST), nullptr, nullptr,
     add_channel_anywhere, nullptr},
};
const LatheTactic kEither[] = {
    {"either", 1, LATHE_CPU, 0,
     LATHE_FORMAT_BIT(LATHE_ROW_MAJOR) | LATHE_FORMAT_BIT(LATHE_CHANNELS_LAST), nullptr, nullptr,
     add_channel_anywhere, nullptr},
};
const LatheTactic kUnchecked[] = {
    {"overruns", 1, LATHE_CPU, 0, 0, nullptr, nullptr, overruns, nullptr},
    {"lazy", 1, LATHE_CPU, 0, 0, nullptr, nullptr, lazy, nullptr},
    {"right", 1, LATHE_CPU, 0, 0, nullptr, nullptr, right, nullptr},
};

const LatheField kFactor[] = {{"factor", LATHE_FIELD_INT, nullptr, "1 or 2"}};

const LatheOperator kOperators[] = {
    {"odd::Mixed", "", nullptr, 0, 0, signature, reference, kMixed,
     sizeof(kMixed) / sizeof(kMixed[0])},
    {"odd::Unchecked", "", nullptr, 0, 0, signature, nullptr, kUnchecked, 3},
    {"odd::Fails", "", nullptr, 0, 0, signature, reference, kFails, 1},
    {"odd::OnlyOverruns", "", nullptr, 0, 0, signature, nullptr, kOverruns, 1},
    {"odd::NoSignature", "", nullptr, 0, 0, no_signature, reference, kRight, 1},
    {"odd::Refuses", "", nullptr, 0, 0, refuses, reference, kRight, 1},
    {"odd::SignatureThrows", "", nullptr, 0, 0, signature_throws, reference, kRight, 1},
    {"odd::Channels", "", nullptr, 0, 0, picture_signature, add_channel, kChannels, 1},
    {"odd::Either", "", nullptr, 0, 0, picture_signature, add_channel, kEither, 1},
    {"odd::Wide", "", kFactor, 1, 0, wide_signature, reference, kRight, 1},
};

const LathePlugin kPlugin = {ODD_ABI, "odd", ODD_VERSION, kOperators,
                             sizeof(kOperators) / sizeof(kOperators[0])};

}  // namespace

const LathePlugin* lathe_plugin(uint32_t) { return &kPlugin; }
