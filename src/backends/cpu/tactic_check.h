// SPDX-License-Identifier: Apache-2.0
#pragma once
// For tests of single tactics: one instance run by a tactic over poisoned memory, and every element
// of its result held against the reference.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_device.h"
#include "base/random.h"
#include "device/tactic.h"
#include "tensor/relayout.h"

namespace lathe::cpu {

class NoCache : public PackCache {
 public:
  Result<std::shared_ptr<void>> get(const std::string&,
                                    Result<std::shared_ptr<void>> (*make)(void*),
                                    void* state) override {
    return make(state);
  }
};

inline HostTensor random_tensor(const TensorType& type, Random& random) {
  HostTensor t = *HostTensor::make({type.dtype, type.shape, Layout::RowMajor});
  for (int64_t i = 0; i < t.elements(); ++i) {
    if (is_float(type.dtype)) {
      t.set_f64(i, random.normal());
    } else {
      t.set_i64(i, random.integer(0, 1));
    }
  }
  return t;
}

// [rows..., depth] by constant [depth, columns], and a bias.
inline OpInstance product(DType type, std::vector<int64_t> rows, int64_t depth, int64_t columns,
                          bool transposed, bool bias) {
  std::vector<Dim> a(rows.begin(), rows.end());
  a.emplace_back(depth);
  const Shape w = transposed ? Shape{columns, depth} : Shape{depth, columns};
  std::vector<TensorType> in{{type, Shape(a)}, {type, w}};
  if (bias) in.push_back({type, Shape{columns}});
  Attrs attrs;
  attrs.set("transpose_a", int64_t{0}).set("transpose_b", int64_t{transposed});
  OpInstance op = infer(*find_op("MatMul"), std::move(in), attrs)->op;
  op.constant_in = 2;
  return op;
}

// `of_bound`: the share of the operator's error bound that is allowed. Operand 1 is given
// as a constant where it is one; results are f32 or narrower.
inline void check_tactic(const Tactic& tactic, const OpInstance& op, const Config& config,
                         double of_bound = 1) {
  SCOPED_TRACE(config + " " + op.to_string());
  const Status sound = verify_instance(op);
  ASSERT_TRUE(sound.ok()) << sound.message();
  std::unique_ptr<Device> cpu = make_cpu_device();
  Random random(3);
  std::vector<HostTensor> in, laid, constants(op.in.size());
  for (const TensorType& t : op.in) in.push_back(random_tensor(t, random));
  for (size_t k = 0; k < in.size(); ++k) laid.push_back(*relayout(in[k], op.in[k].layout));
  std::vector<void*> in_at;
  in_at.reserve(laid.size());
  for (HostTensor& t : laid) in_at.push_back(t.mutable_bytes().data());
  if (op.is_constant(1)) {
    constants[1] = in[1];
    in_at[1] = nullptr;
  }
  NoCache cache;
  Result<std::unique_ptr<Prepared>> p = tactic.load({op, config, {}, constants, *cpu, cache});
  ASSERT_TRUE(p.ok()) << p.status().message();
  std::vector<std::byte> workspace((*p)->workspace_bytes, std::byte{0xFF});
  HostTensor y = *HostTensor::make(op.out[0]);
  std::memset(y.mutable_bytes().data(), 0xFF, y.bytes().size());
  void* out_at[] = {y.mutable_bytes().data()};
  ASSERT_TRUE((*p)->launch({in_at, out_at, workspace.data()}, **cpu->open_stream()).ok());

  constexpr double kSmall = 1e-30;  // a sigmoid of -100 may be 0
  const BoxResult want = *run_reference_box(op, in, Box::whole(op.out[0].shape));
  const HostTensor got = *relayout(y, Layout::RowMajor);
  const double eps = of_bound * op.def->tolerance.k * std::ldexp(1.0, -24);
  // Both are rounded, perhaps to neighbours.
  const double stored = op.out[0].dtype == DType::BF16 ? std::ldexp(1.0, -7) : 0;
  for (int64_t i = 0; i < got.elements(); ++i) {
    const double v = want.value.get_f64(i);
    const double allowed = eps * (want.magnitude.get_f64(i) + std::fabs(v)) + stored * std::fabs(v);
    ASSERT_NEAR(got.get_f64(i), v, allowed + kSmall) << "at " << i;
  }
}

}  // namespace lathe::cpu
