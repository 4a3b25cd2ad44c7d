// SPDX-License-Identifier: Apache-2.0
#pragma once
// The library's log. It says nothing unless asked: by LATHE_LOG=trace|debug|info|warning|error
// (to stderr), or by a sink of the caller's, which gets info and above until a level is set.
//
//   log_info("{}: {} nodes", name, count);           // costs one comparison when off
#include <fmt/format.h>

#include <string_view>

namespace lathe {

enum class LogLevel { Trace, Debug, Info, Warning, Error, Off };

// Called from any thread, one call at a time; must not log. Null takes the sink away.
using LogSink = void (*)(void* user, int level, const char* message);
void send_log_to(LogSink sink, void* user);
void set_log_level(LogLevel level);

bool log_enabled(LogLevel level);
void log_text(LogLevel level, std::string_view message);

template <class... A>
void log(LogLevel level, fmt::format_string<A...> f, A&&... a) {
  if (log_enabled(level)) log_text(level, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
void log_debug(fmt::format_string<A...> f, A&&... a) {
  log(LogLevel::Debug, f, std::forward<A>(a)...);
}
template <class... A>
void log_info(fmt::format_string<A...> f, A&&... a) {
  log(LogLevel::Info, f, std::forward<A>(a)...);
}
template <class... A>
void log_warning(fmt::format_string<A...> f, A&&... a) {
  log(LogLevel::Warning, f, std::forward<A>(a)...);
}
template <class... A>
void log_error(fmt::format_string<A...> f, A&&... a) {
  log(LogLevel::Error, f, std::forward<A>(a)...);
}

}  // namespace lathe
