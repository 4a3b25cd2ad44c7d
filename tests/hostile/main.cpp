// SPDX-License-Identifier: Apache-2.0
// Loads each model of a folder in a process of its own and checks EXPECT.tsv's verdict: `ok` and
// `runtime` load, `reject` and `limit` give an error that is not ours. No crash, 2 s, 512 MB.
//
//   hostile_models FOLDER
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/budget.h"
#include "onnx/load.h"

using namespace lathe;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr double kSlower = 8;  // what the sanitizer costs in time and memory
#else
constexpr double kSlower = 1;
#endif
constexpr double kMaxSeconds = 6 * kSlower;
constexpr long kMaxKilobytes = static_cast<long>(512 * 1024 * kSlower);

enum Exit { kLoaded = 0, kRefused = 10, kOurFault = 11 };

int load_one(const std::string& path) {
  Budget budget({.bytes = int64_t{1} << 28, .nodes = 1'000'000});
  Result<Graph> graph = load_onnx_file(path, budget);
  if (graph.ok()) return kLoaded;
  const Status s = std::move(graph).status();
  std::printf("  %s\n", s.message().c_str());
  std::fflush(stdout);
  return s.code() == Code::Internal || s.message().size() > 2000 ? kOurFault : kRefused;
}

struct Outcome {
  int status = 0;
  double seconds = 0;
  long kilobytes = 0;
};

Outcome run_apart(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(static_cast<unsigned>(10 * kMaxSeconds));
    _exit(load_one(path));
  }
  Outcome out;
  struct rusage usage = {};
  wait4(child, &out.status, 0, &usage);
  // Time on a core, so that a busy machine does not decide.
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
  out.seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  out.kilobytes = usage.ru_maxrss;
  return out;
}

// Why the outcome is not what the verdict asks for, or empty.
std::string complaint(const std::string& verdict, const Outcome& out) {
  if (!WIFEXITED(out.status)) return fmt::format("killed by signal {}", WTERMSIG(out.status));
  const int code = WEXITSTATUS(out.status);
  const bool should_load = verdict == "ok" || verdict == "runtime";
  if (code != kLoaded && code != kRefused) return "an error of ours";
  if (should_load != (code == kLoaded)) return should_load ? "refused" : "loaded";
  if (out.seconds > kMaxSeconds) return fmt::format("took {:.1f} s", out.seconds);
  if (out.kilobytes > kMaxKilobytes) return fmt::format("took {} KB", out.kilobytes);
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  std::ifstream expect(folder / "EXPECT.tsv");
  int held = 0, failed = 0;
  for (std::string line; std::getline(expect, line);) {
    std::istringstream fields(line);
    std::string file, verdict;
    if (!(fields >> file >> verdict)) continue;
    std::printf("%s (%s)\n", file.c_str(), verdict.c_str());
    std::fflush(stdout);
    const std::string why = complaint(verdict, run_apart((folder / file).string()));
    if (!why.empty()) std::printf("  FAILED: %s\n", why.c_str());
    (why.empty() ? held : failed) += 1;
  }
  std::printf("%d verdicts held, %d did not\n", held, failed);
  return failed == 0 && held > 0 ? 0 : 1;
}
