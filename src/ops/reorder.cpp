// SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise.h"
#include "ops/op.h"

namespace lathe {
namespace {

Result<Layout> parse_layout(std::string_view text) {
  for (Layout layout : {Layout::RowMajor, Layout::ChannelsLast, Layout::Blocked16}) {
    if (to_string(layout) == text) return layout;
  }
  return invalid("layout must be row, nhwc or c16, not '{}'", text.substr(0, 40));
}

Status infer_reorder(InferContext& c) {
  Layout layout = LATHE_TRY(parse_layout(c.attrs.text("layout")));
  int least = layout == Layout::RowMajor ? 0 : layout == Layout::ChannelsLast ? 3 : 2;
  if (c.shape(0).rank() < least) {
    return invalid("layout {} needs rank {} or more, not {}", to_string(layout), least,
                   c.shape(0).rank());
  }
  c.add(c.dtype(0), c.shape(0));
  c.out[0].layout = layout;
  if (const Contents* contents = c.contents(0)) c.add_contents(0, *contents);
  return {};
}

// References see values, and a reorder keeps them.
Status reference_reorder(const RefArgs& args) {
  const HostTensor& x = args.in[0];
  args.out[0] = args.box.is_whole(x.shape()) ? x : LATHE_TRY(cut(x, args.box));
  return {};
}

Cost cost_reorder(const OpInstance&) { return {}; }

}  // namespace

const OpDef& op_reorder() {
  static constexpr AttrDef attrs[] = {
      {"layout", AttrKind::Text, "", "row, nhwc or c16: the physical layout of y"}};
  static constexpr OpDef def{
      .name = "Reorder",
      .doc = "y = x in another physical layout. The compiler's layout assignment inserts it.",
      .operands = "x",
      .attrs = attrs,
      .infer = infer_reorder,
      .reference = reference_reorder,
      .cost = cost_reorder,
  };
  return def;
}

}  // namespace lathe
