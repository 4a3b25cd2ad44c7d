// SPDX-License-Identifier: Apache-2.0
// GCC's OpenMP lets a thread spin for milliseconds before it sleeps. Where something else wants the
// processor, a thread then burns its time waiting for one that is not let run: a network of 110
// steps took 20 to 200 times as long beside one busy process. A tenth of a millisecond is as fast
// on a quiet machine (bench/README.md). The runtime reads its settings before main(), so the
// program starts again, once, with the setting that it lacks.
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "command.h"

namespace lathe::cli {

void limit_spinning(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length <= 0 || setenv("GOMP_SPINCOUNT", "10000", 0) != 0) return;
  execv(path.data(), argv);  // where that fails, the run goes on with long waits
}

}  // namespace lathe::cli
