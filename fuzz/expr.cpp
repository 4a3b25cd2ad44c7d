// SPDX-License-Identifier: Apache-2.0
// The text of an expression: what parses is sound, prints to itself, and can be simplified,
// brought to canonical form and computed.
#include "ops/expr.h"

#include <vector>

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lathe;
  const Result<Expr> expr = Expr::parse(fuzz::text(data, size));
  fuzz::expect_an_answer(expr.status());
  if (!expr.ok()) return 0;
  if (const Status s = expr->verify(); !s.ok()) fuzz::expect_same("sound", s.message());
  const std::string printed = expr->to_string();
  const Result<Expr> again = Expr::parse(printed);
  if (!again.ok()) fuzz::expect_same(printed, again.status().message());
  fuzz::expect_same(printed, again->to_string());
  for (const Expr& e : {*expr, expr->simplified(), expr->canonical()}) {
    if (const Status s = e.verify(); !s.ok()) fuzz::expect_same("sound", s.message());
    std::vector<ScalarBits> in(e.inputs().size()), out(e.outputs().size());
    for (size_t k = 0; k < in.size(); ++k) {
      if (is_float(e.inputs()[k])) {
        in[k].f = -1.5;
      } else {
        in[k].i = 1;
      }
    }
    evaluate(e, in, out);
  }
  return 0;
}
