// SPDX-License-Identifier: Apache-2.0
#pragma once
// What cuDNN's convolutions and transposed convolutions share: descriptors of a concrete instance
// and weights in the order that the layout wants.
#include <memory>

#include "backends/cuda/cuda_state.h"
#include "device/tactic.h"

namespace lathe::cuda {

// F32, F16 or BF16; one layout for x and y; two to four spatial dimensions, symmetric padding;
// cuDNN is there. The same for Conv and Deconv.
Support check_window(const OpInstance& op);

struct WindowDescriptors {
  OwnedTensorDescriptor x, y;
  OwnedFilterDescriptor w;
  OwnedConvolutionDescriptor conv;
  static Result<WindowDescriptors> make(const Cudnn& dnn, const OpInstance& op, bool tf32);
};

// A vector of y's type along its channels.
Result<OwnedTensorDescriptor> channel_descriptor(const Cudnn& dnn, const OpInstance& op);

// Weights as cuDNN reads them: null where the plain ones are already (row-major layouts, kernels of
// one element), else packed through the cache. Unsupported where they would have to be packed and
// are no constant.
Result<std::shared_ptr<Memory>> packed_weights(const LoadContext& context);

}  // namespace lathe::cuda
