// SPDX-License-Identifier: Apache-2.0
// A plugin for GPUs that needs the driver alone: gpu::Twice is y = 2x on f32, by a kernel in PTX.
// Of its tactics two are right; the reference on host memory is right.
#include <dlfcn.h>
#include <lathe/plugin.h>

#include <memory>

#include "doubling.h"

namespace {

constexpr const char* kPtx = R"(
.version 6.4
.target sm_70
.address_size 64
.visible .entry scale(.param .u64 x, .param .u64 y, .param .u64 n, .param .f32 factor) {
  .reg .pred %p;
  .reg .b32 %r<4>;
  .reg .b64 %at, %n, %px, %py, %bytes;
  .reg .f32 %v, %f;
  mov.u32 %r0, %ctaid.x;
  mov.u32 %r1, %ntid.x;
  mov.u32 %r2, %tid.x;
  mul.wide.u32 %at, %r0, %r1;
  cvt.u64.u32 %bytes, %r2;
  add.u64 %at, %at, %bytes;
  ld.param.u64 %n, [n];
  setp.ge.u64 %p, %at, %n;
  @%p ret;
  ld.param.u64 %px, [x];
  ld.param.u64 %py, [y];
  ld.param.f32 %f, [factor];
  shl.b64 %bytes, %at, 2;
  add.u64 %px, %px, %bytes;
  add.u64 %py, %py, %bytes;
  ld.global.f32 %v, [%px];
  mul.f32 %v, %v, %f;
  st.global.f32 [%py], %v;
  ret;
}
)";

// What it needs of libcuda.so.1; every function returns 0 when it worked.
struct Driver {
  int (*load)(void**, const void*);
  int (*unload)(void*);
  int (*find)(void**, void*, const char*);
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                void**, void**);
  int (*wait)(void*);

  template <class F>
  static bool look_up(void* library, const char* symbol, F& into) {
    into = reinterpret_cast<F>(dlsym(library, symbol));
    return into != nullptr;
  }
  bool open() {
    void* so = dlopen("libcuda.so.1", RTLD_NOW);
    return so != nullptr && look_up(so, "cuModuleLoadData", load) &&
           look_up(so, "cuModuleUnload", unload) && look_up(so, "cuModuleGetFunction", find) &&
           look_up(so, "cuLaunchKernel", launch) && look_up(so, "cuStreamSynchronize", wait);
  }
};

struct State {
  Driver driver;
  void* module = nullptr;
  void* function = nullptr;
};

int32_t reference(const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  const auto* x = static_cast<const float*>(at->operands[0]);
  auto* y = static_cast<float*>(at->results[0]);
  for (int64_t i = 0; i < count(p->operands[0]); ++i) y[i] = 2 * x[i];
  return LATHE_OK;
}

int32_t supports(const LatheProblem* p, LatheText* why) {
  if (p->compute_capability >= 70) return LATHE_OK;
  why->write(why, "the kernel needs compute capability 7.0");
  return LATHE_UNSUPPORTED;
}

void release(void* state) {
  std::unique_ptr<State> s(static_cast<State*>(state));
  if (s->module != nullptr) s->driver.unload(s->module);
}

// The device's context is current.
int32_t prepare(const LatheProblem*, void** state, size_t* workspace_bytes, LatheText* error) {
  auto s = std::make_unique<State>();
  if (!s->driver.open() || s->driver.load(&s->module, kPtx) != 0 ||
      s->driver.find(&s->function, s->module, "scale") != 0) {
    error->write(error, "the driver does not take the kernel");
    return LATHE_FAILED;
  }
  *workspace_bytes = 256;
  *state = s.release();
  return LATHE_OK;
}

int32_t run(const void* state, const LatheBuffers* at, int64_t n, float factor) {
  const State& s = *static_cast<const State*>(state);
  const void* x = at->operands[0];
  void* y = at->results[0];
  void* parameters[] = {&x, &y, &n, &factor};
  if (n == 0) return LATHE_OK;
  const auto blocks = static_cast<unsigned>((n + 127) / 128);
  const int r =
      s.driver.launch(s.function, blocks, 1, 1, 128, 1, 1, 0, at->stream, parameters, nullptr);
  return r == 0 ? LATHE_OK : LATHE_FAILED;
}

int32_t right(const void* s, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  return run(s, at, count(p->operands[0]), 2);
}
int32_t waits(const void* s, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  const int32_t code = run(s, at, count(p->operands[0]), 2);
  return static_cast<const State*>(s)->driver.wait(at->stream) == 0 ? code : LATHE_FAILED;
}
int32_t wrong(const void* s, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  return run(s, at, count(p->operands[0]), 2.01F);
}
int32_t overruns(const void* s, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  return run(s, at, count(p->operands[0]) + 1, 2);
}
int32_t lazy(const void* s, const LatheProblem* p, const LatheBuffers* at, LatheText*) {
  return run(s, at, count(p->operands[0]) - 1, 2);
}

const LatheTactic kTactics[] = {
    {"wrong", 1, LATHE_CUDA, 1, 0, supports, prepare, wrong, release},
    {"overruns", 1, LATHE_CUDA, 1, 0, supports, prepare, overruns, release},
    {"lazy", 1, LATHE_CUDA, 1, 0, supports, prepare, lazy, release},
    {"right", 1, LATHE_CUDA, 1, 0, supports, prepare, right, release},
};
const LatheTactic kWaiting[] = {
    {"waits", 1, LATHE_CUDA, 0, 0, supports, prepare, waits, release},
};

const LatheOperator kOperators[] = {
    {"gpu::Twice", "", nullptr, 0, 0, signature, reference, kTactics, 4},
    {"gpu::Waits", "", nullptr, 0, 0, signature, reference, kWaiting, 1},
    {"gpu::OnlyHost", "", nullptr, 0, 0, signature, reference, nullptr, 0},
};

const LathePlugin kPlugin = {LATHE_PLUGIN_ABI, "gpu", "1.0.0", kOperators, 3};

}  // namespace

const LathePlugin* lathe_plugin(uint32_t) { return &kPlugin; }
