// SPDX-License-Identifier: Apache-2.0
#include "ops/movement.h"

#include <cstring>
#include <set>

namespace lathe {

std::string position(int64_t at, std::span<const int64_t> sizes) {
  const std::vector<int64_t> strides = row_strides(sizes);
  std::string text = "[";
  for (size_t d = 0; d < sizes.size(); ++d) {
    text += fmt::format("{}{}", d == 0 ? "" : ", ", at / strides[d] % sizes[d]);
  }
  return text + "]";
}

ElementSink::ElementSink(HostTensor& out) : out_(out), bits_(bits(out.dtype())) {
  if (out.dtype() == DType::String) {
    strings_.resize(static_cast<size_t>(out.elements()));
  } else {
    data_ = out.mutable_bytes().data();
  }
}

void ElementSink::put(int64_t at, const HostTensor& from, int64_t index) {
  if (bits_ == 0) {
    strings_[static_cast<size_t>(at)] = from.string_values()[static_cast<size_t>(index)];
  } else if (bits_ < 8) {
    const auto bit = static_cast<size_t>(index * bits_);
    put_bits(at, std::to_integer<unsigned>(from.bytes()[bit / 8]) >> (bit % 8));
  } else {
    const int64_t size = bits_ / 8;
    std::memcpy(data_ + at * size, from.bytes().data() + index * size, static_cast<size_t>(size));
  }
}

void ElementSink::zero(int64_t at) {
  if (bits_ == 0) {
    strings_[static_cast<size_t>(at)].clear();
  } else if (bits_ < 8) {
    put_bits(at, 0);
  } else {
    std::memset(data_ + at * (bits_ / 8), 0, static_cast<size_t>(bits_ / 8));
  }
}

void ElementSink::put_bits(int64_t at, unsigned value) {
  const auto bit = static_cast<size_t>(at * bits_);
  const unsigned mask = (1u << bits_) - 1;
  const unsigned shift = bit % 8;
  const unsigned kept = std::to_integer<unsigned>(data_[bit / 8]) & ~(mask << shift);
  data_[bit / 8] = static_cast<std::byte>(kept | (value & mask) << shift);
}

void ElementSink::finish() {
  if (bits_ == 0) out_ = HostTensor::strings(out_.shape().sizes(), std::move(strings_));
}

bool is_small(const Shape& shape) {
  int64_t count = 1;
  bool zero = false;
  for (const Dim& d : shape) {
    const std::optional<int64_t> size = d.constant();
    if (!size || *size < 0) return false;
    if (*size == 0) zero = true;
    if (*size > kMaxContents || (*size != 0 && (count *= *size) > kMaxContents)) return false;
  }
  return zero || count <= kMaxContents;
}

const Contents* whole_contents(const InferContext& ctx, int k) {
  const Contents* contents = ctx.contents(k);
  if (contents == nullptr || !is_small(ctx.shape(k))) return nullptr;
  const auto count = static_cast<size_t>(ctx.shape(k).elements());
  return contents->size() == count ? contents : nullptr;
}

namespace {

// Constants and expressions without symbols (an overflow) are decided here and now.
Status require_at_least(InferContext& ctx, const Dim& d, int64_t least, std::string_view what) {
  std::set<std::string> symbols;
  d.collect_symbols(symbols);
  if (symbols.empty()) {
    Result<int64_t> value = d.evaluate({});
    if (!value.ok()) return std::move(value).status().at(what);
    if (*value < least) return invalid("{} is {}, expected at least {}", what, *value, least);
    return {};
  }
  if (least == 0 ? d.provably_nonnegative() : d.provably_positive()) return {};
  const auto kind = least == 0 ? Constraint::Kind::Nonnegative : Constraint::Kind::Positive;
  ctx.constraints.push_back({kind, d, Dim(), std::string(what)});
  return {};
}

}  // namespace

Status require_nonnegative(InferContext& ctx, const Dim& d, std::string_view what) {
  return require_at_least(ctx, d, 0, what);
}

Status require_positive(InferContext& ctx, const Dim& d, std::string_view what) {
  return require_at_least(ctx, d, 1, what);
}

Status require_sizes(InferContext& ctx, std::string_view attribute) {
  const Dims& sizes = ctx.attrs.dims(attribute);
  for (size_t k = 0; k < sizes.size(); ++k) {
    LATHE_TRY(require_nonnegative(ctx, sizes[k], fmt::format("{}[{}]", attribute, k)));
  }
  return {};
}

Status require_entries(std::string_view attribute, size_t count, size_t expected,
                       std::string_view why) {
  if (count == expected) return {};
  return invalid("{} has {} entries, expected {} ({})", attribute, count, expected, why);
}

Status index_error(const HostTensor& indices, int64_t at, int64_t size) {
  const std::string where = position(at, indices.shape().sizes());
  const int64_t value = indices.get_i64(at);
  if (size == 0) return invalid("indices{} is {}, and the dimension is empty", where, value);
  return invalid("indices{} is {}, expected {} to {}", where, value, -size, size - 1);
}

Cost movement_cost(const OpInstance& op) {
  Cost cost;
  const auto add = [&](const TensorType& t, double times) {
    if (t.absent() || t.dtype == DType::String) return;
    cost.bytes += times * static_cast<double>(bytes(t.dtype, t.shape.elements()));
  };
  add(op.out[0], 2);
  for (size_t k = 1; k < op.in.size(); ++k) add(op.in[k], 1);
  return cost;
}

}  // namespace lathe
