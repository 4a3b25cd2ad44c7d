// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lathe's C++ API: a model becomes an engine, an engine opens sessions, a session runs.
//
//   auto model = lathe::Model::load("model.onnx");
//   if (!model.ok()) return fail(model.status());
//   lathe::BuildOptions options;
//   options.shapes = {{"images", {{1, 3, 224, 224}}}};
//   auto engine = lathe::Engine::build(*model, options);
//   if (!engine.ok()) return fail(engine.status());
//   auto session = engine->open();
//   auto s = session->set_input("images", lathe::Tensor::of<float>({1, 3, 224, 224}, pixels));
//   if (!s.ok() || !(s = session->run()).ok()) return fail(s);
//   lathe::Tensor y = *session->output("logits");
//
// Nothing throws. Model and Engine are shared handles to immutable things: copy them freely, use
// them from any thread. A Session belongs to one thread at a time; sessions of one engine run in
// parallel. The same inputs, engine and thread count give the same bits. A handle that was never
// filled or was moved from answers with InvalidInput, or with nothing.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lathe/export.h"
#include "lathe/status.h"
#include "lathe/tensor.h"

namespace lathe {

class Network;  // network.h
struct ModelState;
struct EngineState;
struct SessionState;

// A dimension of an input: a size, or -1 with the symbol that stands for it ("N", "2*H").
struct DimInfo {
  int64_t size = -1;
  std::string symbol{};
};

struct PortInfo {
  std::string name;
  Type type = Type::F32;
  std::vector<DimInfo> shape;
  // A GPU engine works on it in device memory: what is bound in host memory is copied.
  bool on_device = false;
};

// The shapes of one input that an engine was built for. opt is what it was tuned at; a max of -1:
// any size.
struct InputProfile {
  std::vector<int64_t> min, opt, max;
};

// min, opt, max of one input's shape. One entry: fixed at that; two: min and max (opt is max).
using ShapeRange = std::vector<std::vector<int64_t>>;

enum class VerifyMode { Off, Sample, Full };

struct BuildOptions {
  // "cpu", "cuda:1", or "cuda": the GPU of the caller's current CUDA context, else the first.
  std::string device = "cpu";
  bool fp16 = false, bf16 = false, tf32 = false;
  std::map<std::string, ShapeRange> shapes;  // inputs not named accept every size, tuned at 1
  int threads = 0;                           // 1 to 1024; 0: what the container may use
  int64_t workspace_bytes = -1;              // -1: no limit
  std::string timing_cache;  // file; "": the user's cache folder; "none": memory only
  bool tune = true;
  bool fuse = true;
  VerifyMode verify = VerifyMode::Sample;
  std::vector<std::string> disabled_passes;
  std::string dump_passes_dir;
  // What a build may cost; more is an error that says so. -1: half of the machine's memory, for
  // reading and folding.
  int64_t memory_budget_bytes = -1;
  int64_t node_budget = int64_t{1} << 20;
  double seconds_budget = 4 * 3600;
  // Hostile settings for tests: "reference_only", "random_tactic=SEED", "slowest_tactic",
  // "text_roundtrip", "engine_roundtrip", "poisoned_buffers".
  std::vector<std::string> test_settings;
  // Called often with the phase and the share done; returning false cancels with Code::Cancelled.
  bool (*progress)(void* user, const char* phase, double done) = nullptr;
  void* progress_user = nullptr;
};

// Operators that a model uses beside ONNX's (docs/custom_operators.md).
struct ModelOptions {
  std::vector<std::string> ops;      // definitions: files, or the JSON itself
  std::vector<std::string> plugins;  // libraries (lathe/plugin.h) to load into the process
  int64_t memory_budget_bytes = -1;  // for reading, as BuildOptions' for building
};

// A model as the optimizer leaves it, before a device matters.
struct OptimizedModel {
  std::string graph;  // as text
  // The nodes that hold graphs, "node 'decoder' (Loop)": no engine runs them so far, and a build
  // refuses the model. Empty: it can be built.
  std::vector<std::string> control_flow;
};

class LATHE_API Model {
 public:
  // Reads and checks an ONNX file; external data beneath its folder.
  static Result<Model> load(const std::string& path, const ModelOptions& options = {});
  static Result<Model> parse(std::span<const std::byte> onnx, std::string name = "model",
                             const ModelOptions& options = {});
  std::vector<PortInfo> inputs() const;
  std::vector<PortInfo> outputs() const;
  int node_count() const;  // of the file's graph, constants not counted
  // Whether a node holds graphs: an If whose condition is not known, a Loop, a Scan.
  bool has_control_flow() const;
  // The passes alone. Of `options`, shapes, types, limits and disabled passes matter.
  Result<OptimizedModel> optimize(const BuildOptions& options) const;

 private:
  friend class Engine;
  friend class Network;
  std::shared_ptr<const ModelState> state_;
};

struct StepInfo {
  std::string name;    // the model's nodes that it computes
  std::string op;      // "Conv{...}(f32[1,3,224,224], ...) -> (...)"
  std::string device;  // "cpu", "cuda"
  std::string tactic;
  std::string config;
  double seconds = 0;     // at the tuned point
  bool measured = false;  // false: by the cost model
  std::string why;
  double max_error = 0;  // against the reference
  bool checked = false;
};

struct MemoryInfo {
  int64_t weights = 0;  // packed and uploaded
  int64_t arena = 0;    // activations of one session at its current shape
  int64_t workspace = 0;
  int64_t arena_lower_bound = 0;
};

class Session;

class LATHE_API Engine {
 public:
  static Result<Engine> build(const Model& model, const BuildOptions& options = {});
  // `plugins`: libraries that the engine needs, to load into the process. Fails with NotFound when
  // one is not named; an engine by itself loads none. `device`: where an engine for GPUs is opened,
  // as in BuildOptions; "": "cuda".
  static Result<Engine> load(const std::string& path, const std::vector<std::string>& plugins = {},
                             const std::string& device = {});  // mapped
  static Result<Engine> parse(std::span<const std::byte> bytes,
                              const std::vector<std::string>& plugins = {},
                              const std::string& device = {});  // copied
  Status save(const std::string& path) const;                   // written beside and renamed
  Result<std::vector<std::byte>> serialize() const;

  std::vector<PortInfo> inputs() const;
  std::vector<PortInfo> outputs() const;
  std::vector<StepInfo> steps() const;
  std::string device() const;                // "cpu", "cuda:1"
  std::vector<std::string> plugins() const;  // that it needs: "acme_ops 1.2.0"
  std::string model_name() const;
  int nodes_in_model() const;
  // What building took, and of that timing tactics and checking results; 0 for a loaded one.
  double build_seconds() const;
  double tuning_seconds() const;
  double checking_seconds() const;
  // Largest error of a step; of each output end to end (empty when not verified).
  double certified_step_error() const;
  std::vector<double> certified_end_to_end() const;
  std::string graph_text() const;
  int64_t weight_bytes() const;
  // NotFound: no such input. Both directions of an input fixed at build are equal.
  Result<InputProfile> profile(std::string_view input) const;
  // Session::device_memory_size at the largest shapes of the profile. Prepares them, so it takes
  // as long as opening a session. InvalidInput where a dimension has no largest size.
  Result<int64_t> device_memory_size() const;

  struct OpenOptions {
    int threads = 0;  // 1 to 1024; 0: what the container may use
    // CUstream to run on, borrowed for the session's life; null: one of its own.
    void* cuda_stream = nullptr;
    bool poison = false;
  };
  Result<Session> open() const;
  Result<Session> open(const OpenOptions& options) const;

 private:
  friend class Session;
  std::shared_ptr<const EngineState> state_;
};

class LATHE_API Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  Status set_shape(std::string_view input, std::span<const int64_t> sizes);
  Status set_input(std::string_view input, const Tensor& tensor);  // copied
  // The caller's memory, used in place until rebound; `on_device`: a GPU pointer of the engine's
  // device. Null: the session's own again, and an input must be given anew.
  Status bind_input(std::string_view input, const void* data, size_t bytes, bool on_device = false);
  Status bind_output(std::string_view output, void* data, size_t bytes, bool on_device = false);
  // As set, or as the engine has it where it is fixed; InvalidInput before that.
  Result<std::vector<int64_t>> input_shape(std::string_view input) const;
  // What a run of the inputs' current shapes gives; prepares that run, and needs every shape set.
  Result<std::vector<int64_t>> output_shape(std::string_view output);

  // GPU engines: the CUstream of every run from now on, borrowed; null: the default stream. Whoever
  // changes it orders the new stream behind what was queued on the old one.
  Status set_stream(void* cuda_stream);
  // Bytes on the engine's device that a run of the current shapes takes for activations and
  // workspace: the session's own, or the caller's from set_device_memory on (256-byte aligned,
  // contents undefined; null: the session's own again).
  Result<int64_t> device_memory_size();
  Status set_device_memory(void* memory, size_t bytes);

  // On a CPU, numbers below the least normal one (2^-126 in f32) count as 0 during a run.
  Status run();
  // GPU engines: queues a run on the stream and returns without waiting for the device; results are
  // there when the stream gets to them, or after wait(). Memory bound on the host must live until
  // then. Allocates nothing after the second run of a shape. A stream under capture records the run
  // into the caller's graph; run once at these shapes before. CPU engines: the same as run().
  Status enqueue();
  // Queues a run and returns; `done` is called from a thread of Lathe's when it ends (may be null).
  // The session is still busy inside `done`, and refuses every call there.
  Status run_async(void (*done)(void* user, const Status& status), void* user);
  Status wait();  // for what enqueue or run_async began; its status
  Result<Tensor> output(std::string_view output) const;  // a copy
  MemoryInfo memory() const;

  // One run with a clock around each step: callback gets step index and seconds.
  Status profile(void (*step)(void* user, int index, double seconds), void* user);

 private:
  friend class Engine;
  Session();
  std::unique_ptr<SessionState> state_;
};

// Facts for `lathe ops | devices | version`.
struct DeviceDescription {
  std::string id;  // "cpu", "cuda:0"
  std::string name, features, libraries;
  std::string error;  // why it cannot be used; empty: fine
};
LATHE_API std::vector<DeviceDescription> devices();
struct OpDescription {
  std::string name, operands, results, doc;
  std::vector<std::string> attributes;
};
LATHE_API std::vector<OpDescription> operators();
LATHE_API std::vector<std::string> onnx_operators();
LATHE_API const char* version();

// Messages go nowhere unless a sink is set (info and above) or LATHE_LOG=trace|debug|info|warning|
// error is in the environment (to stderr where no sink is set). Levels count from 0, trace; 3 is a
// warning. The sink is called from any thread, one call at a time.
LATHE_API void set_log_sink(void (*sink)(void* user, int level, const char* message), void* user);

}  // namespace lathe
