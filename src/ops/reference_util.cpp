// SPDX-License-Identifier: Apache-2.0
// What references share.
#include "ops/reference_util.h"

namespace lathe {

Doubles::Doubles(const HostTensor& tensor, int64_t reads) : tensor_(&tensor) {
  if (tensor.dtype() == DType::F32) {
    floats_ = tensor.span<float>().data();
  } else if (reads >= tensor.elements() / 4) {
    values_ = tensor.to_f64();
  }
}

int64_t offset_of(const int64_t* coordinates, std::span<const int64_t> strides) {
  int64_t offset = 0;
  for (size_t d = 0; d < strides.size(); ++d) offset += coordinates[d] * strides[d];
  return offset;
}

Cost cost_of_elements(const OpInstance& op, double flops_per_element) {
  Cost cost;
  cost.flops = flops_per_element * static_cast<double>(op.out[0].shape.elements());
  for (const std::vector<TensorType>* types : {&op.in, &op.out}) {
    for (const TensorType& t : *types) {
      if (t.absent()) continue;
      cost.bytes += static_cast<double>(t.shape.elements()) * bits(t.dtype) / 8;
    }
  }
  return cost;
}

}  // namespace lathe
