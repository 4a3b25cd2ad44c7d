// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

namespace lathe {
namespace {

constexpr std::string_view kNames[] = {"trace", "debug", "info", "warning", "error", "off"};

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::Trace: return spdlog::level::trace;
    case LogLevel::Debug: return spdlog::level::debug;
    case LogLevel::Info: return spdlog::level::info;
    case LogLevel::Warning: return spdlog::level::warn;
    case LogLevel::Error: return spdlog::level::err;
    case LogLevel::Off: break;
  }
  return spdlog::level::off;
}

int to_number(spdlog::level::level_enum level) {
  for (int i = 0; i < 5; ++i) {
    if (to_spdlog(static_cast<LogLevel>(i)) == level) return i;
  }
  return static_cast<int>(LogLevel::Error);
}

// The caller's function where there is one, else stderr.
class Sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void set(LogSink function, void* user) {
    std::lock_guard lock(mutex_);
    function_ = function;
    user_ = user;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& m) override {
    if (function_ == nullptr) return stderr_.log(m);
    std::string text(m.payload.data(), m.payload.size());
    function_(user_, to_number(m.level), text.c_str());
  }
  void flush_() override { stderr_.flush(); }

  LogSink function_ = nullptr;
  void* user_ = nullptr;
  spdlog::sinks::stderr_sink_st stderr_;
};

struct Log {
  Log() : sink(std::make_shared<Sink>()), logger("lathe", sink) {
    logger.set_level(spdlog::level::off);
    const char* wanted = std::getenv("LATHE_LOG");
    for (size_t i = 0; wanted != nullptr && i < std::size(kNames); ++i) {
      if (kNames[i] == wanted) set_level(static_cast<LogLevel>(i));
    }
    if (wanted != nullptr && std::string_view(wanted) == "warn") set_level(LogLevel::Warning);
  }
  void set_level(LogLevel level) {
    logger.set_level(to_spdlog(level));
    level_was_set = true;
  }

  std::shared_ptr<Sink> sink;
  spdlog::logger logger;
  std::atomic<bool> level_was_set = false;
};

Log& the_log() {
  static Log log;
  return log;
}

}  // namespace

void send_log_to(LogSink sink, void* user) {
  Log& log = the_log();
  log.sink->set(sink, user);
  if (!log.level_was_set) {
    log.logger.set_level(sink != nullptr ? spdlog::level::info : spdlog::level::off);
  }
}

void set_log_level(LogLevel level) { the_log().set_level(level); }

bool log_enabled(LogLevel level) {
  return level != LogLevel::Off && the_log().logger.should_log(to_spdlog(level));
}

void log_text(LogLevel level, std::string_view message) {
  the_log().logger.log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace lathe
