// SPDX-License-Identifier: Apache-2.0
// Einsum: operands are combined two at a time as matrix products over the labels that vanish.
#include <algorithm>
#include <array>

#include "onnx/import_axes.h"

namespace lathe {
namespace {

// A letter, or one of the dimensions that ... stands for, as bytes from 128 up; aligned at the end.
using Labels = std::basic_string<unsigned char>;
constexpr size_t kMaxEquation = 256;
constexpr unsigned char kEllipsisEnd = 255;

struct Term {
  Value* value;
  Labels labels;
};

bool has(const Labels& l, unsigned char c) { return l.find(c) != Labels::npos; }

// `rank` is the operand's; of the output the ellipsis has `ellipsis` dimensions.
Result<Labels> parse_labels(std::string_view text, int rank, int ellipsis) {
  Labels out;
  const auto letters = static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return c != '.' && c != ' '; }));
  const int dots = rank >= 0 ? rank - letters : ellipsis;
  bool seen = false;
  for (size_t k = 0; k < text.size(); ++k) {
    const char c = text[k];
    if (c == ' ') continue;
    if (c == '.') {
      if (seen || text.substr(k, 3) != "...") return invalid("the equation has a stray '.'");
      seen = true;
      k += 2;
      for (int d = 0; d < dots; ++d) out += static_cast<unsigned char>(kEllipsisEnd - dots + 1 + d);
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      out += static_cast<unsigned char>(c);
    } else {
      return invalid("the equation has an odd character");
    }
  }
  if (rank >= 0 && (dots < 0 || (!seen && dots > 0))) {
    return invalid("the equation names {} dimensions of an operand of rank {}", letters, rank);
  }
  return out;
}

Result<Value*> permuted(NodeImport& n, const Term& t, const Labels& order) {
  Ints perm;
  for (unsigned char c : order) perm.push_back(static_cast<int64_t>(t.labels.find(c)));
  return n.transpose(t.value, std::move(perm));
}

// A repeated label: the diagonal, every (size + 1)-th element of the two dimensions in one.
Result<Term> without_repeats(NodeImport& n, Term t) {
  for (size_t i = 0; i < t.labels.size(); ++i) {
    const size_t j = t.labels.find(t.labels[i], i + 1);
    if (j == Labels::npos) continue;
    const Dim size = t.value->type.shape[static_cast<int>(i)];
    if (!size.is_constant() || !(size == t.value->type.shape[static_cast<int>(j)])) {
      return unsupported("a diagonal of {} is not implemented", t.value->type.to_string());
    }
    Ints perm;
    Labels rest;
    for (size_t k = 0; k < t.labels.size(); ++k) {
      if (k != i && k != j) perm.push_back(static_cast<int64_t>(k)), rest += t.labels[k];
    }
    perm.push_back(static_cast<int64_t>(i));
    perm.push_back(static_cast<int64_t>(j));
    Value* x = LATHE_TRY(n.transpose(t.value, perm));
    Dims flat = dims_list(x->type.shape);
    flat.pop_back();
    flat.back() = size * size;
    x = LATHE_TRY(n.reshape(x, flat));
    Attrs cut;
    cut.set("axes", Ints{static_cast<int64_t>(flat.size()) - 1})
        .set("steps", Ints{size.value() + 1});
    cut.set("starts", Dims{0}).set("sizes", Dims{size});
    x = LATHE_TRY(n.add("Slice", {x}, std::move(cut)));
    rest += t.labels[i];
    return without_repeats(n, {x, rest});
  }
  return t;
}

// Sums over the labels that `keep` does not ask for.
Result<Term> summed(NodeImport& n, Term t, const Labels& keep) {
  Ints axes;
  Labels rest;
  for (size_t k = 0; k < t.labels.size(); ++k) {
    if (has(keep, t.labels[k]))
      rest += t.labels[k];
    else
      axes.push_back(static_cast<int64_t>(k));
  }
  if (axes.empty()) return t;
  Attrs attrs;
  attrs.set("kind", std::string("sum")).set("axes", axes).set("keepdims", int64_t{0});
  return Term{LATHE_TRY(n.add("Reduce", {t.value}, std::move(attrs))), rest};
}

// The sizes of `labels` in t.
Dims sizes_of(const Term& t, const Labels& labels) {
  Dims out;
  for (unsigned char c : labels)
    out.push_back(t.value->type.shape[static_cast<int>(t.labels.find(c))]);
  return out;
}

Dims joined(Dims a, const Dims& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// The product of a and b with the labels in `keep`.
Result<Term> contract(NodeImport& n, Term a, Term b, const Labels& keep) {
  a = LATHE_TRY(summed(n, a, keep + b.labels));
  b = LATHE_TRY(summed(n, b, keep + a.labels));
  Labels batch, rows, columns, inner;
  for (unsigned char c : a.labels) {
    if (!has(b.labels, c))
      rows += c;
    else if (has(keep, c))
      batch += c;
    else
      inner += c;
  }
  for (unsigned char c : b.labels) {
    if (!has(a.labels, c)) columns += c;
  }
  const Dims rs = sizes_of(a, rows), cs = sizes_of(b, columns);
  const Dim m = product(rs), k_a = product(sizes_of(a, inner)), k_b = product(sizes_of(b, inner));
  Value* left = LATHE_TRY(permuted(n, a, batch + rows + inner));
  Value* right = LATHE_TRY(permuted(n, b, batch + inner + columns));
  left = LATHE_TRY(n.reshape(left, joined(sizes_of(a, batch), {m, k_a})));
  right = LATHE_TRY(n.reshape(right, joined(sizes_of(b, batch), {k_b, product(cs)})));
  Value* y = inner.empty() ? LATHE_TRY(n.pointwise("mul(%0, %1)", {left, right}))
                           : LATHE_TRY(n.add("MatMul", {left, right}));
  Dims shape(y->type.shape.begin(), y->type.shape.end() - 2);
  y = LATHE_TRY(n.reshape(y, joined(joined(std::move(shape), rs), cs)));
  return Term{y, batch + rows + columns};
}

struct Equation {
  std::vector<std::string_view> terms;
  std::optional<std::string_view> output;
};

Equation split(std::string_view text) {
  Equation e;
  if (const size_t arrow = text.find("->"); arrow != std::string_view::npos) {
    e.output = text.substr(arrow + 2);
    text = text.substr(0, arrow);
  }
  for (size_t comma; (comma = text.find(',')) != std::string_view::npos;) {
    e.terms.push_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  e.terms.push_back(text);
  return e;
}

// Without "->": the ellipsis, then the labels that occur once, in alphabetical order: "ii" is a
// trace.
Labels implied_output(const std::vector<Term>& terms, int ellipsis) {
  Labels out;
  for (int d = 0; d < ellipsis; ++d)
    out += static_cast<unsigned char>(kEllipsisEnd - ellipsis + 1 + d);
  for (unsigned char c = 'A'; c <= 'z'; ++c) {
    int64_t uses = 0;
    for (const Term& t : terms) uses += std::count(t.labels.begin(), t.labels.end(), c);
    if (uses == 1) out += c;
  }
  return out;
}

Result<std::vector<Term>> read_terms(NodeImport& n, const Equation& e, int& ellipsis) {
  std::vector<Term> terms;
  if (e.terms.size() != n.operand_count()) {
    return invalid("the equation has {} terms for {} operands", e.terms.size(), n.operand_count());
  }
  for (size_t k = 0; k < e.terms.size(); ++k) {
    Value* v = LATHE_TRY(n.need(k, "Inputs"));
    Labels labels = LATHE_TRY(parse_labels(e.terms[k], v->type.rank(), 0));
    ellipsis = std::max(ellipsis,
                        static_cast<int>(std::count_if(labels.begin(), labels.end(),
                                                       [](unsigned char c) { return c > 127; })));
    terms.push_back({v, std::move(labels)});
  }
  return terms;
}

}  // namespace

Status import_einsum(NodeImport& n) {
  const std::string equation = n.s("equation", "");
  if (equation.empty() || equation.size() > kMaxEquation) {
    return invalid("the equation has {} characters, not 1 to {}", equation.size(), kMaxEquation);
  }
  const Equation e = split(equation);
  int ellipsis = 0;
  std::vector<Term> terms = LATHE_TRY(read_terms(n, e, ellipsis));
  const Labels output =
      e.output ? LATHE_TRY(parse_labels(*e.output, -1, ellipsis)) : implied_output(terms, ellipsis);
  for (Term& t : terms) t = LATHE_TRY(without_repeats(n, std::move(t)));
  for (size_t k = 0; k < output.size(); ++k) {
    const bool known = std::any_of(terms.begin(), terms.end(),
                                   [&](const Term& t) { return has(t.labels, output[k]); });
    if (!known || output.find(output[k], k + 1) != Labels::npos) {
      return invalid("the equation's output has a label that is unknown or there twice");
    }
  }
  Term t = terms[0];
  for (size_t k = 1; k < terms.size(); ++k) {
    Labels keep = output;
    for (size_t later = k + 1; later < terms.size(); ++later) keep += terms[later].labels;
    t = LATHE_TRY(contract(n, t, terms[k], keep));
  }
  t = LATHE_TRY(summed(n, t, output));
  return n.result(LATHE_TRY(permuted(n, t, output)));
}

}  // namespace lathe
