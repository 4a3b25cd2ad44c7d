// SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise.h"

#include <cstring>

#include "base/parallel.h"
#include "ops/expr_eval.h"
#include "ops/op_common.h"

namespace lathe {
namespace {

ScalarBits load(DType type, const std::byte* base, int64_t index) {
  return visit_number(type, [&]<class T>() {
    T value;
    std::memcpy(&value, base + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
    ScalarBits out;
    if constexpr (std::is_integral_v<T>) {
      out.i = static_cast<int64_t>(value);  // NOLINT(bugprone-signed-char-misuse): a number
    } else {
      out.f = static_cast<double>(static_cast<std::conditional_t<sizeof(T) == 2, float, T>>(value));
    }
    return out;
  });
}

void store(DType type, std::byte* base, int64_t index, ScalarBits bits) {
  visit_number(type, [&]<class T>() {
    T value;
    if constexpr (std::is_integral_v<T>) {
      value = static_cast<T>(bits.i);
    } else {
      value = T(bits.f);
    }
    std::memcpy(base + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
  });
}

// One input walked along the box.
struct Cursor {
  DType type = DType::None;
  const std::byte* data = nullptr;
  const double* errors = nullptr;
  std::vector<int64_t> strides;  // by dimension of the box
  int64_t start = 0;             // index at the box's first element

  int64_t at(const int64_t* coordinates, const Box& box) const {
    int64_t index = start;
    for (size_t d = 0; d < strides.size(); ++d)
      index += (coordinates[d] - box.begin[d]) * strides[d];
    return index;
  }
};

std::vector<int64_t> extents(const Box& box) {
  std::vector<int64_t> out;
  for (size_t d = 0; d < box.begin.size(); ++d) out.push_back(box.end[d] - box.begin[d]);
  return out;
}

Cursor cursor(const ElementSource& source, const Shape& whole, const Box& box) {
  Cursor c;
  if (source.tensor == nullptr) return c;
  c.type = source.tensor->dtype();
  c.data = source.tensor->bytes().data();
  if (source.error != nullptr) c.errors = source.error->span<double>().data();
  if (source.is_boxed) {
    c.strides = row_strides(extents(box));
    return c;
  }
  c.strides = broadcast_strides(source.tensor->shape().sizes(), whole.sizes());
  for (size_t d = 0; d < c.strides.size(); ++d) c.start += box.begin[d] * c.strides[d];
  return c;
}

Status check_sources(const Expr& expr, std::span<const ElementSource> inputs) {
  if (inputs.size() < expr.inputs().size()) {
    return invalid("the expression has {} inputs, given {}", expr.inputs().size(), inputs.size());
  }
  for (size_t k = 0; k < expr.inputs().size(); ++k) {
    if (!expr.reads(static_cast<int>(k))) continue;
    if (inputs[k].tensor == nullptr)
      return invalid("the expression reads input {}, which is absent", k);
    if (inputs[k].tensor->dtype() != expr.inputs()[k]) {
      return invalid("input {} of the expression is {}, not {}", k, to_string(expr.inputs()[k]),
                     to_string(inputs[k].tensor->dtype()));
    }
  }
  return {};
}

// Runs the expression at one place of `box` after another; holds what is written where.
class Runner {
 public:
  Runner(const Expr& expr, const std::vector<Cursor>& cursors, const Box& box,
         std::span<HostTensor> out, HostTensor* magnitude)
      : evaluator_(expr),
        cursors_(cursors),
        box_(box),
        in_(cursors_.size()),
        in_errors_(cursors_.size()),
        out_(expr.outputs().size()),
        out_errors_(expr.outputs().size()) {
    for (HostTensor& t : out) {
      types_.push_back(t.dtype());
      targets_.push_back(t.mutable_bytes().data());
    }
    double unit = unit_roundoff(types_[0]);
    per_unit_ = unit > 0 ? 1 / unit : 1;
    if (magnitude != nullptr) magnitude_ = magnitude->mutable_span<double>().data();
  }

  // A part of the box whose results begin at `first`.
  void run(const Box& part, int64_t first) {
    for_each(part, [&](const int64_t* c, int64_t n) {
      const int64_t at = first + n;
      for (size_t k = 0; k < cursors_.size(); ++k) read(k, c);
      if (magnitude_ == nullptr) {
        evaluator_.run(in_.data(), out_.data());
      } else {
        evaluator_.run_with_errors(in_.data(), in_errors_.data(), out_.data(), out_errors_.data());
        magnitude_[at] = out_errors_[0] * per_unit_;
      }
      for (size_t k = 0; k < targets_.size(); ++k) store(types_[k], targets_[k], at, out_[k]);
    });
  }

 private:
  void read(size_t k, const int64_t* coordinates) {
    const Cursor& c = cursors_[k];
    if (c.data == nullptr) return;
    int64_t index = c.at(coordinates, box_);
    in_[k] = load(c.type, c.data, index);
    if (c.errors != nullptr) in_errors_[k] = c.errors[index];
  }

  ExprEvaluator evaluator_;
  const std::vector<Cursor>& cursors_;
  const Box& box_;
  std::vector<ScalarBits> in_;
  std::vector<double> in_errors_;
  std::vector<ScalarBits> out_;
  std::vector<double> out_errors_;
  std::vector<DType> types_;
  std::vector<std::byte*> targets_;
  double* magnitude_ = nullptr;
  double per_unit_ = 1;
};

}  // namespace

Status apply(const Expr& expr, std::span<const ElementSource> inputs, const Shape& whole,
             const Box& box, std::span<HostTensor> out, HostTensor* magnitude) {
  LATHE_TRY(check_sources(expr, inputs));
  LATHE_CHECK(!out.empty() && out.size() <= expr.outputs().size());
  std::vector<Cursor> cursors;
  for (size_t k = 0; k < expr.inputs().size(); ++k) {
    bool read = expr.reads(static_cast<int>(k));
    cursors.push_back(read ? cursor(inputs[k], whole, box) : Cursor{});
  }
  for (HostTensor& t : out) (void)t.mutable_bytes();  // their own before threads write there
  if (magnitude != nullptr) (void)magnitude->mutable_bytes();
  const std::vector<Box> parts = box.split(thread_count());
  parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      int64_t first = 0;
      for (int64_t before = 0; before < k; ++before)
        first += parts[static_cast<size_t>(before)].elements();
      Runner(expr, cursors, box, out, magnitude).run(parts[static_cast<size_t>(k)], first);
    }
  });
  return {};
}

Result<HostTensor> cut(const HostTensor& tensor, const Box& box) {
  HostTensor out = LATHE_TRY(HostTensor::make({tensor.dtype(), Shape::of(extents(box))}));
  int64_t width = bits(tensor.dtype()) / 8;
  if (width == 0) return unsupported("cannot cut a box out of {}", tensor.type().to_string());
  std::vector<int64_t> strides = row_strides(tensor.shape().sizes());
  const std::byte* from = tensor.bytes().data();
  std::byte* to = out.mutable_bytes().data();
  for_each(box, [&](const int64_t* c, int64_t at) {
    int64_t index = 0;
    for (size_t d = 0; d < strides.size(); ++d) index += c[d] * strides[d];
    std::memcpy(to + at * width, from + index * width, static_cast<size_t>(width));
  });
  return out;
}

}  // namespace lathe
