// SPDX-License-Identifier: Apache-2.0
#include "ops/text.h"

namespace lathe {

std::string_view trimmed(std::string_view text) {
  size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<std::vector<std::string_view>> split_top(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  if (trimmed(text).empty()) return out;
  std::string closers;  // what must close, innermost last
  bool in_quotes = false;
  size_t start = 0;
  auto cut = [&](size_t end) {
    std::string_view part = trimmed(text.substr(start, end - start));
    if (separator != ' ' || !part.empty()) out.push_back(part);
    start = end + 1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_quotes) {
      if (c == '\\') ++i;
      in_quotes = c != '"';
      continue;
    }
    in_quotes = c == '"';
    if (c == '(' || c == '[' || c == '{') closers += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (closers.empty() || closers.back() != c) return invalid("'{}' without its opening", c);
      closers.pop_back();
    }
    if (c == separator && closers.empty()) cut(i);
  }
  if (in_quotes) return invalid("a quote is not closed");
  if (!closers.empty()) return invalid("'{}' is missing", closers.back());
  cut(text.size());
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

Result<std::string> unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
    return invalid("'{}' is not quoted text", text.substr(0, 40));
  }
  std::string out;
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') return invalid("a quote inside of quoted text");
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return invalid("quoted text ends in a backslash");
    out += text[i] == 'n' ? '\n' : text[i];
  }
  return out;
}

}  // namespace lathe
