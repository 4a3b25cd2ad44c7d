// SPDX-License-Identifier: Apache-2.0
#include "onnx/type_proto.h"

#include <set>

#include "base/math.h"
#include "onnx/names.h"
#include "onnx/onnx.pb.h"

namespace lathe {

std::string SymbolTable::unique(std::string stem) {
  int& count = used_[stem];
  std::string name = ++count == 1 ? stem : stem + "_" + std::to_string(count);
  while (count > 1 && used_.contains(name)) name = stem + "_" + std::to_string(++count);
  if (name != stem) used_[name] = 1;
  return name;
}

Dim SymbolTable::symbol(std::string_view dim_param) {
  auto it = by_param_.find(dim_param);
  if (it == by_param_.end()) {
    it = by_param_.emplace(dim_param, unique(symbol_name(dim_param))).first;
  }
  return Dim::symbol(it->second);
}

Dim SymbolTable::named(std::string_view name) {
  return used_.contains(name) ? Dim::symbol(name) : symbol(name);
}

Dim SymbolTable::fresh(std::string_view stem) { return Dim::symbol(unique(symbol_name(stem))); }

bool SymbolTable::has_beginning(std::string_view beginning) const {
  const auto it = used_.lower_bound(beginning);
  return it != used_.end() && it->first.starts_with(beginning);
}

Status check_tensor_type(const lathe_onnx::TypeProto& type, std::string_view name) {
  if (type.value_case() == lathe_onnx::TypeProto::VALUE_NOT_SET || type.has_tensor_type())
    return {};
  return unsupported(
      "'{}' is a sequence, map, optional or sparse tensor; only tensors are "
      "implemented",
      printable(name));
}

Result<TypeClaim> read_type(const lathe_onnx::TypeProto& type, std::string_view name,
                            SymbolTable& symbols) {
  LATHE_TRY(check_tensor_type(type, name));
  if (type.value_case() == lathe_onnx::TypeProto::VALUE_NOT_SET) return TypeClaim();
  const auto& tensor = type.tensor_type();
  TypeClaim claim;
  if (tensor.elem_type() != 0) claim.dtype = LATHE_TRY(dtype_from_onnx(tensor.elem_type()));
  if (!tensor.has_shape()) return claim;
  claim.has_shape = true;
  if (tensor.shape().dim_size() > kMaxRank) {
    return invalid("'{}' has rank {}; the most is {}", printable(name), tensor.shape().dim_size(),
                   kMaxRank);
  }
  for (int d = 0; d < tensor.shape().dim_size(); ++d) {
    const auto& dim = tensor.shape().dim(d);
    if (dim.has_dim_value()) {
      if (dim.dim_value() < 0) {
        return invalid("'{}' has the negative dimension {}", printable(name), dim.dim_value());
      }
      claim.shape.push_back(dim.dim_value());
    } else if (!dim.dim_param().empty()) {
      claim.shape.push_back(symbols.symbol(dim.dim_param()));
    } else {
      claim.shape.push_back(symbols.fresh(fmt::format("{}_d{}", name.substr(0, 64), d)));
    }
  }
  if (Status s = check_size(claim.shape); !s.ok()) {
    return std::move(s).at(fmt::format("'{}'", printable(name)));
  }
  return claim;
}

RankClaim read_rank(const lathe_onnx::TypeProto& type) {
  RankClaim claim;
  if (!type.has_tensor_type()) return claim;
  if (Result<DType> t = dtype_from_onnx(type.tensor_type().elem_type()); t.ok()) claim.dtype = *t;
  if (type.tensor_type().has_shape()) claim.rank = type.tensor_type().shape().dim_size();
  return claim;
}

Status check_size(const Shape& shape) {
  if (shape.rank() > kMaxRank) return invalid("rank {} is above {}", shape.rank(), kMaxRank);
  int64_t elements = 1;
  bool zero = false;
  for (const Dim& d : shape) {
    if (!d.is_constant()) {
      std::set<std::string> symbols;
      d.collect_symbols(symbols);
      if (symbols.empty()) return invalid("the shape {} cannot be computed", shape.to_string());
      continue;
    }
    if (d.value() < 0) return invalid("the shape {} has a negative size", shape.to_string());
    if (d.value() == 0) zero = true;
    std::optional<int64_t> next = checked_mul(elements, d.value() == 0 ? 1 : d.value());
    if (!next || *next > kMaxElements)
      elements = kMaxElements + 1;
    else
      elements = *next;
  }
  if (elements > kMaxElements && !zero) {
    return out_of_memory("the shape {} is beyond the limit of {} elements", shape.to_string(),
                         kMaxElements);
  }
  return {};
}

}  // namespace lathe
