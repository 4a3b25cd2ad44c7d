// SPDX-License-Identifier: Apache-2.0
#include "call.h"

#include <algorithm>
#include <memory>

#include "raise.h"

namespace nb = nanobind;

namespace lathe::python {
namespace {

std::string shape_text(std::span<const int64_t> shape) {
  std::string text;
  for (const int64_t s : shape) text += (text.empty() ? "" : "x") + std::to_string(s);
  return text.empty() ? "a scalar" : text;
}

std::string declared_text(const PortInfo& port) {
  std::string text;
  for (const DimInfo& d : port.shape)
    text += (text.empty() ? "" : "x") + (d.size >= 0 ? std::to_string(d.size) : d.symbol);
  return text.empty() ? "a scalar" : text;
}

bool fits(const PortInfo& port, std::span<const int64_t> shape) {
  return std::ranges::equal(port.shape, shape, [](const DimInfo& d, int64_t size) {
    return d.size < 0 || d.size == size;
  });
}

[[noreturn]] void wrong_input(const PortInfo& port, const std::string& what,
                              const std::string& cure) {
  raise_input("input '" + port.name + "': " + what, cure);
}

// Released on every way out, also when an exception passes.
class Claim {
 public:
  explicit Claim(std::atomic_flag& busy) : busy_(busy) {
    if (busy_.test_and_set(std::memory_order_acquire)) {
      raise_input("the session is running in another thread",
                  "open one session for each thread, or call the engine itself");
    }
  }
  ~Claim() { busy_.clear(std::memory_order_release); }

 private:
  std::atomic_flag& busy_;
};

// The GPU of the first array that is on one; -1: none is.
int device_of(const std::deque<ArrayView>& views) {
  const auto it = std::ranges::find_if(views, &ArrayView::on_device);
  return it == views.end() ? -1 : it->device();
}

}  // namespace

Call::Call(const Engine& engine, Session session, bool own_stream)
    : session_(std::move(session)),
      device_(engine.device()),
      own_stream_(own_stream),
      inputs_(engine.inputs()),
      shapes_(inputs_.size(), {-1}) {
  for (PortInfo& p : engine.outputs()) outputs_.push_back({std::move(p), nb::none()});
}

void Call::check_input(const PortInfo& port, const ArrayView& view) const {
  if (view.type() != port.type) {
    const char* name = array_type_name(port.type);
    wrong_input(port,
                std::string("the array is ") + to_string(view.type()) + ", expected " +
                    to_string(port.type),
                name == nullptr ? "" : std::string("convert it: x.astype(\"") + name + "\")");
  }
  if (!fits(port, view.shape())) {
    wrong_input(
        port,
        "the array's shape is " + shape_text(view.shape()) + ", expected " + declared_text(port),
        "");
  }
  check_device(port, view);
}

void Call::check_device(const PortInfo& port, const ArrayView& view) const {
  if (!view.on_device()) return;
  if (device_ == "cpu") {
    wrong_input(port, "the array is on a GPU, and the engine runs on the CPU",
                "pass x.cpu(), or build with device=\"cuda\"");
  }
  const std::string own = "cuda:" + std::to_string(view.device());
  if (own != device_) {
    wrong_input(
        port, "the array is on " + own + ", and the engine runs on " + device_,
        "move the array, or open the engine there: lathe.load(..., device=\"" + own + "\")");
  }
}

void Call::bind_input(size_t k, const ArrayView& view) {
  const PortInfo& port = inputs_[k];
  check_input(port, view);
  if (!std::ranges::equal(shapes_[k], view.shape())) {
    shapes_changed_ = true;
    shapes_[k].assign(view.shape().begin(), view.shape().end());
    check(session_.set_shape(port.name, shapes_[k]));
  }
  check(session_.bind_input(port.name, view.data(), view.bytes(), view.on_device()));
}

void Call::bind_inputs(nb::list arrays, Views& views) {
  size_t k = 0;
  for (nb::handle array : arrays) {
    if (k == inputs_.size()) break;
    views.emplace_back(array);
    if (!views.back().dense()) {
      const nb::object dense = nb::module_::import_("lathe._arrays").attr("dense")(array);
      views.pop_back();
      views.emplace_back(dense);
    }
    bind_input(k++, views.back());
  }
  if (k != inputs_.size()) {
    raise_input(std::to_string(k) + " arrays are given, the network has " +
                std::to_string(inputs_.size()) + " inputs");
  }
}

nb::list Call::bind_outputs(Library library, int device, Views& views) {
  nb::list results;
  for (Output& o : outputs_) {
    if (shapes_changed_) {
      nb::list sizes;
      for (const int64_t s : take(session_.output_shape(o.port.name))) sizes.append(s);
      o.shape = nb::tuple(sizes);
    }
    nb::object array = make_array(library, o.port.type, o.shape, device);
    views.emplace_back(array);
    const ArrayView& view = views.back();
    check(session_.bind_output(o.port.name, view.data(), view.bytes(), view.on_device()));
    results.append(std::move(array));
  }
  shapes_changed_ = false;
  return results;
}

template <class Execute>
nb::list Call::around(nb::list arrays, Execute execute) {
  const Claim claim(busy_);
  Views views;
  bind_inputs(arrays, views);
  const int device = device_of(views);
  const Library library = views.empty() ? Library::Numpy : library_of(nb::object(arrays[0]));
  if (device >= 0 && own_stream_) wait_for_library(library, device);
  nb::list results = bind_outputs(library, device, views);
  Status status;
  {
    const nb::gil_scoped_release released;
    status = execute();
  }
  check(status);
  return results;
}

nb::list Call::run(nb::list arrays) {
  return around(arrays, [&] { return session_.run(); });
}

nb::tuple Call::profile(nb::list arrays) {
  std::vector<double> seconds;
  auto add = [](void* user, int step, double s) {
    auto& all = *static_cast<std::vector<double>*>(user);
    all.resize(std::max(all.size(), static_cast<size_t>(step) + 1));
    all[static_cast<size_t>(step)] += s;
  };
  nb::list results = around(arrays, [&] { return session_.profile(add, &seconds); });
  nb::list times;
  for (const double s : seconds) times.append(s);
  return nb::make_tuple(results, times);
}

}  // namespace lathe::python
