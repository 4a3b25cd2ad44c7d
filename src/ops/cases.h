// SPDX-License-Identifier: Apache-2.0
#pragma once
// The cases of an operator: NAME.cases beside its NAME.cpp. The operator's own test and the
// conformance tests of every backend run them.
//
//   x:f32[2,19,17,13] axis=1                            # an operand and an attribute
//   x:i64[4] w:f32[3] fill=w:{1,2,3} range=x:0..2       # what the inputs hold
//   x:f32[3] axis=0 fill=x:{1,2,3} expect={6} expect_shape=f32[]
//   x:f32[N,3] axis=1 at={N=5}                          # inference with symbols, run at N = 5
//   x:i32[4] axis=0                                     error: Softmax: x must be floating point...
//
// A line is tokens between spaces, a comment from # on. Operands carry the schema's names, in any
// order; those of a repeated operand any names, in order. Attributes as in Attrs::parse.
//   fill=NAME:{1,2,nan}   the values, repeated where there are more elements
//   fill=NAME:iota        0, 1, 2, ...
//   fill=NAME:shuffle     0, 1, 2, ... in random order: distinct values
//   fill=NAME:special     random values mixed with NaN, infinities, zeros and extremes
//   range=NAME:A..B       random values in [A, B]; whole numbers for integers
//   expect={...}          values of output 0, computed by hand; expect1={...} of output 1
//   expect_shape=f32[2]   type of output 0; expect_shape1=... of output 1
//   region=(f32[2])->(f32[3])   what the next graph inside takes and gives: types alone are checked
//   error: TEXT           to the end of the line: inference or the reference fails with this
//                         message; TEXT... is its beginning
// Inputs that nothing is said of hold seeded random numbers in [-2, 2], integers in [-8, 8].
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace lathe {

struct CaseFill {
  enum class Kind : uint8_t { Random, Values, Iota, Shuffle, Special } kind = Kind::Random;
  std::vector<double> values;
  bool has_range = false;
  double low = 0, high = 0;
};

struct Case {
  const OpDef* def = nullptr;
  int line = 0;
  std::string text;            // without the comment
  std::vector<TensorType> in;  // symbols only where `at` binds them
  Attrs attrs;
  std::vector<RegionType> regions;
  std::vector<CaseFill> fills;  // by operand
  Bindings at;
  std::map<int, std::vector<double>> expect;  // by output
  std::map<int, TensorType> expect_type;      // by output
  std::string error;

  // "softmax.cases:3: x:f32[2,3] axis=1"
  std::string where() const;
  bool error_matches(std::string_view message) const;
};

// The operator's file stem in ops.def: "softmax".
std::string_view stem_of(const OpDef& def);
Result<std::vector<Case>> parse_cases(const OpDef& def, std::string_view text);
// Reads FOLDER/STEM.cases.
Result<std::vector<Case>> load_cases(const OpDef& def, const std::string& folder);

// The concrete instance of a case without error; with symbols where it holds graphs.
Result<OpInstance> instance_of(const Case& c);
// Inputs for the instance's operands; the same seed, the same values.
Result<std::vector<HostTensor>> inputs_of(const Case& c, const OpInstance& op, uint64_t seed = 0);

}  // namespace lathe
