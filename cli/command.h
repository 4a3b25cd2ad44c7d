// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the subcommands share: one function each, registered in main.cpp, exit codes, errors.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "lathe/lathe.h"

namespace lathe::cli {

// Exit codes of every command.
constexpr int kFine = 0, kDifferent = 1, kBadInput = 2, kMachine = 3, kBug = 70;

// Prints "lathe: message" and, where known, the cure on a second line; the exit code. `file` is
// named in front where the message does not name it.
int fail(const Status& status, std::string_view file = {});

// What is wrong with an argument, as an error.
inline Status bad(std::string message) { return Status(Code::InvalidInput, std::move(message)); }

// Whether a file can be written there, before the minutes that its contents take: a folder that
// exists and may be written to.
Status check_writable(const std::string& path);
// Whether the path is a regular file; opening a pipe would wait for somebody to write.
Status check_regular(const std::string& path);

// Each adds its subcommand and the callback that runs it; `exit_code` receives the result.
void add_build(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_compare(CLI::App& app, int& exit_code);
void add_facts(CLI::App& app, int& exit_code);  // ops, devices, version

}  // namespace lathe::cli
