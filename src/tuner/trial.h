// SPDX-License-Identifier: Apache-2.0
#pragma once
// One instance with seeded operands in device memory, on which any number of candidates are
// checked and timed.
#include <memory>
#include <optional>
#include <vector>

#include "device/tactic.h"
#include "tuner/test_data.h"

namespace lathe {

// The slice of tensor k, or none.
const std::optional<Slice>& slice_at(const std::vector<std::optional<Slice>>& slices, size_t k);

// What `launch` may read of the operands: constants that were packed are not given.
std::vector<void*> operands_of(const Prepared& prepared, const OpInstance& op,
                               std::vector<void*> at);

class Trial {
 public:
  static Result<Trial> make(Device& device, Stream& stream, const OpInstance& op,
                            std::span<const HostTensor> constants, uint64_t seed);

  std::span<const HostTensor> inputs() const { return inputs_; }
  // Before a candidate is launched.
  Status reserve_workspace(size_t bytes);
  // Into poisoned results, from a poisoned workspace: every byte that is not the candidate's to
  // write is looked at, then the results are compared.
  // The config says how the candidate may round its operands.
  Status check(const Prepared& prepared, const Config& config, const Expectation& expected,
               Certificate& into);
  // What can be checked without a reference: that every element is written, and nothing else.
  Status check_written(const Prepared& prepared);
  // check() with results in the memory of operands, for each pair that the tactic allows.
  Status check_in_place(const Tactic& tactic, const Prepared& prepared, const Config& config,
                        const Expectation& expected);
  Buffers buffers(std::span<void* const> operands) const {
    return {operands, out_at_, workspace_->data()};
  }
  const std::vector<void*>& operands() const { return in_at_; }

 private:
  Status launch_poisoned(const Prepared& prepared, std::span<void* const> out_at,
                         uint8_t poison = 0xFF);
  Status run_watched(const Prepared& prepared, uint8_t poison = 0xFF);
  Status check_operands();
  Status check_pair(const Prepared& prepared, const Config& config, const Expectation& expected,
                    std::pair<size_t, size_t> output_and_operand);

  Device* device_ = nullptr;
  Stream* stream_ = nullptr;
  const OpInstance* op_ = nullptr;  // the caller's
  std::vector<HostTensor> inputs_;
  std::vector<std::optional<TestBuffer>> in_;
  std::vector<TestBuffer> out_;
  std::vector<void*> in_at_, out_at_;
  std::unique_ptr<Memory> workspace_;
  size_t workspace_bytes_ = 0;
};

}  // namespace lathe
