// SPDX-License-Identifier: Apache-2.0
#include "tensor/relayout.h"

#include <gtest/gtest.h>

#include "tensor/element.h"

namespace lathe {
namespace {

// 20 channels: the second block of 16 is padded.
HostTensor counting(DType type) {
  HostTensor t = *HostTensor::make({type, {2, 20, 2, 3}});
  for (int64_t i = 0; i < t.elements(); ++i) t.set_i64(i, i);
  return t;
}

TEST(Relayout, ThereAndBackIsTheSame) {
  for (const DType type : {DType::U8, DType::F16, DType::F32, DType::I64}) {
    const HostTensor x = counting(type);
    for (const Layout layout : {Layout::ChannelsLast, Layout::Blocked16, Layout::TokensFirst}) {
      const HostTensor y = *relayout(x, layout);
      EXPECT_EQ(y.type().layout, layout);
      EXPECT_EQ(*relayout(y, Layout::RowMajor), x);
    }
  }
  const HostTensor last = *relayout(counting(DType::F32), Layout::ChannelsLast);
  EXPECT_EQ(*relayout(*relayout(last, Layout::Blocked16), Layout::ChannelsLast), last);
  EXPECT_EQ(*relayout(*relayout(last, Layout::TokensFirst), Layout::ChannelsLast), last);
}

TEST(Relayout, PlacesAreWhereElementsLie) {
  const HostTensor x = counting(DType::I32);
  for (const Layout layout :
       {Layout::RowMajor, Layout::ChannelsLast, Layout::Blocked16, Layout::TokensFirst}) {
    const HostTensor y = *relayout(x, layout);
    const ElementPlaces places(y.type());
    for (int64_t i = 0; i < x.elements(); ++i) {
      const int64_t at[] = {i / 120, i / 6 % 20, i / 3 % 2, i % 3};
      EXPECT_EQ(load_i64(y.dtype(), y.bytes().data(), places.of(at)), i);
    }
  }
}

}  // namespace
}  // namespace lathe
