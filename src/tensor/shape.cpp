// SPDX-License-Identifier: Apache-2.0
#include "tensor/shape.h"

#include <algorithm>

#include "base/math.h"

namespace lathe {
namespace {

// Of nonnegative sizes; a zero wins over an overflow.
std::optional<int64_t> checked_count(std::span<const int64_t> sizes) {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return 0;
  std::optional<int64_t> count = 1;
  for (int64_t s : sizes) {
    if (count) count = checked_mul(*count, s);
  }
  return count;
}

constexpr std::string_view kLayouts[] = {"row", "nhwc", "c16", "shd"};

// Splits at commas that are outside parentheses.
std::vector<std::string_view> split_dims(std::string_view text) {
  std::vector<std::string_view> parts;
  int nesting = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ',' && nesting == 0)) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    } else if (text[i] == '(') {
      ++nesting;
    } else if (text[i] == ')') {
      --nesting;
    }
  }
  return parts;
}

Result<Shape> parse_shape(std::string_view text) {
  Shape shape;
  if (text.empty()) return shape;
  for (std::string_view part : split_dims(text)) shape.push_back(LATHE_TRY(Dim::parse(part)));
  return shape;
}

Result<Dim> broadcast_dim(const Dim& a, const Dim& b, std::vector<std::pair<Dim, Dim>>* unproved) {
  if (a == b || b.is(1)) return a;
  if (a.is(1)) return b;
  if (a.is_constant() && b.is_constant()) {
    return invalid("dimensions {} and {} cannot be broadcast", a.value(), b.value());
  }
  if (unproved != nullptr) unproved->emplace_back(a, b);
  return Dim::broadcast(a, b);
}

}  // namespace

Shape Shape::of(std::span<const int64_t> sizes) {
  return Shape(std::vector<Dim>(sizes.begin(), sizes.end()));
}

bool Shape::is_concrete() const {
  return std::all_of(dims_.begin(), dims_.end(), [](const Dim& d) { return d.is_constant(); });
}

std::vector<int64_t> Shape::sizes() const {
  std::vector<int64_t> out;
  out.reserve(dims_.size());
  for (const Dim& d : dims_) out.push_back(d.value());
  return out;
}

int64_t Shape::elements() const {
  auto count = checked_count(sizes());
  LATHE_CHECK(count.has_value());
  return *count;
}

Result<Shape> Shape::evaluate(const Bindings& values) const {
  std::vector<int64_t> sizes;
  sizes.reserve(dims_.size());
  for (const Dim& d : dims_) {
    int64_t v = LATHE_TRY(d.evaluate(values));
    if (v < 0) return invalid("dimension {} of {} is negative: {}", sizes.size(), to_string(), v);
    sizes.push_back(v);
  }
  if (!checked_count(sizes)) {
    return invalid("the element count of {} overflows 63 bits", of(sizes).to_string());
  }
  return of(sizes);
}

std::string Shape::to_string() const {
  std::string out = "[";
  for (size_t i = 0; i < dims_.size(); ++i) {
    if (i != 0) out += ",";
    out += dims_[i].to_string();
  }
  return out + "]";
}

Result<Shape> broadcast(const Shape& a, const Shape& b,
                        std::vector<std::pair<Dim, Dim>>* unproved) {
  int rank = std::max(a.rank(), b.rank());
  Shape out;
  for (int i = 0; i < rank; ++i) {
    int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
    Result<Dim> d = broadcast_dim(ia < 0 ? Dim(1) : a[ia], ib < 0 ? Dim(1) : b[ib], unproved);
    if (!d.ok()) {
      return std::move(d).status().at(
          fmt::format("shapes {} and {}", a.to_string(), b.to_string()));
    }
    out.push_back(*std::move(d));
  }
  return out;
}

std::string_view to_string(Layout layout) { return kLayouts[static_cast<size_t>(layout)]; }

std::string TensorType::to_string() const {
  if (absent()) return "none";
  std::string out = fmt::format("{}{}", lathe::to_string(dtype), shape.to_string());
  if (layout != Layout::RowMajor) out += fmt::format("@{}", lathe::to_string(layout));
  return out;
}

Result<TensorType> TensorType::parse(std::string_view text) {
  if (text == "none") return TensorType{};
  size_t open = text.find('['), close = text.rfind(']');
  if (open == text.npos || close == text.npos || close < open) {
    return invalid("'{}' is not a tensor type such as f32[N,3]", text.substr(0, 80));
  }
  TensorType type;
  type.dtype = LATHE_TRY(parse_dtype(text.substr(0, open)));
  if (type.absent()) return invalid("an absent tensor has no shape");
  type.shape = LATHE_TRY(parse_shape(text.substr(open + 1, close - open - 1)));
  std::string_view tail = text.substr(close + 1);
  if (tail.empty()) return type;
  for (size_t i = 0; i < std::size(kLayouts); ++i) {
    if (tail[0] == '@' && tail.substr(1) == kLayouts[i]) {
      type.layout = static_cast<Layout>(i);
      return type;
    }
  }
  return invalid("'{}' is not a layout; expected @row, @nhwc, @c16 or @shd", tail.substr(0, 40));
}

std::vector<int> memory_order(const TensorType& type) {
  LATHE_CHECK(type.layout != Layout::Blocked16);
  std::vector<int> order;
  for (int i = 0; i < type.rank(); ++i) order.push_back(i);
  if (order.size() < 3) return order;
  if (type.layout == Layout::ChannelsLast)
    std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  if (type.layout == Layout::TokensFirst) std::swap(order.end()[-3], order.end()[-2]);
  return order;
}

std::vector<int64_t> strides(const TensorType& type) {
  std::vector<int64_t> sizes = type.shape.sizes();
  const std::vector<int> order = memory_order(type);
  std::vector<int64_t> out(sizes.size());
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    auto axis = static_cast<size_t>(order[i]);
    out[axis] = step;
    step *= std::max<int64_t>(sizes[axis], 1);
  }
  return out;
}

Result<int64_t> storage_bytes(const TensorType& type) {
  if (type.dtype == DType::String) return invalid("strings have no fixed size");
  if (!type.shape.is_concrete()) return invalid("the size of {} is not known", type.to_string());
  std::vector<int64_t> sizes = type.shape.sizes();
  if (std::any_of(sizes.begin(), sizes.end(), [](int64_t s) { return s < 0; })) {
    return invalid("{} has a negative dimension", type.to_string());
  }
  auto too_large = [&] { return invalid("{} does not fit in 63 bits", type.to_string()); };
  if (type.layout == Layout::Blocked16 && sizes.size() > 1) {
    auto padded = checked_add(sizes[1], 15);
    if (!padded) return too_large();
    sizes[1] = *padded / 16 * 16;
  }
  auto count = checked_count(sizes);
  if (!count) return too_large();
  // Strides hold products of the sizes with zeros taken as ones; they must fit, too.
  for (int64_t& s : sizes) s = std::max<int64_t>(s, 1);
  int64_t wide = std::max<int64_t>(1, bits(type.dtype) / 8);
  auto extent = checked_count(sizes);
  if (!extent || !checked_mul(*extent, wide)) return too_large();
  return bytes(type.dtype, *count);
}

Result<int> normalize_axis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank)
    return invalid("axis {} is out of range for rank {}", axis, rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace lathe
