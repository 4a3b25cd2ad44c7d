// SPDX-License-Identifier: Apache-2.0
// What the inputs of a case hold.
#include <cmath>
#include <limits>
#include <numeric>

#include "base/hash.h"
#include "base/random.h"
#include "ops/cases.h"

namespace lathe {
namespace {

double random_value(DType type, const CaseFill& fill, Random& random) {
  if (type == DType::Bool) return static_cast<double>(random.integer(0, 1));
  double low = fill.low, high = fill.high;
  if (!fill.has_range) {
    high = is_int(type) ? (bits(type) < 8 ? 1 : 8) : 2;
    low = kind(type) == DKind::Uint ? 0 : -high;
  }
  if (!is_int(type)) return random.uniform(low, high);
  return static_cast<double>(random.integer(static_cast<int64_t>(low), static_cast<int64_t>(high)));
}

double special_value(DType type, const CaseFill& fill, Random& random) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  // Integers saturate to their extremes.
  const double specials[] = {std::nan(""), kInf, -kInf, 0.0, -0.0, 1.0, -1.0, 1e-40, 3e38, -0.5};
  const double extremes[] = {-kInf, kInf, 0, 1, -1};
  if (random.integer(0, 1) == 0) return random_value(type, fill, random);
  return is_float(type) ? specials[random.integer(0, 9)] : extremes[random.integer(0, 4)];
}

std::vector<double> shuffled(int64_t count, Random& random) {
  std::vector<double> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), 0.0);
  for (int64_t i = count - 1; i > 0; --i) {
    std::swap(out[static_cast<size_t>(i)], out[static_cast<size_t>(random.integer(0, i))]);
  }
  return out;
}

void fill_tensor(HostTensor& t, const CaseFill& fill, Random& random) {
  std::vector<double> order;
  if (fill.kind == CaseFill::Kind::Shuffle) order = shuffled(t.elements(), random);
  for (int64_t i = 0; i < t.elements(); ++i) {
    size_t at = static_cast<size_t>(i);
    double value = 0;
    switch (fill.kind) {
      case CaseFill::Kind::Random: value = random_value(t.dtype(), fill, random); break;
      case CaseFill::Kind::Values: value = fill.values[at % fill.values.size()]; break;
      case CaseFill::Kind::Iota: value = static_cast<double>(i); break;
      case CaseFill::Kind::Shuffle: value = order[at]; break;
      case CaseFill::Kind::Special: value = special_value(t.dtype(), fill, random); break;
    }
    t.set_f64(i, value);
  }
}

}  // namespace

Result<std::vector<HostTensor>> inputs_of(const Case& c, const OpInstance& op, uint64_t seed) {
  std::vector<HostTensor> out;
  for (size_t k = 0; k < op.in.size(); ++k) {
    if (op.in[k].absent()) {
      out.emplace_back();
      continue;
    }
    bool fillable = op.in[k].dtype != DType::String && kind(op.in[k].dtype) != DKind::Complex;
    if (!fillable) return unsupported("cannot fill {}", op.in[k].to_string());
    HostTensor t = LATHE_TRY(HostTensor::zeros({op.in[k].dtype, op.in[k].shape}));
    Random random(hash64(c.text, seed * 31 + k));
    fill_tensor(t, k < c.fills.size() ? c.fills[k] : CaseFill{}, random);
    out.push_back(std::move(t));
  }
  return out;
}

}  // namespace lathe
