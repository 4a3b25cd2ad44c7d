// SPDX-License-Identifier: Apache-2.0
#include "ops/control_flow.h"

#include <algorithm>
#include <set>

namespace lathe {

Status check_symbols(const InferContext& c) {
  const std::string& word = c.attrs.text("symbols");
  const auto is_letter = [](char x) {
    return (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || x == '_';
  };
  const bool all =
      std::ranges::all_of(word, [&](char x) { return is_letter(x) || (x >= '0' && x <= '9'); });
  return c.require(word.empty() || (all && is_letter(word[0])), "symbols must be one word");
}

Dim result_size(std::string_view symbols, size_t result, int axis) {
  return Dim::symbol(fmt::format("{}.{}.{}", symbols, result, axis));
}

Dim carried_size(std::string_view symbols, size_t input, int axis) {
  return Dim::symbol(fmt::format("{}.in.{}.{}", symbols, input, axis));
}

std::string trip_symbol(std::string_view symbols) { return fmt::format("{}.trip", symbols); }

static bool begins_with(std::string_view symbol, std::string_view prefix) {
  return !prefix.empty() && symbol.starts_with(prefix) && symbol.substr(prefix.size(), 1) == ".";
}

bool is_inner(const Dim& size, const RegionType& region, std::string_view symbols) {
  if (size.is_constant()) return false;
  std::set<std::string> names;
  size.collect_symbols(names);
  return std::ranges::any_of(names, [&](const std::string& name) {
    return begins_with(name, symbols) ||
           std::ranges::any_of(region.inner, [&](auto& p) { return begins_with(name, p); });
  });
}

Result<Dim> fresh_size(const InferContext& c, size_t result, int axis) {
  const std::string& symbols = c.attrs.text("symbols");
  if (!symbols.empty()) return result_size(symbols, result, axis);
  return invalid("result {}: dimension {} is decided by the run: attribute 'symbols' must name it",
                 result, axis);
}

Result<Dim> outer_size(const InferContext& c, const Dim& size, const RegionType& region,
                       size_t result, int axis) {
  if (is_inner(size, region, c.attrs.text("symbols"))) return fresh_size(c, result, axis);
  return size;
}

Status check_one(const TensorType& type, DType expected, std::string_view what) {
  const bool one = type.rank() == 0 || (type.rank() == 1 && type.shape[0].is(1));
  if (one && type.dtype == expected) return {};
  return invalid("{} is {}, expected one {}", what, type.to_string(), to_string(expected));
}

Status require_one(InferContext& c, int operand, DType type, std::string_view what) {
  const TensorType& given = c.in[static_cast<size_t>(operand)];
  if (given.dtype != type || given.rank() > 1) return check_one(given, type, what);
  if (given.rank() == 0) return {};
  return c.require_equal(given.shape[0], 1, fmt::format("elements of {}", what));
}

Status check_captures(const InferContext& c, const RegionType& region, size_t own, size_t first,
                      std::string_view name) {
  if (c.in.size() < own) return invalid("expected {} operands or more, got {}", own, c.in.size());
  const size_t expected = first + (c.in.size() - own);
  if (region.in.size() != expected)
    return invalid("{} takes {} inputs, expected {}", name, region.in.size(), expected);
  for (size_t k = first; k < expected; ++k) {
    const TensorType& given = c.in[own + (k - first)];
    if (given.absent()) return invalid("operand {} is missing", own + (k - first));
    if (region.in[k] == given) continue;
    return invalid("{}: input {} is {}, operand {} is {}", name, k, region.in[k].to_string(),
                   own + (k - first), given.to_string());
  }
  return {};
}

namespace {

Status check_carried_kind(const TensorType& first, const TensorType& other, const Carried& at,
                          std::string_view what) {
  if (first.dtype == other.dtype && first.rank() == other.rank() && first.layout == other.layout)
    return {};
  return invalid("carried value {} is {} at first, {} {}: element type and rank must stay",
                 at.result, first.to_string(), what, other.to_string());
}

}  // namespace

Result<TensorType> carry(const InferContext& c, const Carried& at) {
  const TensorType& first = c.in[at.operand];
  if (first.absent()) return invalid("operand {} is missing", at.operand);
  const RegionType& body = c.regions[0];
  const TensorType &in = body.in[at.input], &out = body.out[at.output];
  LATHE_TRY(check_carried_kind(first, in, at, "the body takes"));
  LATHE_TRY(check_carried_kind(first, out, at, "the body gives"));
  const std::string& symbols = c.attrs.text("symbols");
  TensorType result = first;
  for (int d = 0; d < first.rank(); ++d) {
    if (!symbols.empty() && in.shape[d] == carried_size(symbols, at.input, d)) {
      result.shape[d] = LATHE_TRY(fresh_size(c, at.result, d));
    } else if (in.shape[d] != first.shape[d] || out.shape[d] != first.shape[d]) {
      return invalid("carried value {}: dimension {} is {} at first, {} in the body, {} behind it",
                     at.result, d, first.shape[d].to_string(), in.shape[d].to_string(),
                     out.shape[d].to_string());
    }
  }
  return result;
}

}  // namespace lathe
