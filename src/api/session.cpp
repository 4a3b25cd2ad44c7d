// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "api/api_state.h"

namespace lathe {

// A session, and the thread that runs it in the background once run_async was called.
struct SessionState {
  std::shared_ptr<const EngineState> engine;
  std::unique_ptr<RuntimeSession> run;

  std::mutex mutex;
  std::condition_variable changed;
  std::thread worker;
  bool pending = false, stop = false;
  void (*done)(void*, const Status&) = nullptr;
  void* user = nullptr;
  Status last;

  const Plan& plan() const { return engine->loaded->plan(); }

  ~SessionState() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    if (worker.joinable()) worker.join();
  }

  Result<int> find(const std::vector<PlanPort>& ports, std::string_view name,
                   const char* kind) const {
    for (size_t k = 0; k < ports.size(); ++k) {
      if (ports[k].name == name) return static_cast<int>(k);
    }
    return no_such_port(ports, name, kind);
  }
  Result<int> input(std::string_view name) const { return find(plan().inputs, name, "input"); }
  Result<int> output(std::string_view name) const { return find(plan().outputs, name, "output"); }

  // What is moved from has no state; `session` may be null.
  static Status idle(SessionState* session) {
    if (session == nullptr) return invalid("the session was moved from");
    return session->idle();
  }
  Status idle() {
    std::lock_guard lock(mutex);
    return pending ? invalid("the session is running in the background: wait() first") : Status();
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return pending || stop; });
      if (!pending) return;
      lock.unlock();
      Status status = run->run();
      if (done != nullptr) done(user, status);
      lock.lock();
      last = std::move(status);
      pending = false;
      changed.notify_all();
    }
  }
};

Session::Session() : state_(std::make_unique<SessionState>()) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Engine::open() const { return open(OpenOptions{}); }

Result<Session> Engine::open(const OpenOptions& options) const {
  if (state_ == nullptr) return no_engine();
  SessionOptions inner;
  inner.threads = options.threads;
  inner.native_stream = options.cuda_stream;
  inner.poison = options.poison || state_->poison;
  Session session;
  session.state_->engine = state_;
  session.state_->run = LATHE_TRY(RuntimeSession::open(state_->loaded, inner));
  return session;
}

Status Session::set_shape(std::string_view input, std::span<const int64_t> sizes) {
  LATHE_TRY(SessionState::idle(state_.get()));
  const int k = LATHE_TRY(state_->input(input));
  const auto negative = std::find_if(sizes.begin(), sizes.end(), [](int64_t n) { return n < 0; });
  if (negative != sizes.end()) {
    return invalid("input '{}': dimension {} is given {}, expected 0 or more", input,
                   negative - sizes.begin(), *negative);
  }
  return state_->run->set_shape(k, Shape::of(sizes));
}

Status Session::set_input(std::string_view input, const Tensor& tensor) {
  LATHE_TRY(SessionState::idle(state_.get()));
  const int k = LATHE_TRY(state_->input(input));
  return state_->run->set_input(k, LATHE_TRY(TensorAccess::to(tensor)));
}

Status Session::bind_input(std::string_view input, const void* data, size_t bytes, bool on_device) {
  LATHE_TRY(SessionState::idle(state_.get()));
  return state_->run->bind_input(LATHE_TRY(state_->input(input)), data, bytes, !on_device);
}

Status Session::bind_output(std::string_view output, void* data, size_t bytes, bool on_device) {
  LATHE_TRY(SessionState::idle(state_.get()));
  return state_->run->bind_output(LATHE_TRY(state_->output(output)), data, bytes, !on_device);
}

Result<std::vector<int64_t>> Session::output_shape(std::string_view output) {
  LATHE_TRY(SessionState::idle(state_.get()));
  const Shape shape = LATHE_TRY(state_->run->output_shape(LATHE_TRY(state_->output(output))));
  return shape.sizes();
}

Result<std::vector<int64_t>> Session::input_shape(std::string_view input) const {
  LATHE_TRY(SessionState::idle(state_.get()));
  return LATHE_TRY(state_->run->input_shape(LATHE_TRY(state_->input(input)))).sizes();
}

Status Session::set_stream(void* cuda_stream) {
  LATHE_TRY(SessionState::idle(state_.get()));
  // CU_STREAM_LEGACY: to the driver's functions, null is the default stream by another name.
  void* const kDefaultStream = reinterpret_cast<void*>(uintptr_t{1});
  return state_->run->set_stream(cuda_stream == nullptr ? kDefaultStream : cuda_stream);
}

Result<int64_t> Session::device_memory_size() {
  LATHE_TRY(SessionState::idle(state_.get()));
  return state_->run->device_memory_bytes();
}

Status Session::set_device_memory(void* memory, size_t bytes) {
  LATHE_TRY(SessionState::idle(state_.get()));
  return state_->run->set_device_memory(memory, bytes);
}

Status Session::run() {
  LATHE_TRY(SessionState::idle(state_.get()));
  return state_->run->run();
}

Status Session::enqueue() {
  LATHE_TRY(SessionState::idle(state_.get()));
  return state_->run->enqueue();
}

Status Session::run_async(void (*done)(void* user, const Status& status), void* user) {
  LATHE_TRY(SessionState::idle(state_.get()));
  SessionState& s = *state_;
  std::lock_guard lock(s.mutex);
  if (!s.worker.joinable()) {
    try {
      s.worker = std::thread([&s] { s.work(); });
    } catch (const std::exception& e) {
      return device_lost("no thread could be started: {}", e.what());
    }
  }
  s.done = done;
  s.user = user;
  s.pending = true;
  s.changed.notify_all();
  return {};
}

Status Session::wait() {
  if (state_ == nullptr) return invalid("the session was moved from");
  SessionState& s = *state_;
  std::unique_lock lock(s.mutex);
  if (s.worker.get_id() == std::this_thread::get_id())
    return invalid("wait() in the callback of the run that it waits for");
  s.changed.wait(lock, [&] { return !s.pending; });
  LATHE_TRY(std::exchange(s.last, Status()));
  return s.run->wait();
}

Result<Tensor> Session::output(std::string_view output) const {
  LATHE_TRY(SessionState::idle(state_.get()));
  const HostTensor t = LATHE_TRY(state_->run->output(LATHE_TRY(state_->output(output))));
  return TensorAccess::from(t);
}

MemoryInfo Session::memory() const {
  MemoryInfo info;
  if (state_ == nullptr) return info;
  info.weights = state_->engine->loaded->weight_bytes();
  info.arena = state_->run->arena_bytes();
  info.workspace = state_->run->workspace_bytes();
  if (const MemoryPlan* plan = state_->run->memory()) info.arena_lower_bound = plan->lower_bound;
  return info;
}

Status Session::profile(void (*step)(void* user, int index, double seconds), void* user) {
  LATHE_TRY(SessionState::idle(state_.get()));
  if (step == nullptr) return invalid("profile needs a function to call");
  std::vector<StepTime> times;
  LATHE_TRY(state_->run->profile(&times));
  for (const StepTime& t : times) step(user, t.step, t.seconds);
  return {};
}

}  // namespace lathe
