// SPDX-License-Identifier: Apache-2.0
// The text of cases.
#include "ops/cases.h"

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "ops/text.h"

namespace lathe {
namespace {

constexpr int64_t kMaxBytes = 1 << 20;

std::string_view without_comment(std::string_view line) {
  bool in_quotes = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') in_quotes = !in_quotes;
    if (line[i] == '#' && !in_quotes) return line.substr(0, i);
  }
  return line;
}

Result<double> parse_case_value(std::string_view text) {
  if (text == "true" || text == "false") return text == "true" ? 1.0 : 0.0;
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return invalid("'{}' is not a number", text.substr(0, 40));
}

// "{1, 2}"
Result<std::vector<double>> parse_case_values(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') {
    return invalid("'{}' is not {{...}}", text.substr(0, 40));
  }
  std::vector<double> out;
  for (std::string_view v : LATHE_TRY(split_top(text.substr(1, text.size() - 2), ','))) {
    out.push_back(LATHE_TRY(parse_case_value(v)));
  }
  return out;
}

// "{N=5, M=3}"
Result<Bindings> parse_bindings(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') {
    return invalid("'{}' is not {{...}}", text.substr(0, 40));
  }
  Bindings out;
  for (std::string_view item : LATHE_TRY(split_top(text.substr(1, text.size() - 2), ','))) {
    size_t equals = std::min(item.find('='), item.size() - 1);
    double value = LATHE_TRY(parse_case_value(trimmed(item.substr(equals + 1))));
    out[std::string(trimmed(item.substr(0, equals)))] = static_cast<int64_t>(value);
  }
  return out;
}

// One line taken apart.
class LineParser {
 public:
  LineParser(const OpDef& def, int line) {
    case_.def = &def;
    case_.line = line;
    std::string_view spec = def.operands;
    while (!spec.empty()) {
      size_t end = std::min(spec.find(' '), spec.size());
      std::string_view name = spec.substr(0, end);
      spec.remove_prefix(std::min(end + 1, spec.size()));
      if (name.empty()) continue;
      if (name.ends_with("...")) {
        repeated_ = true;
        continue;
      }
      if (name.front() == '[') name = name.substr(1, name.size() - 2);
      names_.emplace_back(name);
      case_.in.emplace_back();
    }
  }

  Result<Case> run(std::string_view text) {
    size_t error = text.find("error:");
    if (error != text.npos) {
      case_.error = trimmed(text.substr(error + 6));
      text = text.substr(0, error);
    }
    case_.text = trimmed(text);
    for (std::string_view token : LATHE_TRY(split_top(text, ' '))) LATHE_TRY(parse_token(token));
    case_.attrs = LATHE_TRY(Attrs::parse("{" + attrs_ + "}", case_.def->attrs));
    while (!repeated_ && !case_.in.empty() && case_.in.back().absent()) case_.in.pop_back();
    case_.fills.resize(case_.in.size());
    for (auto& [name, fill] : fills_) LATHE_TRY(set_fill(name, std::move(fill)));
    return std::move(case_);
  }

 private:
  Status parse_token(std::string_view token) {
    size_t colon = token.find(':'), equals = token.find('=');
    if (colon < equals) return parse_operand(token.substr(0, colon), token.substr(colon + 1));
    if (equals == token.npos) return invalid("'{}' is neither operand nor attribute", token);
    std::string_view key = token.substr(0, equals), value = token.substr(equals + 1);
    if (key == "fill") return parse_fill(value);
    if (key == "range") return parse_range(value);
    if (key == "region") return parse_region(value);
    if (key == "at") {
      case_.at = LATHE_TRY(parse_bindings(value));
      return {};
    }
    if (key.starts_with("expect_shape")) {
      case_.expect_type[LATHE_TRY(suffix(key.substr(12)))] = LATHE_TRY(TensorType::parse(value));
      return {};
    }
    if (key.starts_with("expect")) {
      case_.expect[LATHE_TRY(suffix(key.substr(6)))] = LATHE_TRY(parse_case_values(value));
      return {};
    }
    attrs_ += fmt::format("{}{}", attrs_.empty() ? "" : ", ", token);
    return {};
  }

  static Result<int> suffix(std::string_view digits) {
    if (digits.empty()) return 0;
    return static_cast<int>(LATHE_TRY(parse_case_value(digits)));
  }

  Status parse_operand(std::string_view name, std::string_view text) {
    TensorType type = LATHE_TRY(TensorType::parse(text));
    auto known = std::ranges::find(names_, name);
    if (known != names_.end()) {
      case_.in[static_cast<size_t>(known - names_.begin())] = std::move(type);
      return {};
    }
    if (!repeated_) return invalid("no operand is called '{}'", name);
    names_.emplace_back(name);
    case_.in.push_back(std::move(type));
    return {};
  }

  CaseFill& fill_of(std::string_view name) { return fills_[std::string(name)]; }

  Status parse_fill(std::string_view text) {
    size_t colon = text.find(':');
    if (colon == text.npos) return invalid("fill={} is not fill=NAME:KIND", text);
    CaseFill& fill = fill_of(text.substr(0, colon));
    std::string_view what = text.substr(colon + 1);
    if (what.starts_with("const")) what.remove_prefix(5);
    if (what.starts_with("{")) {
      fill.kind = CaseFill::Kind::Values;
      fill.values = LATHE_TRY(parse_case_values(what));
      if (fill.values.empty()) return invalid("no values to fill with");
    } else if (what == "iota") {
      fill.kind = CaseFill::Kind::Iota;
    } else if (what == "shuffle") {
      fill.kind = CaseFill::Kind::Shuffle;
    } else if (what == "special") {
      fill.kind = CaseFill::Kind::Special;
    } else {
      return invalid("'{}' is not a way to fill", what);
    }
    return {};
  }

  Status parse_region(std::string_view text) {
    const size_t arrow = text.find("->");
    if (arrow == text.npos) return invalid("'{}' is not (types)->(types)", text);
    RegionType region;
    for (auto [part, into] : {std::pair{text.substr(0, arrow), &region.in},
                              std::pair{text.substr(arrow + 2), &region.out}}) {
      if (!part.starts_with('(') || !part.ends_with(')'))
        return invalid("'{}' is not (types)", part);
      for (std::string_view type : LATHE_TRY(split_top(part.substr(1, part.size() - 2), ',')))
        into->push_back(LATHE_TRY(TensorType::parse(type)));
    }
    case_.regions.push_back(std::move(region));
    return {};
  }

  Status parse_range(std::string_view text) {
    size_t colon = text.find(':'), dots = text.find("..");
    if (colon == text.npos || dots == text.npos) return invalid("'{}' is not NAME:A..B", text);
    CaseFill& fill = fill_of(text.substr(0, colon));
    fill.has_range = true;
    fill.low = LATHE_TRY(parse_case_value(text.substr(colon + 1, dots - colon - 1)));
    fill.high = LATHE_TRY(parse_case_value(text.substr(dots + 2)));
    return {};
  }

  Status set_fill(std::string_view name, CaseFill fill) {
    auto known = std::ranges::find(names_, name);
    size_t k = static_cast<size_t>(known - names_.begin());
    if (k >= case_.fills.size()) return invalid("no operand is called '{}'", name);
    case_.fills[k] = std::move(fill);
    return {};
  }

  Case case_;
  std::vector<std::string> names_;
  bool repeated_ = false;
  std::string attrs_;
  std::map<std::string, CaseFill> fills_;
};

}  // namespace

std::string_view stem_of(const OpDef& def) {
  constexpr std::pair<std::string_view, std::string_view> kStems[] = {
#define OP(file, name) {#name, #file},
#include "ops/ops.def"
#undef OP
  };
  for (const auto& [name, stem] : kStems) {
    if (name == def.name) return stem;
  }
  return "";
}

std::string Case::where() const {
  return fmt::format("{}.cases:{}: {}", stem_of(*def), line, text);
}

bool Case::error_matches(std::string_view message) const {
  std::string_view expected = error;
  if (!expected.ends_with("...")) return message == expected;
  return message.starts_with(expected.substr(0, expected.size() - 3));
}

Result<std::vector<Case>> parse_cases(const OpDef& def, std::string_view text) {
  std::vector<Case> out;
  for (int line = 1; !text.empty(); ++line) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view content = trimmed(without_comment(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.empty()) continue;
    Result<Case> c = LineParser(def, line).run(content);
    if (!c.ok()) {
      return std::move(c).status().at(fmt::format("{}.cases:{}", stem_of(def), line));
    }
    out.push_back(*std::move(c));
  }
  return out;
}

Result<std::vector<Case>> load_cases(const OpDef& def, const std::string& folder) {
  std::string path = fmt::format("{}/{}.cases", folder, stem_of(def));
  std::vector<std::byte> bytes = LATHE_TRY(read_file(path, kMaxBytes));
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return parse_cases(def, text);
}

Result<OpInstance> instance_of(const Case& c) {
  Inferred inferred = LATHE_TRY(infer(*c.def, c.in, c.attrs, {}, c.regions));
  if (!c.regions.empty()) return std::move(inferred.op);
  for (const Constraint& constraint : inferred.constraints)
    LATHE_TRY(constraint.check(c.at).at(c.def->name));
  return inferred.op.evaluate(c.at);
}

}  // namespace lathe
