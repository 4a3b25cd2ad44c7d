// SPDX-License-Identifier: Apache-2.0
#pragma once
// The cases of the suite that are expected not to pass, each with a reason:
//
//   operator LSTM        recurrent networks are not implemented
//   case test_adam*      training
//   message *sequence*   sequences are not implemented
//
// `operator` matches the importer's refusal of that operator, `case` the case's name, `message`
// the whole error, with ? for each blank. An entry that matches nothing, and a listed case that
// passes, are failures.
#include <string>
#include <string_view>
#include <vector>

struct SkipEntry {
  enum class Kind { Operator, Case, Message } kind;
  std::string pattern, reason;
  int used = 0;
};

class SkipList {
 public:
  // False: the file cannot be read or has a line that is not understood (said on stderr).
  bool read(const char* path);
  // The entry that expects this failure, or null; `error` empty: the case passed.
  SkipEntry* find(std::string_view name, std::string_view error);
  std::vector<SkipEntry>& entries() { return entries_; }

 private:
  std::vector<SkipEntry> entries_;
};
