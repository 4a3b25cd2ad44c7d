// SPDX-License-Identifier: Apache-2.0
// A tensor's file, .npy or .pb: read, or refused; what was read can be written and read again.
#include "lathe/tensor.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lathe;
  const fuzz::MemoryFile file(data, size);
  const Result<Tensor> tensor = read_tensor(file.path());
  fuzz::expect_an_answer(tensor.status());
  if (!tensor.ok()) return 0;
  (void)tensor->to_doubles();
  fuzz::expect_an_answer(tensor->converted(Type::F32).status());
  fuzz::expect_an_answer(tensor->converted(Type::I8).status());
  return 0;
}
