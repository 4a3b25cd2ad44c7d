// SPDX-License-Identifier: Apache-2.0
// lathe build | run | bench | inspect | compare | ops | devices | version
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "command.h"

namespace lathe::cli {

int fail(const Status& status, std::string_view file) {
  const bool named = file.empty() || status.message().find(file) != std::string::npos;
  const std::string where = named ? std::string() : std::string(file) + ": ";
  std::fprintf(stderr, "lathe: %s%s\n", where.c_str(), status.message().c_str());
  if (!status.cure().empty()) std::fprintf(stderr, "       %s\n", status.cure().c_str());
  switch (status.code()) {
    case Code::Ok: return kFine;
    case Code::InvalidInput:
    case Code::NotFound:
    case Code::Unsupported: return kBadInput;
    case Code::Cancelled:
    case Code::OutOfMemory:
    case Code::DeviceLost: return kMachine;
    case Code::Internal: return kBug;
  }
  return kBug;
}

namespace {

// What the library warns of, once each; LATHE_LOG asks for more, and then prints by itself.
void show_warnings(void*, int level, const char* message) {
  constexpr int kWarning = 3;
  if (level >= kWarning) std::fprintf(stderr, "lathe: warning: %s\n", message);
}

}  // namespace
}  // namespace lathe::cli

int main(int argc, char** argv) {
  using namespace lathe::cli;
  if (std::getenv("LATHE_LOG") == nullptr) lathe::set_log_sink(show_warnings, nullptr);
  CLI::App app("Lathe turns a trained network (ONNX) into a tuned inference engine and runs it.");
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  lathe build resnet50.onnx -o resnet50.engine --shapes input:1x3x224x224\n"
      "  lathe run resnet50.engine --input input=cat.jpg --top 5\n"
      "  lathe bench resnet50.engine\n"
      "Exit codes: 0 fine, 1 compared and different, 2 the input is wrong, 3 the machine failed, "
      "70 a bug of ours.");
  int exit_code = kFine;
  add_build(app, exit_code);
  add_run(app, exit_code);
  add_bench(app, exit_code);
  add_inspect(app, exit_code);
  add_compare(app, exit_code);
  add_facts(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? kFine : kBadInput;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "lathe: bug: %s\n", e.what());
    return kBug;
  }
  return exit_code;
}
