// SPDX-License-Identifier: Apache-2.0
// Reads the text form of a graph. The text may come from a stranger: depth is bounded, everything
// is checked by the same inference that building a graph in memory goes through.
#include <algorithm>
#include <set>

#include "graph/graph.h"
#include "graph/text_words.h"

namespace lathe {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  void skip_blanks() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size() - 1);
      } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
        return;
      }
    }
  }
  bool at_end() { return skip_blanks(), at_ == text_.size(); }
  bool peek(char c) { return !at_end() && text_[at_] == c; }
  bool accept(char c) { return peek(c) && ++at_; }
  Status expect(char c) { return accept(c) ? Status() : wrong(fmt::format("'{}'", c)); }
  bool accept_word(std::string_view word) {
    skip_blanks();
    const size_t end = at_ + word.size();
    if (text_.substr(at_, word.size()) != word) return false;
    if (end < text_.size() && is_name_char(text_[end])) return false;
    at_ = end;
    return true;
  }
  Result<std::string> name();  // one word, or in quotes
  Result<std::string> quoted();
  // From an opening bracket to the one that closes it, both included.
  Result<std::string_view> bracketed();
  std::string_view type_text();  // up to a comma, parenthesis or blank outside of brackets

  Status wrong(std::string_view expected) {
    if (at_end()) return invalid("line {}: expected {}, found the end", line(), expected);
    return invalid("line {}: expected {}, found '{}'", line(), expected, text_[at_]);
  }
  size_t position() const { return at_; }
  size_t line() const { return line(at_); }
  size_t line(size_t position) const {
    return 1 + static_cast<size_t>(
                   std::count(text_.begin(), text_.begin() + static_cast<long>(position), '\n'));
  }

 private:
  Result<char> escape();
  std::string_view text_;
  size_t at_ = 0;
};

Result<std::string> Reader::name() {
  if (peek('"')) return quoted();
  const size_t begin = at_;
  while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
  if (at_ == begin) return wrong("a name");
  return std::string(text_.substr(begin, at_ - begin));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// At the character after the backslash.
Result<char> Reader::escape() {
  if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\\')) return text_[at_++];
  if (at_ + 2 < text_.size() && text_[at_] == 'x') {
    const int high = hex_digit(text_[at_ + 1]), low = hex_digit(text_[at_ + 2]);
    if (high >= 0 && low >= 0) return at_ += 3, static_cast<char>(high * 16 + low);
  }
  return invalid("line {}: unknown escape in a string", line());
}

Result<std::string> Reader::quoted() {
  LATHE_TRY(expect('"'));
  std::string out;
  while (at_ < text_.size() && text_[at_] != '"') {
    const char c = text_[at_++];
    out += c == '\\' ? LATHE_TRY(escape()) : c;
  }
  if (at_ == text_.size()) return invalid("line {}: a string does not end", line());
  ++at_;
  return out;
}

Result<std::string_view> Reader::bracketed() {
  const size_t begin = at_;
  int open = 0;
  for (bool in_string = false; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (in_string) {
      if (c == '\\') ++at_;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '(' || c == '[') ++open;
    if (c == '}' || c == ')' || c == ']') --open;
    if (open == 0) return ++at_, text_.substr(begin, at_ - begin);
  }
  at_ = begin;
  return invalid("line {}: a bracket is never closed", line());
}

std::string_view Reader::type_text() {
  skip_blanks();
  const size_t begin = at_;
  for (int open = 0; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '[' || c == '(') ++open;
    if (open == 0 && (c == ',' || c == ')' || c == ' ' || c == '\n')) break;
    if (c == ']' || c == ')') --open;
  }
  return text_.substr(begin, at_ - begin);
}

struct Parser {
  Reader& in;
  int depth;
  size_t start = 0;  // of the node or input that is being read

  Result<Graph> graph();

 private:
  Status inputs(Graph& g);
  Status constraint(Graph& g);
  Status node(Graph& g);
  Status outputs(Graph& g);
  Result<std::vector<std::unique_ptr<Graph>>> regions();
  Result<std::string> value_name() {
    LATHE_TRY(in.expect('%'));
    return in.name();
  }
  Result<Value*> value(const Graph& g);
  Result<std::vector<std::string>> results(const Graph& g);
  Result<std::vector<Value*>> operands(const Graph& g);
  // Puts the line before the error of a checker that knows no lines.
  Status here(Status s) { return std::move(s).at(fmt::format("line {}", in.line(start))); }
};

Result<Value*> Parser::value(const Graph& g) {
  std::string name = LATHE_TRY(value_name());
  if (Value* v = g.find_value(name)) return v;
  return invalid("line {}: %{} is not defined", in.line(), name);
}

Status check_input_type(const TensorType& type) {
  if (type.absent()) return invalid("an input needs a type");
  Shape constant;
  for (const Dim& d : type.shape) {
    if (d.is_constant()) constant.push_back(d);
  }
  return constant.evaluate({}).status();
}

Status Parser::inputs(Graph& g) {
  std::set<std::string> ports;
  LATHE_TRY(in.expect('('));
  while (!in.accept(')')) {
    if (!g.inputs.empty()) LATHE_TRY(in.expect(','));
    std::string port;
    const bool renamed = !in.peek('%');
    if (renamed) {
      port = LATHE_TRY(in.name());
      LATHE_TRY(in.expect('='));
    }
    std::string name = LATHE_TRY(value_name());
    if (!renamed) port = name;
    if (g.find_value(name)) return invalid("line {}: %{} is defined twice", in.line(), name);
    if (!ports.insert(port).second) return invalid("line {}: two inputs '{}'", in.line(), port);
    LATHE_TRY(in.expect(':'));
    start = in.position();
    Result<TensorType> type = TensorType::parse(in.type_text());
    if (!type.ok()) return here(std::move(type).status());
    if (Status s = check_input_type(*type); !s.ok()) return here(std::move(s));
    g.rename(g.add_input(port, *std::move(type)), name);
  }
  return {};
}

Status Parser::constraint(Graph& g) {
  Constraint c;
  bool known = false;
  for (auto [kind, word] : kConstraintWords) {
    if (!in.accept_word(word)) continue;
    c.kind = kind;
    known = true;
    break;
  }
  if (!known) return in.wrong("a kind of constraint");
  if (!in.peek('(')) return in.wrong("'('");
  std::string_view text = LATHE_TRY(in.bracketed());
  text = text.substr(1, text.size() - 2);
  size_t comma = text.npos;
  for (size_t k = 0, open = 0; k < text.size() && comma == text.npos; ++k) {
    if (text[k] == '(') ++open;
    if (text[k] == ')') --open;
    if (text[k] == ',' && open == 0) comma = k;
  }
  if ((comma != text.npos) != has_two_sides(c.kind)) {
    return invalid("line {}: wrong number of expressions", in.line());
  }
  auto side = [&](std::string_view part) {
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    return Dim::parse(part);
  };
  c.a = LATHE_TRY(side(text.substr(0, comma)));
  if (comma != text.npos) c.b = LATHE_TRY(side(text.substr(comma + 1)));
  c.message = LATHE_TRY(in.quoted());
  g.add_constraint(std::move(c));
  return {};
}

Result<std::vector<std::string>> Parser::results(const Graph& g) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  do {
    std::string name = LATHE_TRY(value_name());
    if (g.find_value(name) || !seen.insert(name).second) {
      return invalid("line {}: %{} is defined twice", in.line(), name);
    }
    names.push_back(std::move(name));
  } while (in.accept(','));
  LATHE_TRY(in.expect('='));
  return names;
}

Result<std::vector<Value*>> Parser::operands(const Graph& g) {
  std::vector<Value*> list;
  LATHE_TRY(in.expect('('));
  while (!in.accept(')')) {
    if (!list.empty()) LATHE_TRY(in.expect(','));
    list.push_back(in.accept('_') ? nullptr : LATHE_TRY(value(g)));
  }
  return list;
}

Result<std::vector<std::unique_ptr<Graph>>> Parser::regions() {
  std::vector<std::unique_ptr<Graph>> list;
  if (!in.accept('{')) return list;
  while (!in.accept('}')) {
    Graph region = LATHE_TRY((Parser{in, depth + 1}.graph()));
    list.push_back(std::make_unique<Graph>(std::move(region)));
  }
  return list;
}

Status Parser::node(Graph& g) {
  in.skip_blanks();
  start = in.position();
  std::vector<std::string> names = LATHE_TRY(results(g));
  std::string op = LATHE_TRY(in.name());
  const OpDef* def = find_op(op);
  if (!def) return invalid("line {}: there is no operator '{}'", in.line(), op);
  Attrs attrs;
  if (in.peek('{')) {
    Result<Attrs> parsed = Attrs::parse(LATHE_TRY(in.bracketed()), def->attrs);
    if (!parsed.ok()) return here(std::move(parsed).status());
    attrs = *std::move(parsed);
  }
  std::vector<Value*> list = LATHE_TRY(operands(g));
  std::string node_name;
  if (in.peek('"')) node_name = LATHE_TRY(in.quoted());
  std::vector<std::unique_ptr<Graph>> inside = LATHE_TRY(regions());
  Result<Node*> node =
      g.append(op, std::move(list), std::move(attrs), node_name, nullptr, std::move(inside));
  if (!node.ok()) return here(std::move(node).status());
  const std::vector<Value*>& outs = (*node)->outputs;
  if (outs.size() != names.size()) {
    return invalid("line {}: {} has {} outputs, {} are named", in.line(), op, outs.size(),
                   names.size());
  }
  for (size_t k = 0; k < names.size(); ++k) g.rename(outs[k], names[k]);
  return {};
}

Status Parser::outputs(Graph& g) {
  std::set<std::string> ports;
  while (!in.accept('}')) {
    if (!g.outputs.empty()) LATHE_TRY(in.expect(','));
    std::string port = LATHE_TRY(in.name());
    if (!ports.insert(port).second) return invalid("line {}: two outputs '{}'", in.line(), port);
    LATHE_TRY(in.expect('='));
    g.add_output(port, LATHE_TRY(value(g)));
  }
  return {};
}

Result<Graph> Parser::graph() {
  if (depth > kMaxRegionDepth) {
    return invalid("line {}: regions nest deeper than {}", in.line(), kMaxRegionDepth);
  }
  if (!in.accept_word("graph")) return in.wrong("'graph'");
  Graph g;
  g.name = LATHE_TRY(in.name());
  LATHE_TRY(inputs(g));
  LATHE_TRY(in.expect('{'));
  while (in.accept_word("require")) LATHE_TRY(constraint(g));
  while (!in.accept_word("return")) LATHE_TRY(node(g));
  LATHE_TRY(outputs(g));
  return g;
}

}  // namespace

Result<Graph> parse_graph(std::string_view text) {
  Reader in(text);
  Graph g = LATHE_TRY((Parser{in, 0}.graph()));
  if (!in.at_end()) return in.wrong("the end");
  return g;
}

}  // namespace lathe
