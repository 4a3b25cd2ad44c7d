// SPDX-License-Identifier: Apache-2.0
// The text form of expressions.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "ops/expr.h"

namespace lathe {
namespace {

// a, b, ... z, a1, b1, ...
std::string input_name(size_t k) {
  std::string name(1, static_cast<char>('a' + k % 26));
  return k < 26 ? name : name + std::to_string(k / 26);
}

std::string literal_text(const ExprNode& n) {
  if (n.dtype == DType::Bool) return n.integer != 0 ? "true" : "false";
  std::string_view type = to_string(n.dtype);
  if (n.dtype == DType::U64) return fmt::format("{}:{}", static_cast<uint64_t>(n.integer), type);
  if (!is_float(n.dtype)) return fmt::format("{}:{}", n.integer, type);
  if (std::isnan(n.value)) return n.dtype == DType::F32 ? "nan" : fmt::format("nan:{}", type);
  if (n.dtype == DType::F64) return fmt::format("{}:{}", n.value, type);
  std::string value = fmt::format("{}", static_cast<float>(n.value));
  return n.dtype == DType::F32 ? value : fmt::format("{}:{}", value, type);
}

class ExprPrinter {
 public:
  explicit ExprPrinter(const Expr& e)
      : e_(e), uses_(e.nodes().size(), 0), names_(e.nodes().size()) {}

  std::string run() {
    std::string out = "(";
    for (size_t k = 0; k < e_.inputs().size(); ++k) {
      out += fmt::format("{}{}:{}", k == 0 ? "" : ", ", input_name(k), to_string(e_.inputs()[k]));
    }
    out += ") -> ";
    for (const ExprNode& n : e_.nodes()) {
      for (int k = 0; k < arity(n.op); ++k) ++uses_[static_cast<size_t>(n.args[k])];
    }
    for (int32_t o : e_.outputs()) ++uses_[static_cast<size_t>(o)];
    out += lets();
    for (size_t k = 0; k < e_.outputs().size(); ++k) {
      if (k > 0) out += ", ";
      print(e_.outputs()[k], out);
    }
    return out;
  }

 private:
  std::string lets() {
    // The name must be no input's: t is the twentieth.
    std::string stem = e_.inputs().size() < 20 ? "t" : "tt", out;
    int count = 0;
    for (size_t i = 0; i < e_.nodes().size(); ++i) {
      const ExprNode& n = e_.nodes()[i];
      if (uses_[i] < 2 || n.op == ScalarOp::Input || n.op == ScalarOp::Literal) continue;
      std::string name = count == 0 ? stem : stem + std::to_string(count);
      ++count;
      out += "let " + name + " = ";
      print(static_cast<int>(i), out);
      out += " in ";
      names_[i] = std::move(name);
    }
    return out;
  }

  void print(int index, std::string& out) const {
    const ExprNode& n = e_.nodes()[static_cast<size_t>(index)];
    if (!names_[static_cast<size_t>(index)].empty()) {
      out += names_[static_cast<size_t>(index)];
    } else if (n.op == ScalarOp::Input) {
      out += input_name(static_cast<size_t>(n.input));
    } else if (n.op == ScalarOp::Literal) {
      out += literal_text(n);
    } else {
      out += to_string(n.op);
      for (int k = 0; k < arity(n.op); ++k) {
        out += k == 0 ? "(" : ", ";
        print(n.args[k], out);
      }
      if (n.op == ScalarOp::Cast || n.op == ScalarOp::CastSaturate) {
        out += fmt::format(", {}", to_string(n.dtype));
      }
      out += ")";
    }
  }

  const Expr& e_;
  std::vector<int> uses_;
  std::vector<std::string> names_;
};

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::optional<ScalarOp> find_call(std::string_view name) {
  for (int op = static_cast<int>(ScalarOp::Cast); op <= static_cast<int>(ScalarOp::Select); ++op) {
    if (to_string(static_cast<ScalarOp>(op)) == name) return static_cast<ScalarOp>(op);
  }
  return std::nullopt;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Expr> run() {
    LATHE_TRY(inputs());
    LATHE_TRY(expect("->"));
    while (peek_word() == "let") LATHE_TRY(let());
    do {
      e_.output(LATHE_TRY(value(0)));
    } while (accept(","));
    skip_space();
    if (at_ != text_.size()) return error("the end");
    return std::move(e_);
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(std::string_view token) {
    skip_space();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  Status expect(std::string_view token) {
    if (accept(token)) return {};
    return error(token);
  }
  Status error(std::string_view expected) const {
    return invalid("expression: expected {} at '{}'", expected, text_.substr(at_, 24));
  }
  std::string_view peek_word() {
    skip_space();
    size_t end = at_;
    while (end < text_.size() && is_name_char(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  Result<std::string_view> word(std::string_view expected) {
    std::string_view w = peek_word();
    if (w.empty()) return error(expected);
    at_ += w.size();
    return w;
  }
  Result<DType> type() {
    DType t = LATHE_TRY(parse_dtype(LATHE_TRY(word("a type"))));
    if (!is_computable(t))
      return invalid("expression: {} is not a type to compute with", to_string(t));
    return t;
  }

  Status define(std::string_view name, int node) {
    for (const auto& [known, unused] : names_) {
      if (known == name) return invalid("expression: '{}' is defined twice", name);
    }
    if (names_.size() >= kMaxExprNodes) return too_long();
    names_.emplace_back(name, node);
    return {};
  }
  static Status too_long() {
    return invalid("expression: more than {} instructions", kMaxExprNodes);
  }

  // Inputs are named with -1 - k; their nodes are made at the first use.
  Status inputs() {
    LATHE_TRY(expect("("));
    if (accept(")")) return {};
    do {
      std::string_view name = LATHE_TRY(word("an input's name"));
      LATHE_TRY(expect(":"));
      LATHE_TRY(define(name, -1 - e_.add_input(LATHE_TRY(type()))));
    } while (accept(","));
    return expect(")");
  }

  Status let() {
    at_ += 3;
    std::string_view name = LATHE_TRY(word("a name"));
    LATHE_TRY(expect("="));
    int node = LATHE_TRY(value(0));
    LATHE_TRY(define(name, node));
    if (peek_word() != "in") return error("in");
    at_ += 2;
    return {};
  }

  Result<int> value(int depth) {
    if (depth > kMaxExprNodes || e_.nodes().size() >= kMaxExprNodes) return too_long();
    skip_space();
    char c = at_ < text_.size() ? text_[at_] : '\0';
    if (c == '-' || (c >= '0' && c <= '9')) return literal();
    std::string_view name = peek_word();
    for (const auto& [known, node] : names_) {
      if (known != name) continue;
      at_ += name.size();
      return node < 0 ? e_.input(-1 - node) : node;
    }
    if (name == "inf" || name == "nan" || name == "true" || name == "false") return literal();
    if (name.empty()) return error("a value");
    std::optional<ScalarOp> op = find_call(name);
    if (!op) return error("a known name");
    at_ += name.size();
    return call(*op, depth);
  }

  Result<int> call(ScalarOp op, int depth) {
    LATHE_TRY(expect("("));
    int args[3] = {};
    DType types[3] = {};
    int count = arity(op);
    for (int k = 0; k < count; ++k) {
      if (k > 0) LATHE_TRY(expect(","));
      args[k] = LATHE_TRY(value(depth + 1));
      types[k] = e_.nodes()[static_cast<size_t>(args[k])].dtype;
    }
    if (op == ScalarOp::Cast || op == ScalarOp::CastSaturate) {
      LATHE_TRY(expect(","));
      DType to = LATHE_TRY(type());
      LATHE_TRY(expect(")"));
      return e_.cast(args[0], to, op == ScalarOp::CastSaturate);
    }
    LATHE_TRY(expect(")"));
    LATHE_TRY(result_type(op, {types, static_cast<size_t>(count)}));
    if (count == 1) return e_.call(op, {args[0]});
    if (count == 2) return e_.call(op, {args[0], args[1]});
    return e_.call(op, {args[0], args[1], args[2]});
  }

  // The longest run of characters of a number or word: -1.5e-3, inf, true.
  std::string_view literal_token() {
    size_t start = at_;
    if (text_[at_] == '-') ++at_;
    while (at_ < text_.size()) {
      char c = text_[at_];
      bool sign = (c == '+' || c == '-') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E');
      if (!is_name_char(c) && c != '.' && !sign) break;
      ++at_;
    }
    return text_.substr(start, at_ - start);
  }

  Result<int> literal() {
    std::string_view token = literal_token();
    if (token == "true" || token == "false") return e_.literal_int(DType::Bool, token == "true");
    DType t = DType::F32;
    if (accept(":")) t = LATHE_TRY(type());
    if (t == DType::F64) return e_.literal(t, LATHE_TRY(number<double>(token)));
    if (is_float(t)) return e_.literal(t, LATHE_TRY(number<float>(token)));
    int64_t value = t == DType::U64 ? static_cast<int64_t>(LATHE_TRY(number<uint64_t>(token)))
                                    : LATHE_TRY(number<int64_t>(token));
    int node = e_.literal_int(t, value);
    if (e_.nodes()[static_cast<size_t>(node)].integer == value) return node;
    return invalid("expression: {} is out of range for {}", token, to_string(t));
  }

  template <class T>
  static Result<T> number(std::string_view token) {
    T value{};
    auto [end, code] = std::from_chars(token.data(), token.data() + token.size(), value);
    if (code == std::errc() && end == token.data() + token.size()) return value;
    return invalid("expression: '{}' is not a literal of its type", token.substr(0, 40));
  }

  std::string_view text_;
  size_t at_ = 0;
  Expr e_;
  std::vector<std::pair<std::string_view, int>> names_;
};

}  // namespace

std::string Expr::to_string() const { return ExprPrinter(canonical()).run(); }

Result<Expr> Expr::parse(std::string_view text) {
  Expr e = LATHE_TRY(Parser(text).run());
  return e.canonical();
}

}  // namespace lathe
