// SPDX-License-Identifier: Apache-2.0
#include "tuner/timing_cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace lathe {
namespace {

class TimingCacheFile : public testing::Test {
 protected:
  TimingCacheFile()
      : folder(std::filesystem::temp_directory_path() / fmt::format("lathe-{}", ::getpid())),
        path((folder / "timing.cache").string()) {
    std::filesystem::create_directories(folder);
  }
  ~TimingCacheFile() override { std::filesystem::remove_all(folder); }

  void write(std::string_view text) const { std::ofstream(path) << text; }
  std::string text() const {
    std::ifstream file(path);
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }
  std::string error() const {
    const Result<TimingCache> r = TimingCache::open(path);
    return r.ok() ? "" : r.status().message();
  }
  static Timing timing(double seconds) {
    Timing t;
    t.seconds = seconds;
    return t;
  }
  std::filesystem::path folder;
  std::string path;
};

TEST_F(TimingCacheFile, ReadsBackEveryBitOfWhatItWrote) {
  Timing odd;
  odd.seconds = 1.0 / 3;
  odd.max_error = 0x1.fffffffffffffp-60;
  odd.bound_used = 1e-310;
  odd.elements = 1234567890123;
  odd.rejected = "element 3 is 1\tnot 2\nsaid it";
  {
    TimingCache cache = *TimingCache::open(path);
    cache.put("device|op|tactic@1|block=3", odd);
    EXPECT_TRUE(cache.dirty());
    ASSERT_TRUE(cache.save().ok());
    EXPECT_FALSE(cache.dirty());
  }
  const TimingCache cache = *TimingCache::open(path);
  const Timing* back = cache.find("device|op|tactic@1|block=3");
  ASSERT_NE(back, nullptr);
  odd.rejected = "element 3 is 1 not 2 said it";
  EXPECT_EQ(*back, odd);
  EXPECT_EQ(cache.find("another"), nullptr);
}

TEST_F(TimingCacheFile, WhatStandsThereIsTheAnswer) {
  TimingCache cache;
  EXPECT_EQ(cache.put("x", timing(1)).seconds, 1);
  EXPECT_EQ(cache.put("x", timing(2)).seconds, 1);
  EXPECT_EQ(cache.find("x")->seconds, 1);
}

TEST_F(TimingCacheFile, AWordAboutTheCheckIsAddedToATimeThatStandsThere) {
  Timing checked = timing(2), rejected = timing(3);
  checked.elements = 5;
  checked.max_error = 0.25;
  rejected.rejected = "wrong";
  TimingCache first = *TimingCache::open(path), second = *TimingCache::open(path);
  first.put("x", timing(1));
  first.put("y", timing(1));
  ASSERT_TRUE(first.save().ok());
  second.put("x", checked);
  second.put("y", rejected);
  EXPECT_EQ(second.put("y", checked).rejected, "wrong");
  ASSERT_TRUE(second.save().ok());
  const TimingCache merged = *TimingCache::open(path);
  EXPECT_EQ(merged.find("x")->seconds, 1);
  EXPECT_EQ(merged.find("x")->elements, 5);
  EXPECT_EQ(merged.find("x")->max_error, 0.25);
  EXPECT_EQ(merged.find("y")->seconds, 1);
  EXPECT_EQ(merged.find("y")->rejected, "wrong");
}

TEST_F(TimingCacheFile, IsEmptyWhenThereIsNone) {
  const Result<TimingCache> cache = TimingCache::open(path);
  ASSERT_TRUE(cache.ok());
  EXPECT_EQ(cache->find("a"), nullptr);
}

TEST_F(TimingCacheFile, NothingNewLeavesTheFileAlone) {
  TimingCache cache = *TimingCache::open(path);
  ASSERT_TRUE(cache.save().ok());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(TimingCacheFile, DamageIsAnErrorThatNamesTheLineAndTheCure) {
  write("lathe timing cache 1\n1\t0\t0\t5\t\tkey\nnonsense\n");
  EXPECT_EQ(error(), path + ": line 3 is damaged");
  EXPECT_NE(TimingCache::open(path).status().cure(), "");
  write("lathe timing cache 1\n1\t0\t0\t5\t\tkey\n1\t0\t0\t5\t\tke");
  EXPECT_EQ(error(), path + ": line 3 is cut off");
  write("lathe timing cache 1\n-1\t0\t0\t5\t\tkey\n");
  EXPECT_EQ(error(), path + ": line 2 is damaged");
  write("lathe timing cache 1\nnan\t0\t0\t5\t\tkey\n");
  EXPECT_EQ(error(), path + ": line 2 is damaged");
  write("something else\n");
  EXPECT_NE(error().find("no timing cache"), std::string::npos) << error();
}

TEST_F(TimingCacheFile, TwoBuildsThatShareItMergeAndTheFirstWordStands) {
  TimingCache first = *TimingCache::open(path), second = *TimingCache::open(path);
  first.put("both", timing(1));
  first.put("first", timing(2));
  second.put("both", timing(3));
  second.put("second", timing(4));
  ASSERT_TRUE(first.save().ok());
  ASSERT_TRUE(second.save().ok());
  const TimingCache merged = *TimingCache::open(path);
  EXPECT_EQ(merged.find("both")->seconds, 1);
  EXPECT_EQ(merged.find("first")->seconds, 2);
  EXPECT_EQ(merged.find("second")->seconds, 4);
}

TEST_F(TimingCacheFile, ItsBytesDoNotDependOnTheOrderOfWriting) {
  TimingCache a = *TimingCache::open(path);
  a.put("x", timing(1));
  a.put("y", timing(2));
  ASSERT_TRUE(a.save().ok());
  const std::string first = text();
  std::filesystem::remove(path);
  TimingCache b = *TimingCache::open(path);
  b.put("y", timing(2));
  b.put("x", timing(1));
  ASSERT_TRUE(b.save().ok());
  EXPECT_EQ(text(), first);
}

TEST_F(TimingCacheFile, ProcessesThatSaveAtOnceLoseNothing) {
  constexpr int kProcesses = 6, kEntries = 20;
  for (int p = 0; p < kProcesses; ++p) {
    if (::fork() != 0) continue;
    bool ok = true;
    for (int k = 0; k < kEntries && ok; ++k) {
      Result<TimingCache> cache = TimingCache::open(path);
      ok = cache.ok();
      if (!ok) break;
      cache->put(fmt::format("{} {}", p, k), timing(p + 1));
      ok = cache->save().ok();
    }
    ::_exit(ok ? 0 : 1);
  }
  for (int p = 0; p < kProcesses; ++p) {
    int status = 0;
    ASSERT_GT(::wait(&status), 0);
    EXPECT_EQ(status, 0);
  }
  const TimingCache cache = *TimingCache::open(path);
  for (int p = 0; p < kProcesses; ++p) {
    for (int k = 0; k < kEntries; ++k)
      EXPECT_NE(cache.find(fmt::format("{} {}", p, k)), nullptr) << p << " " << k;
  }
}

TEST_F(TimingCacheFile, AFolderThatDoesNotExistIsOneClearError) {
  TimingCache cache = *TimingCache::open((folder / "none" / "cache").string());
  cache.put("x", timing(1));
  const Status s = cache.save();
  ASSERT_FALSE(s.ok());
  EXPECT_NE(s.message().find("none/cache"), std::string::npos) << s.message();
}

}  // namespace
}  // namespace lathe
