// SPDX-License-Identifier: Apache-2.0
// winograd_conv: 3x3 convolutions in NHWC by Winograd's F(4x4, 3x3) and F(2x2, 3x3), which do a
// quarter and four ninths of the multiplications. A block of tiles goes through all three steps
// while it is in a core's cache; where the picture is small, all threads share one block.
//
// A value rounds by the size of what its whole tile reads, not of its own window only. So 4x4 is
// offered from 48 channels on, where the sums are long enough to hide it, and padding that leaves
// windows of fewer than four terms a channel is declined.
#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "backends/cpu/dnnl/onednn_prepared.h"
#include "backends/cpu/simd/expr_kernel.h"
#include "backends/cpu/simd/image_epilogue.h"
#include "backends/cpu/simd/winograd_kernels.h"
#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int kRank = 4;
constexpr size_t kMaxOperands = 16;
constexpr int kMaxPixels = 36;
constexpr int64_t kLeastChannels = 16, kLeastForFour = 48;
constexpr int64_t kBlockBytes = 768 << 10;       // of transformed data; with weights a 1 MB cache
constexpr int64_t kFewTiles = 28;                // below, a block's products wait for weights
constexpr int64_t kSmallBlockBytes = 384 << 10;  // beside the weights in a cache of 512 KB
constexpr std::string_view kTile = "tile=", kSmall = " block=small";

struct Geometry {
  int tile, points;
  int64_t images, channels, height, width, out_channels, out_height, out_width;
  int64_t pad_top, pad_left;
  int64_t tile_rows, tile_columns;

  Geometry(const OpInstance& op, int tile_size) : tile(tile_size) {
    points = (tile + 2) * (tile + 2);
    const std::vector<int64_t> x = op.in[0].shape.sizes(), y = op.out[0].shape.sizes();
    std::tie(images, channels, height, width) = std::tie(x[0], x[1], x[2], x[3]);
    std::tie(out_channels, out_height, out_width) = std::tie(y[1], y[2], y[3]);
    pad_top = op.attrs.ints("pads")[0];
    pad_left = op.attrs.ints("pads")[1];
    tile_rows = ceil_div(out_height, tile);
    tile_columns = ceil_div(out_width, tile);
  }
  int64_t tiles() const { return images * tile_rows * tile_columns; }
  int64_t in_groups() const { return ceil_div(channels, kWinogradGroup); }
  int64_t out_groups() const { return ceil_div(out_channels, kWinogradGroup); }
  int64_t bytes_of_tile() const {
    return points * (in_groups() + out_groups()) * kWinogradGroup * 4;
  }
};

// How the tiles are worked on: blocks for each thread alone, or one after the other by all.
struct Schedule {
  int64_t block = 1;  // tiles
  bool together = false;
};

Schedule schedule_of(const Geometry& g, int threads, int64_t block_bytes) {
  const int64_t fit = std::max<int64_t>(1, block_bytes / g.bytes_of_tile());
  const int64_t alone = std::max(fit, kFewTiles);
  Schedule s;
  if (g.tiles() < alone * threads) {
    // Weights are read once; each thread's part of the block still fits its cache, or nearly.
    s.together = true;
    s.block = std::min(g.tiles(), std::max(fit * threads, 2 * kFewTiles));
    s.block = ceil_div(g.tiles(), ceil_div(g.tiles(), s.block));
    return s;
  }
  s.block = alone;
  return s;
}

class PreparedWinograd : public Prepared {
 public:
  PreparedWinograd(const OpInstance& op, const Geometry& g, int64_t block_bytes)
      : g_(g), kernels_(winograd_kernels(g.tile)), slots_(thread_count()) {
    schedule_ = schedule_of(g, slots_, block_bytes);
    x_ = image_plane(op.in[0], operand_strides(op, 0));
    y_ = image_plane(op.out[0], result_strides(op, 0));
    zeros_.resize(static_cast<size_t>(g.channels));
    has_bias_ = has_operand(op, 2);
    if (!op.fusion.epilogue.empty()) plan_epilogue(op);
    // An odd number of cache lines from point to point: no two points share a set.
    v_group_ = m_group_ = schedule_.block * kWinogradGroup;
    v_point_ = (g.in_groups() * schedule_.block | 1) * kWinogradGroup;
    m_point_ = (g.out_groups() * schedule_.block | 1) * kWinogradGroup;
    slot_floats_ = g.points * (v_point_ + m_point_);
    workspace_bytes = static_cast<size_t>(slot_floats_ * (schedule_.together ? 1 : slots_)) * 4;
  }

  Status pack(const LoadContext& context) {
    const HostTensor& weights = context.constants[1];
    const uint64_t id = context.constant_ids.size() > 1 ? context.constant_ids[1] : 0;
    const std::string key =
        fmt::format("winograd|{}|{}|{}|{}", id, g_.tile, g_.out_channels, g_.channels);
    const auto floats = winograd_weights_size(g_.tile, g_.out_channels, g_.channels);
    packed_bytes = static_cast<size_t>(floats) * 4;
    auto fill = [&](void* to) -> Status {
      winograd_weights(g_.tile, weights.span<float>(), g_.out_channels, g_.channels,
                       static_cast<float*>(to));
      return {};
    };
    weights_ = LATHE_TRY(context.cache.get_packed(key, context.device, packed_bytes, fill));
    plain_constants &= ~uint64_t{2};
    return {};
  }

  Status launch(const Buffers& at, Stream&) const override {
    const int64_t tiles = g_.tiles();
    if (schedule_.together) {
      for (int64_t t = 0; t < tiles; t += schedule_.block) {
        run_together(at, block(at, 0, t, std::min(tiles, t + schedule_.block)));
      }
      return {};
    }
    parallel_for(slots_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        run_alone(at, slot, tiles * slot / slots_, tiles * (slot + 1) / slots_);
      }
    });
    return {};
  }

 private:
  // Tiles [first, first + tiles) and where their points lie.
  struct Block {
    int64_t first, tiles;
    float *v, *m;
  };
  // A run of tiles side by side.
  struct Span {
    int64_t image, row, column, count;
  };

  Block block(const Buffers& at, int64_t slot, int64_t first, int64_t end) const {
    float* v = static_cast<float*>(at.workspace) + slot * slot_floats_;
    return {first, end - first, v, v + g_.points * v_point_};
  }

  // Tiles [begin, end) in blocks of even size.
  void run_alone(const Buffers& at, int64_t slot, int64_t begin, int64_t end) const {
    const int64_t tiles = end - begin, blocks = ceil_div(tiles, schedule_.block);
    for (int64_t k = 0; k < blocks; ++k) {
      const Block b = block(at, slot, begin + tiles * k / blocks, begin + tiles * (k + 1) / blocks);
      enter(at, b, 0, b.tiles);
      multiply(b, 0, products());
      leave(at, b, 0, b.tiles);
    }
  }

  void run_together(const Buffers& at, const Block& b) const {
    parallel_for(b.tiles, 1, [&](int64_t begin, int64_t end) { enter(at, b, begin, end); });
    parallel_for(products(), 1, [&](int64_t begin, int64_t end) { multiply(b, begin, end); });
    parallel_for(b.tiles, 1, [&](int64_t begin, int64_t end) { leave(at, b, begin, end); });
  }

  Span span_at(int64_t tile, int64_t end) const {
    const int64_t column = tile % g_.tile_columns, row = tile / g_.tile_columns;
    return {row / g_.tile_rows, row % g_.tile_rows, column,
            std::min(g_.tile_columns - column, end - tile)};
  }

  // Input tiles [begin, end) of the block to points.
  void enter(const Buffers& at, const Block& b, int64_t begin, int64_t end) const {
    const auto* x = static_cast<const float*>(at.in[0]);
    const int side = g_.tile + 2;
    const float* pixels[kMaxPixels];
    for (int64_t t = begin; t < end; ++t) {
      const Span s = span_at(b.first + t, b.first + t + 1);
      const int64_t top = s.row * g_.tile - g_.pad_top, left = s.column * g_.tile - g_.pad_left;
      for (int k = 0; k < g_.points; ++k) {
        const int64_t h = top + k / side, w = left + k % side;
        const bool inside = h >= 0 && h < g_.height && w >= 0 && w < g_.width;
        pixels[k] = inside ? x + s.image * x_.n + h * x_.h + w * x_.w : zeros_.data();
      }
      kernels_.input({pixels, g_.channels, b.v + t * kWinogradGroup, v_group_, v_point_});
    }
  }

  int64_t panels() const { return ceil_div(g_.out_groups() * kWinogradGroup, panel_width()); }
  int64_t panel_width() const { return 2 * kernels_.lanes; }
  int64_t products() const { return g_.points * panels(); }

  // Products [begin, end): for each point its panels of weights, each for all the block's tiles.
  void multiply(const Block& b, int64_t begin, int64_t end) const {
    const int64_t whole = g_.out_groups() * kWinogradGroup, parts = ceil_div(b.tiles, max_rows());
    const auto* weights = static_cast<const float*>(weights_->data());
    for (int64_t k = begin; k < end; ++k) {
      const int64_t point = k / panels(), first = k % panels() * panel_width();
      WinogradProduct p;
      p.u = weights + (point * whole + first) * g_.channels;
      p.depth = g_.channels;
      p.v_group = v_group_;
      p.m_group = m_group_;
      p.vectors = static_cast<int>(std::min(panel_width(), whole - first) / kernels_.lanes);
      float* m =
          b.m + point * m_point_ + first / kWinogradGroup * m_group_ + first % kWinogradGroup;
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t t = b.tiles * part / parts;
        p.rows = static_cast<int>(b.tiles * (part + 1) / parts - t);
        p.v = b.v + point * v_point_ + t * kWinogradGroup;
        p.m = m + t * kWinogradGroup;
        kernels_.product(p);
      }
    }
  }
  int64_t max_rows() const { return kernels_.max_rows; }

  // Points of tiles [begin, end) to the result, epilogue included.
  void leave(const Buffers& at, const Block& b, int64_t begin, int64_t end) const {
    WinogradOutput o;
    o.group_stride = m_group_;
    o.point_stride = m_point_;
    o.bias = has_bias_ ? static_cast<const float*>(at.in[2]) : nullptr;
    o.floor = floor_;
    o.row_stride = y_.h;
    o.pixel_stride = y_.w;
    o.channels = g_.out_channels;
    for (int64_t t = begin; t < end; ++t) {
      const Span s = span_at(b.first + t, b.first + t + 1);
      const int64_t h = s.row * g_.tile, w = s.column * g_.tile;
      o.m = b.m + t * kWinogradGroup;
      o.y = static_cast<float*>(at.out[0]) + s.image * y_.n + h * y_.h + w * y_.w;
      o.rows = static_cast<int>(std::min<int64_t>(g_.tile, g_.out_height - h));
      o.columns = static_cast<int>(std::min<int64_t>(g_.tile, g_.out_width - w));
      kernels_.output(o);
    }
    if (epilogue_.empty()) return;
    for (int64_t t = b.first + begin; t < b.first + end;) {
      const Span s = span_at(t, b.first + end);
      run_epilogue(at, s);
      t += s.count;
    }
  }

  void plan_epilogue(const OpInstance& op) {
    if (is_relu(op.fusion.epilogue)) {
      floor_ = 0;
      return;
    }
    const Expr& e = op.fusion.epilogue;
    epilogue_ = ExprKernel(e);
    auto add = [&](const TensorType& type, const std::vector<int64_t>& strides, size_t operand) {
      const int input = static_cast<int>(inputs_.size());
      const bool read = input < static_cast<int>(e.inputs().size()) && e.reads(input);
      inputs_.push_back({read ? image_plane(type, strides) : ImagePlane(), operand, read});
      if (read)
        joins_rows_ =
            joins_rows_ && inputs_.back().plane.h == inputs_.back().plane.w * g_.out_width;
    };
    joins_rows_ = y_.h == y_.w * g_.out_width;
    add(op.out[0], result_strides(op, 0), 0);
    for (auto k = static_cast<size_t>(op.fusion.anchor_operands); k < op.in.size(); ++k) {
      add(op.in[k], operand_strides(op, static_cast<int>(k)), k);
    }
    add(op.in[0], operand_strides(op, 0), 0);
  }

  // Over the result where it lies, in as few calls as its strides allow.
  void run_epilogue(const Buffers& at, const Span& s) const {
    const int64_t top = s.row * g_.tile, bottom = std::min(top + g_.tile, g_.out_height);
    const int64_t left = s.column * g_.tile;
    const int64_t right = std::min(left + s.count * g_.tile, g_.out_width);
    const bool joins = joins_rows_ && left == 0 && right == g_.out_width;
    const int64_t step = joins ? bottom - top : 1;
    Rows in[kMaxOperands];
    for (int64_t h = top; h < bottom; h += step) {
      for (size_t k = 0; k < inputs_.size(); ++k) {
        const Input& from = inputs_[k];
        if (!from.read) continue;
        void* base = k == 0 ? at.out[0] : at.in[from.operand];
        in[k] = image_row(base, from.plane, s.image, h, left);
      }
      const Rows out = image_row(at.out[0], y_, s.image, h, left);
      epilogue_.run({in, inputs_.size()}, {&out, 1}, step * (right - left), g_.out_channels);
    }
  }

  // An input of the epilogue: the result so far, further operands, operand 0.
  struct Input {
    ImagePlane plane;
    size_t operand;
    bool read;
  };

  Geometry g_;
  WinogradKernels kernels_;
  int slots_;
  Schedule schedule_;
  ImagePlane x_, y_;
  std::vector<float> zeros_;  // a pixel of padding
  std::shared_ptr<Memory> weights_;
  bool has_bias_ = false, joins_rows_ = false;
  float floor_ = -std::numeric_limits<float>::infinity();
  ExprKernel epilogue_;
  std::vector<Input> inputs_;
  int64_t v_group_ = 0, v_point_ = 0, m_group_ = 0, m_point_ = 0, slot_floats_ = 0;
};

// Cycles of a vector unit for each multiplication by one weight matrix, roughly: products, both
// transforms, and weights that come from memory, against the direct method at its peak.
double cost(const OpInstance& op, int tile) {
  const Geometry g(op, tile);
  const auto tiles = static_cast<double>(g.tiles()), points = static_cast<double>(g.points);
  const auto c = static_cast<double>(g.channels), m = static_cast<double>(g.out_channels);
  constexpr double kLanes = 16, kProductShare = 0.85, kBytesPerCycle = 6;
  const double products = tiles * points * c * m / kLanes / kProductShare;
  const double transforms = tiles * points * (c + m) / kLanes * 12;
  return products + transforms + points * c * m * 4 / kBytesPerCycle;
}

double direct_cost(const OpInstance& op) { return cost_of(op).flops / 2 / 16; }

Support refuse_types(const OpInstance& op) {
  if (op.out.size() != 1) return Support::no("more than one result");
  for (int k = 0; k < 2; ++k) {
    const auto n = static_cast<size_t>(k);
    if (op.in[n].dtype != DType::F32 || anchor_in(op)[n].dtype != DType::F32) {
      return Support::no("only f32");
    }
  }
  if (op.out[0].dtype != DType::F32) return Support::no("only f32");
  if (!op.fusion.empty() && op.fusion.anchor_out[0].dtype != DType::F32) {
    return Support::no("only f32");
  }
  for (const Expr& e : op.fusion.prologue) {
    if (!e.empty() && !e.is_identity()) return Support::no("an operand has a prologue");
  }
  if (op.in.size() + 2 > kMaxOperands) return Support::no("too many operands");
  return Support::yes();
}

Support refuse_memory(const OpInstance& op) {
  if (op.in[0].layout != Layout::ChannelsLast) return Support::no("the input is not NHWC");
  if (op.out[0].layout != Layout::ChannelsLast) return Support::no("the result is not NHWC");
  if (!op.is_constant(1)) return Support::no("the weights are no constant");
  if (is_sliced(op, 1) || (has_operand(op, 2) && is_sliced(op, 2)))
    return Support::no("weights or bias are a slice");
  if (op.in[1].layout != Layout::RowMajor) return Support::no("the weights are not row-major");
  for (const TensorType& t : op.in) {
    if (t.absent()) continue;
    if (t.layout == Layout::Blocked16) return Support::no("an operand is blocked");
    if (t.rank() > kRank) return Support::no("an operand has more dimensions");
  }
  return Support::yes();
}

bool all_are(const Ints& values, int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == value; });
}

Support refuse_window(const OpInstance& op) {
  if (op.in[0].rank() != kRank) return Support::no("only two spatial dimensions");
  const std::vector<int64_t> w = op.in[1].shape.sizes();
  if (w[2] != 3 || w[3] != 3) return Support::no("the kernel is not 3x3");
  if (!all_are(op.attrs.ints("strides"), 1)) return Support::no("the stride is not 1");
  if (!all_are(op.attrs.ints("dilations"), 1)) return Support::no("the kernel is dilated");
  if (op.attrs.i("group") != 1) return Support::no("there are groups");
  const Ints& pads = op.attrs.ints("pads");
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p > 1; })) {
    return Support::no("padding wider than 1 leaves sums too short for winograd's rounding");
  }
  if (op.out[0].shape.elements() == 0 || w[1] < kLeastChannels || w[0] < kLeastChannels) {
    return Support::no("too few channels for winograd");
  }
  return Support::yes();
}

std::vector<int> tiles_for(const OpInstance& op) {
  std::vector<int> tiles;
  const double direct = direct_cost(op);
  if (op.in[1].shape[1].value() >= kLeastForFour && cost(op, 4) < direct) tiles.push_back(4);
  if (cost(op, 2) < direct) tiles.push_back(2);
  return tiles;
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (Support s = refuse_window(op); !s) return s;
  if (Support s = refuse_types(op); !s) return s;
  if (Support s = refuse_memory(op); !s) return s;
  if (tiles_for(op).empty()) return Support::no("too few pixels or channels to pay");
  return Support::yes();
}

int tile_of(const OpInstance& op, const Config& config) {
  if (config.starts_with("tile=4")) return 4;
  if (config.starts_with("tile=2")) return 2;
  const std::vector<int> tiles = tiles_for(op);
  return tiles.empty() ? 2 : tiles[0];
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  std::vector<Config> list;
  for (int tile : tiles_for(op)) list.push_back(fmt::format("{}{}", kTile, tile));
  if (list.empty()) return list;
  // Another size of block only where it makes other blocks, and for the better tile alone.
  const Geometry g(op, tile_of(op, list[0]));
  const Schedule large = schedule_of(g, device.threads, kBlockBytes);
  const Schedule small = schedule_of(g, device.threads, kSmallBlockBytes);
  if (small.block != large.block || small.together != large.together) {
    list.insert(list.begin() + 1, fmt::format("{}{}", list[0], kSmall));
  }
  return list;
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  if (context.constants.size() < 2 || context.constants[1].empty()) {
    return unsupported("the weights are not given");
  }
  const Geometry g(context.op, tile_of(context.op, context.config));
  const int64_t block_bytes = context.config.ends_with(kSmall) ? kSmallBlockBytes : kBlockBytes;
  auto prepared = std::make_unique<PreparedWinograd>(context.op, g, block_bytes);
  LATHE_TRY(prepared->pack(context));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

double expect(const OpInstance& op, const Config& config, const DeviceInfo& device) {
  // The device's peak counts a multiplication and an addition in each of 16 lanes.
  return cost(op, tile_of(op, config)) * 32 / device.flops_f32;
}

}  // namespace

const Tactic& winograd_conv() {
  static constexpr Tactic tactic{
      .name = "winograd_conv",
      .op = "Conv",
      .doc = "3x3 convolutions in NHWC by Winograd's F(4x4, 3x3) and F(2x2, 3x3), any epilogue.",
      .supports = supports,
      .configs = configs,
      .load = load,
      .expect = expect,
      .version = 2,
  };
  return tactic;
}

}  // namespace lathe::cpu
