// SPDX-License-Identifier: Apache-2.0
// Attentions whose lengths do not fit one tile: several blocks of queries and of keys.
#include <gtest/gtest.h>

#include "backends/cpu/cpu_device.h"
#include "trial.h"
#include "tuner/test_data.h"

namespace lathe {
namespace {

struct Form {
  const char* name;
  DType type;
  int64_t heads, queries, keys, depth, width;
  int64_t causal;
  const char* mask;  // type in the text form, or empty
};

constexpr Form kForms[] = {
    {"several blocks of queries", DType::F32, 2, 300, 384, 16, 16, 0, ""},
    {"two blocks of keys", DType::F32, 1, 40, 1500, 16, 24, 0, ""},
    {"causal over blocks of both", DType::F32, 1, 1100, 1100, 8, 8, 1, ""},
    {"keys masked over blocks", DType::F32, 2, 33, 1100, 8, 8, 0, "bool[1,1,1,1100]"},
    {"a mask for each score", DType::F32, 1, 70, 1030, 8, 8, 0, "f32[1,1,70,1030]"},
    {"bf16 in blocks", DType::BF16, 2, 200, 1200, 32, 32, 0, "bf16[2,1,1,1200]"},
};

TEST(Attention, BlocksAgreeWithTheReference) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  for (const Form& f : kForms) {
    const Dim batch = f.type == DType::BF16 ? Dim(2) : Dim(1);
    std::vector<TensorType> in = {{f.type, Shape{batch, f.heads, f.queries, f.depth}},
                                  {f.type, Shape{batch, f.heads, f.keys, f.depth}},
                                  {f.type, Shape{batch, f.heads, f.keys, f.width}}};
    if (*f.mask != '\0') in.push_back(*TensorType::parse(f.mask));
    Attrs attrs;
    attrs.set("scale", 0.25).set("causal", f.causal);
    Result<Inferred> inferred = infer(*find_op("Attention"), in, attrs);
    ASSERT_TRUE(inferred.ok()) << f.name << ": " << inferred.status().message();
    Result<std::vector<HostTensor>> inputs = make_inputs(inferred->op, {}, 3);
    ASSERT_TRUE(inputs.ok());
    TrialCounts counts;
    const Status s = try_tactics(*cpu, inferred->op, *inputs, counts);
    EXPECT_TRUE(s.ok()) << f.name << ": " << s.message();
    if (f.type == DType::F32 && cpu->info().has("avx2")) {
      EXPECT_GT(counts.size(), 0) << f.name << " " << reasons(*cpu, inferred->op);
    }
  }
}

}  // namespace
}  // namespace lathe
