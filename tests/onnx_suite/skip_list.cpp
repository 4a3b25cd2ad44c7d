// SPDX-License-Identifier: Apache-2.0
#include "skip_list.h"

#include <fnmatch.h>

#include <cstdio>
#include <fstream>
#include <sstream>

namespace {

bool matches(const SkipEntry& e, std::string_view name, std::string_view error) {
  const auto glob = [&](std::string_view text) {
    return fnmatch(e.pattern.c_str(), std::string(text).c_str(), 0) == 0;
  };
  switch (e.kind) {
    case SkipEntry::Kind::Case: return glob(name);
    case SkipEntry::Kind::Message: return glob(error);
    default:
      return error.find("the operator " + e.pattern + " of domain") != std::string_view::npos;
  }
}

bool parse(const std::string& line, SkipEntry& e) {
  std::istringstream in(line);
  std::string kind;
  in >> kind >> e.pattern;
  std::getline(in >> std::ws, e.reason);
  if (kind == "operator")
    e.kind = SkipEntry::Kind::Operator;
  else if (kind == "case")
    e.kind = SkipEntry::Kind::Case;
  else if (kind == "message")
    e.kind = SkipEntry::Kind::Message;
  else
    return false;
  return !e.reason.empty();
}

}  // namespace

bool SkipList::read(const char* path) {
  std::ifstream file(path);
  if (!file) return false;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    SkipEntry e{};
    if (!parse(line, e)) {
      std::fprintf(stderr, "%s: not understood: %s\n", path, line.c_str());
      return false;
    }
    entries_.push_back(std::move(e));
  }
  return true;
}

SkipEntry* SkipList::find(std::string_view name, std::string_view error) {
  for (SkipEntry& e : entries_) {
    if (error.empty() && e.kind != SkipEntry::Kind::Case) continue;
    if (!matches(e, name, error)) continue;
    ++e.used;
    return &e;
  }
  return nullptr;
}
