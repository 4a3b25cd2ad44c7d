// SPDX-License-Identifier: Apache-2.0
// lathe_docs SOURCE OUT: writes ops.md, passes.md and tactics.md to OUT, from the manifests and the
// golden tests beside the passes. CTest compares them with docs/.
#include <algorithm>
#include <cstdio>
#include <set>

#include "backends/cpu/cpu_device.h"
#include "backends/cuda/cuda_device.h"
#include "base/file.h"
#include "device/tactic.h"
#include "lathe/lathe.h"
#include "passes/pass.h"

namespace lathe {
namespace {

constexpr std::string_view kGenerated =
    "Generated from the manifests by `cmake --build build --target docs`; do not edit.\n";

std::string attribute(const AttrDef& a) {
  std::string text = fmt::format("- `{}` ({}", a.name, to_string(a.kind));
  if (!a.default_text.empty()) text += fmt::format(", default `{}`", a.default_text);
  return text + fmt::format("): {}\n", a.doc.empty() ? "-" : a.doc);
}

std::string ops_page() {
  std::vector<const OpDef*> ops(all_ops().begin(), all_ops().end());
  std::sort(ops.begin(), ops.end(), [](auto* a, auto* b) { return a->name < b->name; });
  std::string text =
      fmt::format("# Operators\n\n{}\nLathe computes with {} operators. ", kGenerated, ops.size());
  const std::vector<std::string> onnx = onnx_operators();
  text += fmt::format("The importer lowers {} operators of ONNX to them, from opset 7 on:\n\n",
                      onnx.size());
  std::set<std::string> names(onnx.begin(), onnx.end());
  text += fmt::format("{}.\n", fmt::join(names, ", "));
  text +=
      "\nIf becomes the branch that it takes, where its condition is known when the model is "
      "read. If, Loop and Scan otherwise hold graphs, which no engine runs yet.\n";
  for (const OpDef* op : ops) {
    text += fmt::format("\n## {}\n\n{}\n\n", op->name, op->doc);
    text += fmt::format("`{}` -> `{}`\n", op->operands, op->results);
    if (!op->regions.empty()) text += fmt::format("\nGraphs inside: `{}`\n", op->regions);
    if (!op->attrs.empty()) text += "\n";
    for (const AttrDef& a : op->attrs) text += attribute(a);
    if (op->tolerance.why.empty()) continue;
    text +=
        fmt::format("\nA tactic may differ by k = {}: {}\n", op->tolerance.k, op->tolerance.why);
  }
  return text;
}

Result<std::string> passes_page(const std::string& source) {
  std::string text = fmt::format(
      "# Passes\n\n{}\nThe optimizer, top to bottom, again from the top until nothing changes. "
      "`--no-pass=NAME` leaves one out. The examples are the golden tests.\n",
      kGenerated);
  std::set<std::string_view> shown;
  int place = 0;
  for (const Pass* p : pipeline()) {
    ++place;
    if (!shown.insert(p->name).second) {
      text += fmt::format("\n## {}. {}, again\n", place, p->name);
      continue;
    }
    const std::string golden = fmt::format("{}/src/passes/{}.irtest", source, p->name);
    const std::vector<std::byte> bytes = LATHE_TRY(read_file(golden, int64_t{1} << 20));
    const std::string_view cases(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    text += fmt::format("\n## {}. {}\n\n{}\n\n```\n{}```\n", place, p->name, p->doc, cases);
  }
  return text;
}

std::string tactics_of(const char* device, std::span<const Tactic* const> tactics) {
  std::string text = fmt::format("\n## {}\n\n| tactic | runs | how |\n|---|---|---|\n", device);
  for (const Tactic* t : tactics)
    text += fmt::format("| {} | {} | {} |\n", t->name, t->op == "*" ? "everything" : t->op, t->doc);
  return text;
}

std::string tactics_page() {
  return fmt::format(
             "# Tactics\n\n{}\nIn the order of expectation: the first that does not decline is "
             "what "
             "`--no-tune` takes, and the tie-break when tuning.\n",
             kGenerated) +
         tactics_of("CPU", cpu::make_cpu_device(1)->tactics()) +
         tactics_of("CUDA", cuda::tactics());
}

Status write_pages(const std::string& source, const std::string& out) {
  auto write = [&](const char* name, const std::string& text) {
    return write_file_atomically(fmt::format("{}/{}", out, name), std::as_bytes(std::span(text)));
  };
  LATHE_TRY(write("ops.md", ops_page()));
  LATHE_TRY(write("passes.md", LATHE_TRY(passes_page(source))));
  return write("tactics.md", tactics_page());
}

}  // namespace
}  // namespace lathe

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: lathe_docs SOURCE OUT\n");
    return 2;
  }
  const lathe::Status s = lathe::write_pages(argv[1], argv[2]);
  if (s.ok()) return 0;
  std::fprintf(stderr, "lathe_docs: %s\n", s.message().c_str());
  return 2;
}
