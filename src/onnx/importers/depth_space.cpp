// SPDX-License-Identifier: Apache-2.0
// DepthToSpace and SpaceToDepth: a reshape, a transpose and a reshape.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

Result<Dim> divided(const Dim& size, int64_t by, std::string_view what) {
  std::optional<Dim> q = size.exact_div(by);
  if (q) return *q;
  if (size.is_constant()) return invalid("{} {} is not a multiple of {}", what, size.value(), by);
  return Dim::floor_div(size, by);
}

}  // namespace

Status import_depth_space(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  const Shape& s = x->type.shape;
  const int64_t b = n.i("blocksize", 0);
  if (s.rank() != 4) return invalid("the input {} has not four dimensions", s.to_string());
  if (b < 1 || b > 65536) return invalid("blocksize is {}", b);
  const std::string mode = n.s("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") return invalid("mode is '{}', not DCR or CRD", mode);
  const bool dcr = mode == "DCR";
  if (n.type() == "SpaceToDepth") {
    const Dim h = LATHE_TRY(divided(s[2], b, "height")), w = LATHE_TRY(divided(s[3], b, "width"));
    Value* y = LATHE_TRY(n.reshape(x, {s[0], s[1], h, b, w, b}));
    y = LATHE_TRY(n.transpose(y, dcr ? Ints{0, 3, 5, 1, 2, 4} : Ints{0, 1, 3, 5, 2, 4}));
    return n.result(LATHE_TRY(n.reshape(y, {s[0], s[1] * (b * b), h, w})));
  }
  const Dim c = LATHE_TRY(divided(s[1], b * b, "channels"));
  Value* y = LATHE_TRY(
      n.reshape(x, dcr ? Dims{s[0], b, b, c, s[2], s[3]} : Dims{s[0], c, b, b, s[2], s[3]}));
  y = LATHE_TRY(n.transpose(y, dcr ? Ints{0, 3, 4, 1, 5, 2} : Ints{0, 1, 4, 2, 5, 3}));
  return n.result(LATHE_TRY(n.reshape(y, {s[0], c, s[2] * b, s[3] * b})));
}

}  // namespace lathe
