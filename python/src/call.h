// SPDX-License-Identifier: Apache-2.0
#pragma once
// A session as Python calls it: arrays in, arrays out, nothing copied that need not be.
//
// Inputs are used where they lie; results are written to new arrays of the library of the first
// input. The GIL is released while the network runs. One thread at a time; a second one gets an
// error, not a race.
#include <nanobind/nanobind.h>

#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "array_view.h"
#include "lathe/lathe.h"
#include "results.h"

namespace lathe::python {

class Call {
 public:
  // `own_stream`: the session has a stream of its own, so that arrays on a GPU must be complete
  // before it may read them. On the caller's stream, order is the caller's.
  Call(const Engine& engine, Session session, bool own_stream);

  // `arrays`: one for each input, in order. A list of results, in order.
  nanobind::list run(nanobind::list arrays);
  // The same with a clock around each step: (results, seconds of each step).
  nanobind::tuple profile(nanobind::list arrays);
  MemoryInfo memory() const { return session_.memory(); }

 private:
  using Views = std::deque<ArrayView>;
  struct Output {
    PortInfo port;
    nanobind::object shape;  // a tuple, of the current input shapes
  };

  void bind_inputs(nanobind::list arrays, Views& views);
  void bind_input(size_t k, const ArrayView& view);
  nanobind::list bind_outputs(Library library, int device, Views& views);
  void check_input(const PortInfo& port, const ArrayView& view) const;
  void check_device(const PortInfo& port, const ArrayView& view) const;
  template <class Execute>
  nanobind::list around(nanobind::list arrays, Execute execute);

  Session session_;
  std::string device_;  // "cpu", "cuda:0"
  bool own_stream_;
  std::vector<PortInfo> inputs_;
  std::vector<std::vector<int64_t>> shapes_;  // as set last
  std::vector<Output> outputs_;
  bool shapes_changed_ = true;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

}  // namespace lathe::python
