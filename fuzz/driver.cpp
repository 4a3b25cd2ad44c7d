// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: once over each file, and over seeded mutations of it.
//
//   fuzz_onnx MUTATIONS FILES_OR_FOLDERS      the same inputs on every machine
//
// A crash names the file and the number of the mutation, which together give the input again.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "fuzz.h"

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

std::vector<fs::path> files_in(int count, char** paths) {
  std::vector<fs::path> files;
  for (const fs::path path : std::span(paths, static_cast<size_t>(count))) {
    if (fs::is_regular_file(path)) files.push_back(path);
    if (!fs::is_directory(path)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Bytes read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

size_t place(lathe::Random& r, size_t size) {
  return static_cast<size_t>(r.integer(0, static_cast<int64_t>(size) - 1));
}

// One to four changes: a bit, a byte with a boundary value, a piece copied, cut out or cut off.
Bytes mutated(Bytes b, lathe::Random& r) {
  static constexpr uint8_t kBoundary[] = {0, 1, 0x7f, 0x80, 0xff, '0', '9', '-', '"', '('};
  for (int64_t changes = r.integer(1, 4); changes > 0 && !b.empty(); --changes) {
    const size_t at = place(r, b.size()), other = place(r, b.size());
    const size_t length = std::min<size_t>(place(r, 32) + 1, b.size() - std::max(at, other));
    switch (r.integer(0, 9)) {
      case 0: b.resize(at); break;
      case 1:
        b.erase(b.begin() + static_cast<long>(at), b.begin() + static_cast<long>(at + length));
        break;
      case 2:
      case 3:
        std::copy_n(Bytes(b).begin() + static_cast<long>(other), length,
                    b.begin() + static_cast<long>(at));
        break;
      case 4:
      case 5:
      case 6: b[at] = kBoundary[place(r, std::size(kBoundary))]; break;
      default: b[at] ^= static_cast<uint8_t>(1U << r.integer(0, 7));
    }
  }
  return b;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s MUTATIONS FILES_OR_FOLDERS\n", argv[0]);
    return 2;
  }
  const std::vector<fs::path> files = files_in(argc - 2, argv + 2);
  const int mutations = std::atoi(argv[1]);
  for (const fs::path& path : files) {
    const Bytes bytes = read(path);
    std::printf("%s", path.c_str());
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    for (int k = 0; k < mutations; ++k) {
      lathe::Random r(lathe::hash64(std::as_bytes(std::span(bytes))), static_cast<uint64_t>(k)
                                                                          << 16);
      const Bytes changed = mutated(bytes, r);
      std::printf(" %d", k);
      std::fflush(stdout);
      LLVMFuzzerTestOneInput(changed.data(), changed.size());
    }
    std::printf("\n");
  }
  std::printf("%zu files, each with %d mutations\n", files.size(), mutations);
  return files.empty() ? 1 : 0;
}
