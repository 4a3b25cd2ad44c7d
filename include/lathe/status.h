// SPDX-License-Identifier: Apache-2.0
#pragma once
// Errors as values. A Status says what went wrong and collects where on its way up.
//
//   if (Status s = infer(node); !s.ok()) return std::move(s).at("node 'softmax_4' (Softmax)");
//   // -> conv.onnx: node 'softmax_4' (Softmax): axis 5 is out of range for rank 3
//
// Nothing in Lathe throws across the public API.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "lathe/export.h"

namespace lathe {

enum class Code {
  Ok,
  InvalidInput,  // what the caller gave is wrong: model, shape, option, engine file
  NotFound,      // a file, tensor or device that was named does not exist
  Unsupported,   // legal, and not implemented (the message names it)
  Cancelled,     // the caller's progress callback said stop
  OutOfMemory,   // host or device memory, or the budget given
  DeviceLost,    // the machine failed: driver, device, disk
  Internal,      // a bug in Lathe
};

// The word for a code: "invalid input", "out of memory".
LATHE_API const char* to_string(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::Ok; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // A second line that tells the reader what to do, or empty.
  const std::string& cure() const { return cure_; }

  // Puts `where` and a colon before the message; a no-op when ok.
  LATHE_API Status at(std::string_view where) &&;
  LATHE_API Status with_cure(std::string cure) &&;

 private:
  Code code_ = Code::Ok;
  std::string message_;
  std::string cure_;
};

// A value or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}
  Result(Status status) : value_(std::in_place_index<1>, std::move(status)) {}

  bool ok() const { return value_.index() == 0; }
  T& operator*() & { return *std::get_if<0>(&value_); }
  const T& operator*() const& { return *std::get_if<0>(&value_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&value_)); }
  T* operator->() { return std::get_if<0>(&value_); }
  const T* operator->() const { return std::get_if<0>(&value_); }
  Status status() const& { return ok() ? Status() : *std::get_if<1>(&value_); }
  Status status() && { return ok() ? Status() : std::move(*std::get_if<1>(&value_)); }

 private:
  std::variant<T, Status> value_;
};

}  // namespace lathe
