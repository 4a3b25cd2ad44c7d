// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/candidates.h"

#include <gtest/gtest.h>

namespace lathe::cuda {
namespace {

TEST(Candidates, OfferTf32BesideWhatIsExactWhereItIsAllowed) {
  DeviceInfo device;
  EXPECT_EQ(candidates(2, DType::F32, device), (std::vector<Config>{"candidate=0", "candidate=1"}));
  device.tf32 = true;
  EXPECT_EQ(candidates(2, DType::F32, device),
            (std::vector<Config>{"candidate=0 tf32=1", "candidate=1 tf32=1", "candidate=0",
                                 "candidate=1"}));
  EXPECT_EQ(candidates(1, DType::F16, device), (std::vector<Config>{"candidate=0"}));
  EXPECT_EQ(candidate_of("candidate=1 tf32=1"), 1);
}

}  // namespace
}  // namespace lathe::cuda
