// SPDX-License-Identifier: Apache-2.0
#include "build_job.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "raise.h"

namespace nb = nanobind;

namespace lathe::python {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kInterval(50);   // between two calls of the callable
constexpr std::chrono::milliseconds kPatience(500);  // for a cancelled build to end

// Builds that nobody waits for and that still compute.
std::atomic<int> left_builds = 0;

struct News {
  std::string phase;
  double done;
};

// What the build's thread and the caller's share.
struct Job {
  Model model;
  BuildOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<News> news;  // one for each phase that was not told yet
  std::optional<Result<Engine>> result;
  std::atomic<bool> stop = false;
  bool left = false;

  void run() {
    Result<Engine> made = Engine::build(model, options);
    const std::lock_guard lock(mutex);
    result.emplace(std::move(made));
    changed.notify_all();
    if (left) --left_builds;
  }
  // Nobody waits for the result any more.
  void leave() {
    const std::lock_guard lock(mutex);
    left = !result.has_value();
    if (left) ++left_builds;
  }
  void add(const char* phase, double done) {
    const std::lock_guard lock(mutex);
    if (news.empty() || news.back().phase != phase) {
      news.push_back({phase, done});
    } else {
      news.back().done = done;
    }
  }
  bool wait_for_result(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, time, [&] { return result.has_value(); });
  }
  std::deque<News> take_news() {
    const std::lock_guard lock(mutex);
    return std::exchange(news, {});
  }
};

// Needs the GIL. Throws what the callable throws, KeyboardInterrupt among it.
void tell(Job& job, const nb::object& report) {
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
  for (const News& n : job.take_news()) {
    if (report.is_none()) continue;
    if (report(n.phase.c_str(), n.done).is(nb::bool_(false))) job.stop = true;
  }
}

// The process may end while a build that was left still computes: then what it uses must not be
// destroyed beneath it, so the process ends here, before its static objects do. A build writes no
// file until it is over.
void end_process(int status, void*) {
  if (left_builds == 0) return;
  std::fflush(nullptr);
  ::_exit(status);
}

// Ends a cancelled build's thread, or leaves it.
void end(Job& job, std::thread thread) {
  job.stop = true;
  const nb::gil_scoped_release released;
  if (job.wait_for_result(kPatience)) return thread.join();
  job.leave();
  thread.detach();
  static const int registered = ::on_exit(end_process, nullptr);
  (void)registered;
}

void build_beside(const std::shared_ptr<Job>& job, const nb::object& report) {
  job->options.progress = [](void* user, const char* phase, double done) {
    static_cast<Job*>(user)->add(phase, done);
    return !static_cast<Job*>(user)->stop;
  };
  job->options.progress_user = job.get();
  std::thread thread([job] { job->run(); });
  try {
    for (bool finished = false; !finished;) {
      {
        const nb::gil_scoped_release released;
        finished = job->wait_for_result(kInterval);
      }
      tell(*job, report);
    }
  } catch (...) {
    end(*job, std::move(thread));
    throw;
  }
  thread.join();
}

// What the callback of a build in the caller's thread is given.
struct Here {
  Job& job;
  const nb::object& report;
  Clock::time_point told;
  std::exception_ptr error;

  bool tick(const char* phase, double done) {
    job.add(phase, done);
    if (job.stop || Clock::now() - told < kInterval) return !job.stop;
    told = Clock::now();
    const nb::gil_scoped_acquire held;
    try {
      tell(job, report);
    } catch (...) {
      error = std::current_exception();
      job.stop = true;
    }
    return !job.stop;
  }
};

void build_here(Job& job, const nb::object& report) {
  Here here{job, report, {}, nullptr};
  job.options.progress = [](void* user, const char* phase, double done) {
    return static_cast<Here*>(user)->tick(phase, done);
  };
  job.options.progress_user = &here;
  {
    const nb::gil_scoped_release released;
    job.run();
  }
  if (here.error) std::rethrow_exception(here.error);
  tell(job, report);
}

}  // namespace

Engine build(const Model& model, const BuildOptions& options, nb::object report) {
  auto job = std::make_shared<Job>();
  job->model = model;
  job->options = options;
  if (options.device == "cpu") {
    build_beside(job, report);
  } else {
    build_here(*job, report);
  }
  if (job->stop && job->result->ok()) raise(Status(Code::Cancelled, "the build was cancelled"));
  return take(std::move(*job->result));
}

}  // namespace lathe::python
