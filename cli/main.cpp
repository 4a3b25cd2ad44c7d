// SPDX-License-Identifier: Apache-2.0
// lathe build | run | bench | inspect | compare | ops | devices | version
#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <system_error>

#include "command.h"
#include "interrupt.h"
#include "show.h"

namespace lathe::cli {

int fail(const Status& status, std::string_view file) {
  const bool named = file.empty() || status.message().find(file) != std::string::npos;
  const std::string where = named ? std::string() : std::string(file) + ": ";
  std::fprintf(stderr, "lathe: %s\n", printable(where + status.message()).c_str());
  if (!status.cure().empty()) std::fprintf(stderr, "       %s\n", printable(status.cure()).c_str());
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
  if (level >= kWarning) std::fprintf(stderr, "lathe: warning: %s\n", printable(message).c_str());
}

// Where a standard stream is closed, the next file that is opened would take its number, and what
// is printed would go into it. Writing to these fails instead.
void hold_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF)
      (void)::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
  }
}

// Arguments that were not understood, as any other error.
int fail_to_parse(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  const std::string command = chosen.empty() ? "" : " " + chosen[0]->get_name();
  return fail(bad(error.what()).with_cure("lathe" + command + " --help shows what can be given"));
}

// CLI11 would say of a word that it does not know only that a command is missing.
Status check_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return {};
  std::string known;
  for (const CLI::App* c : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (c->get_name() == argv[1]) return {};
    known += (known.empty() ? "" : ", ") + c->get_name();
  }
  return bad(std::string("there is no command '") + argv[1] + "'")
      .with_cure("the commands are " + known);
}

// Results that nobody could read are no results.
int flush_results(int exit_code) {
  if (exit_code != kFine && exit_code != kDifferent) return exit_code;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  const Status status(Code::DeviceLost,
                      std::string("standard output: cannot write: ") + std::strerror(errno));
  return fail(status);
}

int run(CLI::App& app, int argc, char** argv, const int& exit_code) {
  if (Status s = check_command(app, argc, argv); !s.ok()) return fail(s);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return e.get_exit_code() == 0 ? app.exit(e) : fail_to_parse(app, e);
  } catch (const std::system_error& e) {  // of fmt::print
    return fail(Status(Code::DeviceLost, std::string("standard output: ") + e.what()));
  } catch (const std::exception& e) {
    return fail(Status(Code::Internal, std::string("bug: ") + e.what()));
  }
  return exit_code;
}

}  // namespace
}  // namespace lathe::cli

int main(int argc, char** argv) {
  using namespace lathe::cli;
  hold_standard_streams();
  watch_for_interrupts();
  if (std::getenv("LATHE_LOG") == nullptr) lathe::set_log_sink(show_warnings, nullptr);
  CLI::App app("Lathe turns a trained network (ONNX) into a tuned inference engine and runs it.");
  app.name("lathe");
  app.set_version_flag("--version", std::string("lathe ") + lathe::version());
  app.require_subcommand(1);
  app.footer(
      "lathe COMMAND --help shows a command's options and examples of it.\n\n"
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
  return flush_results(run(app, argc, argv, exit_code));
}
