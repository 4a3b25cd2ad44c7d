// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lathe {
namespace {

using Lines = std::vector<std::pair<int, std::string>>;

void collect(void* user, int level, const char* message) {
  static_cast<Lines*>(user)->emplace_back(level, message);
}

// One test, because the log is one for the process and starts silent.
TEST(Log, SaysNothingUntilAskedThenWhatWasAskedFor) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  EXPECT_FALSE(log_enabled(LogLevel::Error));
  log_error("nobody hears {}", 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");

  Lines lines;
  send_log_to(collect, &lines);
  log_debug("too quiet");
  log_info("{} nodes", 3);
  log_error("braces {{}} stay");
  set_log_level(LogLevel::Error);
  log_warning("no longer");
  set_log_level(LogLevel::Debug);
  log_debug("now");
  Lines expected = {{static_cast<int>(LogLevel::Info), "3 nodes"},
                    {static_cast<int>(LogLevel::Error), "braces {} stay"},
                    {static_cast<int>(LogLevel::Debug), "now"}};
  EXPECT_EQ(lines, expected);

  send_log_to(nullptr, nullptr);
  testing::internal::CaptureStderr();
  log_info("to stderr");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("to stderr"), std::string::npos);
  set_log_level(LogLevel::Off);
  EXPECT_FALSE(log_enabled(LogLevel::Error));
  EXPECT_EQ(lines.size(), 3u);
}

}  // namespace
}  // namespace lathe
