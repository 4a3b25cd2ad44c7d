// SPDX-License-Identifier: Apache-2.0
// A Dim as text and back: sums of products of names and calls.
#include <charconv>

#include "tensor/dim_poly.h"
#include "tensor/dim_truncate.h"

namespace lathe {
namespace {

std::string print_atom(const Atom& atom) {
  if (atom.kind == AtomKind::Symbol) return atom.name;
  if (atom.kind == AtomKind::Error) return atom.name + "()";
  return fmt::format("{}({}, {})", function_name(atom.kind), atom.a.to_string(),
                     atom.b.to_string());
}

std::string print_term(const DimTerm& t, int64_t coefficient) {
  std::string out;
  if (coefficient == -1 && !t.factors.empty()) {
    out = "-";
  } else if (coefficient != 1 || t.factors.empty()) {
    out = fmt::format("{}{}", coefficient, t.factors.empty() ? "" : "*");
  }
  for (size_t i = 0; i < t.factors.size(); ++i) {
    if (i != 0) out += "*";
    out += print_atom(*t.factors[i]);
  }
  return out;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

using Function = Dim (*)(const Dim&, const Dim&);
Function find_function(std::string_view name) {
  if (name == "floordiv") return Dim::floor_div;
  if (name == "ceildiv") return Dim::ceil_div;
  if (name == "truncdiv") return trunc_div;
  if (name == "mod") return Dim::mod;
  if (name == "min") return Dim::min;
  if (name == "max") return Dim::max;
  return name == "broadcast" ? Dim::broadcast : nullptr;
}

// sum = product {("+" | "-") product};  product = factor {("*" | "//") factor}
// factor = {"-"} (number | name | name "(" [sum "," sum] ")" | "(" sum ")")
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Dim> whole() {
    Dim d = LATHE_TRY(sum());
    skip_spaces();
    if (at_ != text_.size()) return wrong("the end");
    return d;
  }

 private:
  // Deeper than any printed Dim goes, shallow enough for any stack.
  static constexpr int kMaxNesting = 4 * kMaxDimDepth;

  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool accept(std::string_view token) {
    skip_spaces();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  Status wrong(const char* expected) const {
    return invalid("dimension '{}': expected {} at character {}", text_.substr(0, 80), expected,
                   at_ + 1);
  }

  Result<Dim> sum() {
    if (++nesting_ > kMaxNesting) return invalid("dimension: nested too deeply");
    Dim d = LATHE_TRY(product());
    for (;;) {
      if (accept("+")) {
        d = d + LATHE_TRY(product());
      } else if (accept("-")) {
        d = d - LATHE_TRY(product());
      } else {
        --nesting_;
        return d;
      }
    }
  }

  Result<Dim> product() {
    Dim d = LATHE_TRY(factor());
    for (;;) {
      if (accept("//")) {
        d = Dim::floor_div(d, LATHE_TRY(factor()));
      } else if (accept("*")) {
        d = d * LATHE_TRY(factor());
      } else {
        return d;
      }
    }
  }

  Result<Dim> factor() {
    bool negative = false;
    while (accept("-")) negative = !negative;
    skip_spaces();
    char c = at_ < text_.size() ? text_[at_] : '\0';
    if (is_digit(c)) return number(negative);
    Dim d = LATHE_TRY(is_letter(c) ? name() : parenthesis());
    return negative ? Dim(0) - d : d;
  }

  // The sign belongs to the number, so that the smallest integer can be read.
  Result<Dim> number(bool negative) {
    size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    std::string digits = (negative ? "-" : "") + std::string(text_.substr(begin, at_ - begin));
    int64_t v = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
    if (error != std::errc()) {
      return invalid("dimension: {} does not fit in 63 bits", digits.substr(0, 40));
    }
    return Dim(v);
  }

  Result<Dim> parenthesis() {
    if (!accept("(")) return wrong("a number, a name or '('");
    Dim d = LATHE_TRY(sum());
    if (!accept(")")) return wrong("')'");
    return d;
  }

  Result<Dim> name() {
    size_t begin = at_;
    while (at_ < text_.size() &&
           (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '.')) {
      ++at_;
    }
    std::string_view word = text_.substr(begin, at_ - begin);
    if (at_ == text_.size() || text_[at_] != '(') return Dim::symbol(word);
    ++at_;
    for (const char* error : {kOverflow, kDivideByZero, kTooComplex}) {
      if (word == error) return accept(")") ? Result<Dim>(DimBuilder::error(error)) : wrong("')'");
    }
    Function function = find_function(word);
    if (function == nullptr)
      return wrong("floordiv, ceildiv, truncdiv, mod, min, max or broadcast");
    Dim a = LATHE_TRY(sum());
    if (!accept(",")) return wrong("','");
    Dim b = LATHE_TRY(sum());
    if (!accept(")")) return wrong("')'");
    return function(a, b);
  }

  std::string_view text_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

std::string Dim::to_string() const {
  if (is_constant()) return std::to_string(constant_);
  std::string out;
  for (const DimTerm& t : poly_->terms) {
    bool minus = !out.empty() && t.coefficient < 0 && t.coefficient != Range::kLow;
    if (!out.empty()) out += minus ? " - " : " + ";
    out += print_term(t, minus ? -t.coefficient : t.coefficient);
  }
  return out;
}

Result<Dim> Dim::parse(std::string_view text) {
  constexpr size_t kMaxText = 1 << 16;
  if (text.size() > kMaxText) return invalid("dimension: the text is longer than {}", kMaxText);
  return Parser(text).whole();
}

}  // namespace lathe
