// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/tile_gemm.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "backends/cpu/gemm/gemm_epilogue.h"
#include "backends/cpu/gemm/gemm_grid.h"
#include "backends/cpu/gemm/prologue_rows.h"
#include "backends/cpu/gemm/tile_kernels.h"
#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kMostTiles = 8, kMostPanels = 8;  // of a block: its product stays in cache
constexpr int64_t kRowsBytes = 768 << 10;           // and so do its rows of operand 0
// Weights that stay in the second-level cache while the product of a few rows, which the epilogue
// reads at once, stays in the first.
constexpr int64_t kStayingWeights = 256 << 10, kStripBytes = 24 << 10;
constexpr int64_t kHalfTile = kTileSize / 2;

int64_t row_tiles(const GemmProblem& p) { return ceil_div(p.rows, kTileSize); }
int64_t panels_of(const GemmProblem& p) { return ceil_div(p.columns, kTileSize); }

bool weights_stay(const GemmProblem& p) { return p.columns * p.depth * 2 <= kStayingWeights; }

int64_t tiles_of_block(const GemmProblem& p) {
  int64_t tiles = std::min(kMostTiles, kRowsBytes / (kTileSize * 2 * p.depth));
  const int64_t columns = std::min(panels_of(p), kMostPanels) * kTileSize;
  if (weights_stay(p)) tiles = std::min(tiles, kStripBytes / (kTileSize * 4 * columns));
  return std::max<int64_t>(tiles, 1);
}

// Blocks of whole tiles.
GemmGrid grid_of(const GemmProblem& p, bool by_columns, int64_t threads) {
  const int64_t tiles = tiles_of_block(p);
  GemmGrid g{p.groups, ceil_div(row_tiles(p), tiles), ceil_div(panels_of(p), kMostPanels),
             by_columns};
  if (by_columns) {
    g.column_blocks = std::min(panels_of(p), round_up(g.column_blocks, threads));
  } else if (p.groups % threads != 0) {
    g.row_blocks = std::min(row_tiles(p), round_up(g.row_blocks, threads));
  }
  return g;
}

class PreparedTiles : public Prepared {
 public:
  PreparedTiles(const OpInstance& op, GemmProblem problem, const TileKernel& kernel,
                bool by_columns)
      : p_(std::move(problem)),
        kernel_(kernel),
        slots_(thread_count()),
        grid_(grid_of(p_, by_columns, slots_)),
        row_tiles_(row_tiles(p_)),
        panels_(panels_of(p_)),
        depth_(round_up(p_.depth, kTileSize)),
        epilogue_(op, p_, false) {
    if (!p_.prologue.empty()) p_.source = prologue_rows(op, p_);
    plan_workspace();
  }

  Status pack(const LoadContext& context) {
    const HostTensor& weights = context.constants[1];
    const std::string key = packing_key("tiles", p_, context);
    packed_bytes = static_cast<size_t>(panels_ * kTileSize * depth_) * sizeof(uint16_t);
    auto fill = [&](void* to) -> Status {
      pack_panels(reinterpret_cast<const uint16_t*>(weights.bytes().data()),
                  static_cast<uint16_t*>(to));
      return {};
    };
    weights_ = LATHE_TRY(context.cache.get_packed(key, context.device, packed_bytes, fill));
    plain_constants &= ~uint64_t{2};
    p_.weight_rows = {};
    return {};
  }

  Status launch(const Buffers& at, Stream&) const override {
    grid_.share(slots_, [&](int64_t slot, int64_t begin, int64_t end) {
      kernel_.enter();
      for (int64_t k = begin; k < end; ++k) {
        const bool fetch = !weights_stay(p_) && k + 1 < end;
        run(at, slot, block(k), fetch ? panel_at(block(k + 1).panel) : nullptr);
      }
      kernel_.leave();
    });
    return {};
  }

 private:
  struct Block : GemmBlock {
    int64_t panel, panels;
  };

  Block block(int64_t k) const {
    const GemmGrid::Cell at = grid_.cell(k);
    Block b;
    b.group = at.group;
    b.first = row_tiles_ * at.row / grid_.row_blocks * kTileSize;
    b.rows = row_tiles_ * (at.row + 1) / grid_.row_blocks * kTileSize;
    b.rows = std::min(b.rows, p_.rows) - b.first;
    b.panel = panels_ * at.column / grid_.column_blocks;
    b.panels = panels_ * (at.column + 1) / grid_.column_blocks - b.panel;
    b.column = b.panel * kTileSize;
    b.columns = std::min((b.panel + b.panels) * kTileSize, p_.columns) - b.column;
    return b;
  }

  // Panels of 32 columns; in each its pairs of depth, missing ones 0.
  void pack_panels(const uint16_t* from, uint16_t* to) const {
    parallel_for(panels_, 1, [&](int64_t begin, int64_t end) {
      uint16_t* at = to + begin * kTileSize * depth_;
      for (int64_t panel = begin; panel < end; ++panel) {
        for (int64_t k = 0; k < depth_; k += 2) {
          for (int64_t n = panel * kTileSize; n < (panel + 1) * kTileSize; ++n) {
            *at++ = weight(from, k, n);
            *at++ = weight(from, k + 1, n);
          }
        }
      }
    });
  }
  uint16_t weight(const uint16_t* from, int64_t k, int64_t n) const {
    if (k >= p_.depth || n >= p_.columns) return 0;
    return from[p_.weight_rows[static_cast<size_t>(k)] + n * p_.weight_step];
  }

  bool copies_all() const { return p_.source != nullptr || depth_ != p_.depth; }

  // One slot: the product of a block, copied rows, the bias of a panel.
  void plan_workspace() {
    const int64_t rows = ceil_div(row_tiles_, grid_.row_blocks) * kTileSize;
    columns_ = ceil_div(panels_, grid_.column_blocks) * kTileSize;
    copy_at_ = rows * columns_ * 4;
    bias_at_ = copy_at_ + (copies_all() ? rows : kTileSize) * depth_ * 2;
    slot_bytes_ = round_up(bias_at_ + columns_ * 4, 4096) + 64;
    workspace_bytes = static_cast<size_t>(slot_bytes_ * slots_);
  }

  const uint16_t* panel_at(int64_t panel) const {
    return static_cast<const uint16_t*>(weights_->data()) + panel * kTileSize * depth_;
  }

  // `next`: the panel that the slot reads behind the block's, null: none.
  void run(const Buffers& at, int64_t slot, const Block& b, const uint16_t* next) const {
    std::byte* own = static_cast<std::byte*>(at.workspace) + slot * slot_bytes_;
    auto* product = reinterpret_cast<float*>(own);
    auto* copy = reinterpret_cast<uint16_t*>(own + copy_at_);
    auto* bias = reinterpret_cast<float*>(own + bias_at_);
    widen_bias(at, b, bias);
    const auto* a = reinterpret_cast<const uint16_t*>(element(at.in[0], p_.a, b.group, b.first, 0));
    const int64_t first_copied = first_copied_row(b.rows);
    if (p_.source != nullptr) {
      p_.source->gather(at, {b.group, b.first, b.rows, 0, p_.depth, depth_}, copy);
      fill_gaps(b.rows, copy);
    } else {
      copy_rows(a, first_copied, b.rows, copy);
    }
    TileBlock t{};
    t.depth = depth_;
    t.c_row = columns_;
    for (int64_t panel = 0; panel < b.panels; ++panel) {
      t.b = panel_at(b.panel + panel);
      t.bias = bias + panel * kTileSize;
      const uint16_t* after = panel + 1 < b.panels ? panel_at(b.panel + panel + 1) : next;
      for (int64_t row = 0; row < b.rows; row += kTileSize) {
        share_next(t, after, row, b.rows);
        const bool copied = row >= first_copied;
        t.a = copied ? copy + (row - first_copied) * depth_ : a + row * p_.a.row;
        t.a_row = copied ? depth_ : p_.a.row;
        t.c = product + row * columns_ + panel * kTileSize;
        t.rows = std::min(b.rows - row, kTileSize);
        kernel_.multiply(t);
      }
    }
    epilogue_.run(at, b, product, columns_);
  }

  // The part of the next panel that comes into the cache while the tile of rows from `row` is made.
  void share_next(TileBlock& t, const uint16_t* next, int64_t row, int64_t rows) const {
    const int64_t tiles = ceil_div(rows, kTileSize), tile = row / kTileSize;
    const int64_t lines = depth_;  // 32 columns of 2 bytes are one line
    const int64_t begin = lines * tile / tiles;
    t.next = next == nullptr ? nullptr : next + begin * kTileSize;
    t.next_lines = next == nullptr ? 0 : lines * (tile + 1) / tiles - begin;
  }

  // Rows from here on are copied: of a depth that fills no tile, all; else the last few, behind
  // which a tile would read on. A whole number of tiles precedes it.
  int64_t first_copied_row(int64_t rows) const {
    if (copies_all()) return 0;
    return rows % kHalfTile == 0 ? rows : rows / kTileSize * kTileSize;
  }

  void copy_rows(const uint16_t* a, int64_t first, int64_t rows, uint16_t* to) const {
    const auto bytes = static_cast<size_t>(p_.depth) * 2;
    const auto gap = static_cast<size_t>(depth_ - p_.depth) * 2;
    for (int64_t r = first; r < round_up(rows, kHalfTile); ++r, to += depth_) {
      if (r < rows) {
        std::memcpy(to, a + r * p_.a.row, bytes);
        std::memset(to + p_.depth, 0, gap);
      } else {
        std::memset(to, 0, bytes + gap);
      }
    }
  }

  // Zeros behind each row's elements and behind the rows, as far as tiles read.
  void fill_gaps(int64_t rows, uint16_t* a) const {
    for (int64_t r = 0; r < rows && depth_ != p_.depth; ++r) {
      std::fill_n(a + r * depth_ + p_.depth, depth_ - p_.depth, uint16_t{0});
    }
    std::fill(a + rows * depth_, a + round_up(rows, kHalfTile) * depth_, uint16_t{0});
  }

  void widen_bias(const Buffers& at, const Block& b, float* to) const {
    const auto* bias = p_.has_bias ? static_cast<const uint16_t*>(at.in[2]) + b.column : nullptr;
    for (int64_t n = 0; n < b.panels * kTileSize; ++n) {
      const bool there = bias != nullptr && n < b.columns;
      to[n] = there ? std::bit_cast<float>(static_cast<uint32_t>(bias[n]) << 16) : 0.0f;
    }
  }

  GemmProblem p_;
  const TileKernel& kernel_;
  int slots_;
  GemmGrid grid_;
  int64_t row_tiles_, panels_;  // in all
  int64_t depth_;               // of whole tiles
  GemmEpilogue epilogue_;
  std::shared_ptr<Memory> weights_;
  int64_t columns_ = 0, copy_at_ = 0, bias_at_ = 0, slot_bytes_ = 0;
};

}  // namespace

// Features and kernels have the same names.
std::string_view best_tile_kernel(const DeviceInfo& device) {
  return device.has("amx") ? "amx" : "bf16";
}

Result<const TileKernel*> tile_kernel_of(std::string_view config, const DeviceInfo& device) {
  const std::string_view name = config.substr(0, config.find(' '));
  const TileKernel* kernel = find_tile_kernel(name);
  if (kernel == nullptr) return unsupported("'{}' names no kernel of tiles", config);
  if (name == "portable" || device.has(name)) return kernel;
  if (!device.has("bf16")) return unsupported("the CPU has no BF16");
  return find_tile_kernel(best_tile_kernel(device));
}

std::string refuse_tiles(const GemmProblem& p, const DeviceInfo& device) {
  if (!p.ok()) return p.why;
  if (!device.has("amx") && !device.has("bf16")) return "the CPU has no BF16";
  return "";
}

std::vector<Config> tile_configs(const GemmProblem& p, const DeviceInfo& device) {
  const std::string kernel = std::string(best_tile_kernel(device)) + " ";
  const bool columns = ceil_div(p.columns, kTileSize) >= device.threads;
  const bool rows = p.groups * ceil_div(p.rows, kTileSize) >= device.threads;
  const bool large = p.columns * p.depth * 2 > kSharedWeights;
  std::vector<Config> list;
  if ((rows && !large) || !columns) list.push_back(kernel + std::string(kByRows));
  if (columns && device.threads > 1) list.push_back(kernel + std::string(kByColumns));
  return list;
}

Result<std::unique_ptr<Prepared>> load_tiles(const LoadContext& context, GemmProblem problem) {
  if (!problem.ok()) return unsupported("{}", problem.why);
  if (context.constants.size() < 2 || context.constants[1].empty()) {
    return unsupported("the weights are not given");
  }
  const TileKernel* kernel = LATHE_TRY(tile_kernel_of(context.config, context.device.info()));
  auto prepared = std::make_unique<PreparedTiles>(context.op, std::move(problem), *kernel,
                                                  context.config.ends_with(kByColumns));
  LATHE_TRY(prepared->pack(context));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

}  // namespace lathe::cpu
