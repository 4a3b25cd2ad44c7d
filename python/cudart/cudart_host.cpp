// SPDX-License-Identifier: Apache-2.0
// libcudart.so for machines without CUDA: what programs call of it by ctypes (Polygraphy among
// them), over host memory. Streams do everything at once; nothing but libc is needed. Put on the
// library path by `python -m lathe.trt`, and never beside a GPU.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

namespace {

// cudaError_t.
constexpr int kSuccess = 0, kInvalidValue = 1, kOutOfMemory = 2, kInvalidDevice = 101;
constexpr size_t kAlignment = 256;
constexpr int kVersion = 12090;

thread_local int last_error = kSuccess;

int done(int error) {
  if (error != kSuccess) last_error = error;
  return error;
}

int allocate(void** address, size_t bytes) {
  if (address == nullptr) return done(kInvalidValue);
  *address = nullptr;
  if (bytes > (size_t{1} << 62)) return done(kOutOfMemory);
  return done(posix_memalign(address, kAlignment, bytes > 0 ? bytes : 1) == 0 ? kSuccess
                                                                              : kOutOfMemory);
}

// Streams and events are small blocks of memory, so that each has an address of its own.
template <class T>
int create(void** handle) {
  if (handle == nullptr) return done(kInvalidValue);
  *handle = calloc(1, sizeof(T));
  return done(*handle != nullptr ? kSuccess : kOutOfMemory);
}

int copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return kSuccess;
  if (to == nullptr || from == nullptr) return done(kInvalidValue);
  memmove(to, from, bytes);
  return kSuccess;
}

int fill(void* to, int value, size_t bytes) {
  if (bytes == 0) return kSuccess;
  if (to == nullptr) return done(kInvalidValue);
  memset(to, value, bytes);
  return kSuccess;
}

struct Stream {
  char unused;
};
struct Event {
  timespec at;
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int cudaMalloc(void** address, size_t bytes) { return allocate(address, bytes); }
EXPORT int cudaMallocHost(void** address, size_t bytes) { return allocate(address, bytes); }
EXPORT int cudaHostAlloc(void** address, size_t bytes, unsigned) {
  return allocate(address, bytes);
}
EXPORT int cudaMallocManaged(void** address, size_t bytes, unsigned) {
  return allocate(address, bytes);
}
EXPORT int cudaMallocAsync(void** address, size_t bytes, void*) { return allocate(address, bytes); }
EXPORT int cudaFree(void* address) {
  free(address);
  return kSuccess;
}
EXPORT int cudaFreeHost(void* address) { return cudaFree(address); }
EXPORT int cudaFreeAsync(void* address, void*) { return cudaFree(address); }

EXPORT int cudaMemcpy(void* to, const void* from, size_t bytes, int) {
  return copy(to, from, bytes);
}
EXPORT int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int, void*) {
  return copy(to, from, bytes);
}
EXPORT int cudaMemset(void* to, int value, size_t bytes) { return fill(to, value, bytes); }
EXPORT int cudaMemsetAsync(void* to, int value, size_t bytes, void*) {
  return fill(to, value, bytes);
}
EXPORT int cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  if (free_bytes == nullptr || total_bytes == nullptr) return done(kInvalidValue);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  *free_bytes = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  *total_bytes = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page;
  return kSuccess;
}

EXPORT int cudaStreamCreate(void** stream) { return create<Stream>(stream); }
EXPORT int cudaStreamCreateWithFlags(void** stream, unsigned) { return create<Stream>(stream); }
EXPORT int cudaStreamCreateWithPriority(void** stream, unsigned, int) {
  return create<Stream>(stream);
}
EXPORT int cudaStreamDestroy(void* stream) {
  free(stream);
  return kSuccess;
}
EXPORT int cudaStreamSynchronize(void*) { return kSuccess; }
EXPORT int cudaStreamQuery(void*) { return kSuccess; }
EXPORT int cudaStreamWaitEvent(void*, void*, unsigned) { return kSuccess; }

EXPORT int cudaEventCreate(void** event) { return create<Event>(event); }
EXPORT int cudaEventCreateWithFlags(void** event, unsigned) { return create<Event>(event); }
EXPORT int cudaEventDestroy(void* event) {
  free(event);
  return kSuccess;
}
EXPORT int cudaEventRecord(void* event, void*) {
  if (event == nullptr) return done(kInvalidValue);
  clock_gettime(CLOCK_MONOTONIC, &static_cast<Event*>(event)->at);
  return kSuccess;
}
EXPORT int cudaEventSynchronize(void*) { return kSuccess; }
EXPORT int cudaEventQuery(void*) { return kSuccess; }
EXPORT int cudaEventElapsedTime(float* milliseconds, void* start, void* end) {
  if (milliseconds == nullptr || start == nullptr || end == nullptr) return done(kInvalidValue);
  const timespec& a = static_cast<Event*>(start)->at;
  const timespec& b = static_cast<Event*>(end)->at;
  *milliseconds = static_cast<float>(static_cast<double>(b.tv_sec - a.tv_sec) * 1e3 +
                                     static_cast<double>(b.tv_nsec - a.tv_nsec) * 1e-6);
  return kSuccess;
}

EXPORT int cudaGetDeviceCount(int* count) {
  if (count == nullptr) return done(kInvalidValue);
  *count = 1;
  return kSuccess;
}
EXPORT int cudaGetDevice(int* device) {
  if (device == nullptr) return done(kInvalidValue);
  *device = 0;
  return kSuccess;
}
EXPORT int cudaSetDevice(int device) { return done(device == 0 ? kSuccess : kInvalidDevice); }
EXPORT int cudaDeviceSynchronize() { return kSuccess; }
EXPORT int cudaDriverGetVersion(int* version) {
  if (version == nullptr) return done(kInvalidValue);
  *version = kVersion;
  return kSuccess;
}
EXPORT int cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }
EXPORT int cudaPeekAtLastError() { return last_error; }
EXPORT int cudaGetLastError() {
  const int error = last_error;
  last_error = kSuccess;
  return error;
}
EXPORT const char* cudaGetErrorName(int error) {
  switch (error) {
    case kSuccess: return "cudaSuccess";
    case kInvalidValue: return "cudaErrorInvalidValue";
    case kOutOfMemory: return "cudaErrorMemoryAllocation";
    case kInvalidDevice: return "cudaErrorInvalidDevice";
    default: return "cudaErrorUnknown";
  }
}
EXPORT const char* cudaGetErrorString(int error) {
  switch (error) {
    case kSuccess: return "no error";
    case kInvalidValue: return "invalid argument";
    case kOutOfMemory: return "out of memory";
    case kInvalidDevice: return "invalid device ordinal";
    default: return "unknown error";
  }
}
