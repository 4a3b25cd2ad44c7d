// SPDX-License-Identifier: Apache-2.0
#pragma once
// Data that candidates are checked and timed on: seeded inputs, buffers with canaries around them,
// and the reference's answer on sampled boxes.
#include <memory>
#include <string>
#include <vector>

#include "device/tactic.h"
#include "engine/plan.h"

namespace lathe {

// Random operands of a concrete instance, row-major; constants are taken where given. Indices stay
// in range. The seed makes them.
Result<std::vector<HostTensor>> make_inputs(const OpInstance& op,
                                            std::span<const HostTensor> constants, uint64_t seed);

// A tensor in device memory as a tactic sees it: in its layout, inside a larger one where it is a
// slice, with canaries before and after.
class TestBuffer {
 public:
  static Result<TestBuffer> make(Device& device, Stream& stream, const TensorType& type,
                                 const std::optional<Slice>& slice);
  // Row-major values in; everything around them (and padding) keeps the poison.
  Status write(const HostTensor& row_major, Stream& stream);
  Status poison(Stream& stream, uint8_t value = 0xFF);
  Result<HostTensor> read(Stream& stream) const;  // row-major
  // As it lies; on the host the memory itself, until somebody writes there.
  Result<HostTensor> peek(Stream& stream) const;
  // The same bytes as a tensor of another type and equal size; not of a slice.
  Result<HostTensor> read_as(const TensorType& type, Stream& stream) const;
  // Ok when no byte outside the tensor changed since poison() or write().
  Status check_canaries(Stream& stream) const;
  // Ok when no byte at all did.
  Status check_unchanged(Stream& stream) const;
  void* data() const;  // of the tensor's first element
  const TensorType& type() const { return type_; }

 private:
  // What the memory holds now, canaries and all; `copy` has the bytes of a device's.
  Result<std::span<const std::byte>> held(Stream& stream, std::vector<std::byte>& copy) const;

  Device* device_ = nullptr;
  TensorType type_, whole_;
  std::optional<Slice> slice_;
  std::unique_ptr<Memory> memory_;
  size_t bytes_ = 0;               // of the whole
  int64_t offset_ = 0;             // of the first element
  std::vector<std::byte> image_;   // what was last written, canaries and all
  std::optional<uint8_t> poison_;  // image_ is nothing but this
};

// The roundoff of a candidate's operands beyond that of their types: TF32's where its config lets a
// product or convolution of F32 round them, else 0.
double operand_roundoff(const OpInstance& op, const Config& config);

// What the reference says about an instance on these inputs: whole outputs when that is cheap or
// there is no other way, sampled boxes of each output else.
class Expectation {
 public:
  static Result<Expectation> make(const OpInstance& op, std::span<const HostTensor> inputs,
                                  uint64_t seed, bool whole);
  // Compares outputs of any layout. The status is internal when something is wrong and says where.
  // `operand_roundoff`: of a candidate that rounds its operands to a narrower type than theirs.
  Status compare(const OpInstance& op, std::span<const HostTensor> outputs, Certificate& into,
                 double operand_roundoff = 0) const;

 private:
  struct Part {
    size_t output;
    Box box;
    HostTensor value, magnitude;  // magnitude may be empty
    double allowed(const OpInstance& op, int64_t at, double want, double largest,
                   double roundoff) const;
    Status compare(const OpInstance& op, const HostTensor& got, double roundoff,
                   Certificate& into) const;
  };
  std::vector<Part> parts_;
};

}  // namespace lathe
