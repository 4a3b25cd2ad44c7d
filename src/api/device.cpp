// SPDX-License-Identifier: Apache-2.0
// lathe/device.h over whichever backend was opened.
#include "lathe/device.h"

#include "api/api_state.h"
#include "api/device_backend.h"
#include "backends/cuda/cuda_device.h"

namespace lathe {
namespace {

Status closed(const char* what) { return invalid("the {} is empty", what); }

Status foreign(const char* what) { return invalid("the {} is of another kind of device", what); }

}  // namespace

DeviceMemory::~DeviceMemory() {
  if (device_ != nullptr) device_->free(data_, pinned_);
}

Result<bool> DeviceEvent::done() const {
  if (state_ == nullptr) return closed("event");
  return state_->done();
}
Status DeviceEvent::synchronize() const {
  return state_ == nullptr ? closed("event") : state_->synchronize();
}
Result<float> DeviceEvent::milliseconds_since(const DeviceEvent& start) const {
  if (state_ == nullptr || start.state_ == nullptr) return closed("event");
  if (state_->is_gpu != start.state_->is_gpu) return foreign("event");
  return state_->milliseconds_since(*start.state_);
}
void* DeviceEvent::native() const { return state_ == nullptr ? nullptr : state_->native(); }

void* DeviceGraph::native() const { return state_ == nullptr ? nullptr : state_->native(); }
int DeviceGraph::node_count() const { return state_ == nullptr ? 0 : state_->node_count(); }

Status DeviceStream::copy(void* to, const void* from, size_t bytes) {
  if (state_ == nullptr) return closed("stream");
  if (bytes == 0) return {};
  if (to == nullptr || from == nullptr) return invalid("a copy of {} bytes with null", bytes);
  return state_->copy(to, from, bytes);
}
Status DeviceStream::fill(void* to, uint8_t value, size_t bytes) {
  if (state_ == nullptr) return closed("stream");
  if (bytes == 0) return {};
  if (to == nullptr) return invalid("a fill of {} bytes at null", bytes);
  return state_->fill(to, value, bytes);
}
Status DeviceStream::record(DeviceEvent& event) {
  if (state_ == nullptr) return closed("stream");
  if (event.state_ == nullptr) return closed("event");
  if (event.state_->is_gpu != state_->is_gpu) return foreign("event");
  return state_->record(event.state_);
}
Status DeviceStream::wait(const DeviceEvent& event) {
  if (state_ == nullptr) return closed("stream");
  if (event.state_ == nullptr) return closed("event");
  if (event.state_->is_gpu != state_->is_gpu) return foreign("event");
  return state_->wait(event.state_);
}
Status DeviceStream::synchronize() {
  return state_ == nullptr ? closed("stream") : state_->synchronize();
}
Result<bool> DeviceStream::done() const {
  if (state_ == nullptr) return closed("stream");
  return state_->done();
}
Status DeviceStream::run(std::function<Status()> work) {
  if (state_ == nullptr) return closed("stream");
  return state_->run(std::move(work));
}
Status DeviceStream::begin_capture() {
  return state_ == nullptr ? closed("stream") : state_->begin_capture();
}
Result<DeviceGraph> DeviceStream::end_capture() {
  if (state_ == nullptr) return closed("stream");
  DeviceGraph graph;
  graph.state_ = LATHE_TRY(state_->end_capture());
  return graph;
}
bool DeviceStream::is_capturing() const { return state_ != nullptr && state_->is_capturing(); }
Status DeviceStream::launch(const DeviceGraph& graph) {
  if (state_ == nullptr) return closed("stream");
  if (graph.state_ == nullptr) return closed("graph");
  if (graph.state_->is_gpu != state_->is_gpu) return foreign("graph");
  return state_->launch(graph.state_);
}
void* DeviceStream::native() const { return state_ == nullptr ? nullptr : state_->native(); }

Result<ComputeDevice> ComputeDevice::open(const std::string& id) {
  ComputeDevice device;
  if (id == "cpu") {
    device.state_ = LATHE_TRY(open_host_backend());
    return device;
  }
  device.state_ = LATHE_TRY(open_cuda_backend(LATHE_TRY(cuda_ordinal(id))));
  return device;
}
int ComputeDevice::gpu_count() { return cuda::device_count(); }

const DeviceProperties& ComputeDevice::properties() const {
  static const DeviceProperties kNone;
  return state_ == nullptr ? kNone : state_->properties;
}
Result<DeviceMemoryInfo> ComputeDevice::memory_info() const {
  if (state_ == nullptr) return closed("device");
  return state_->memory_info();
}
Result<int> ComputeDevice::attribute(int number) const {
  if (state_ == nullptr) return closed("device");
  return state_->attribute(number);
}
Result<DeviceMemory> ComputeDevice::allocate(size_t bytes) const {
  if (state_ == nullptr) return closed("device");
  DeviceMemory memory;
  memory.data_ = LATHE_TRY(state_->allocate(bytes, false));
  memory.device_ = state_;
  memory.bytes_ = bytes;
  return memory;
}
Result<DeviceMemory> ComputeDevice::allocate_pinned(size_t bytes) const {
  if (state_ == nullptr) return closed("device");
  DeviceMemory memory;
  memory.data_ = LATHE_TRY(state_->allocate(bytes, true));
  memory.device_ = state_;
  memory.bytes_ = bytes;
  memory.pinned_ = true;
  return memory;
}
Result<DeviceStream> ComputeDevice::open_stream(bool blocking) const {
  if (state_ == nullptr) return closed("device");
  DeviceStream stream;
  stream.state_ = LATHE_TRY(state_->open_stream(blocking));
  return stream;
}
DeviceStream ComputeDevice::borrow_stream(void* native) const {
  DeviceStream stream;
  if (state_ != nullptr) stream.state_ = state_->borrow_stream(native);
  return stream;
}
Result<DeviceEvent> ComputeDevice::make_event(bool timing) const {
  if (state_ == nullptr) return closed("device");
  DeviceEvent event;
  event.state_ = LATHE_TRY(state_->make_event(timing));
  return event;
}
Status ComputeDevice::synchronize() const {
  return state_ == nullptr ? closed("device") : state_->synchronize();
}

}  // namespace lathe
