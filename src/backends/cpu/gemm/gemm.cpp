// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/gemm.h"

#include <algorithm>
#include <limits>

#include "backends/cpu/cpu_features.h"
#include "backends/cpu/dnnl/onednn_prepared.h"
#include "backends/cpu/gemm/gemm_epilogue.h"
#include "backends/cpu/gemm/gemm_grid.h"
#include "backends/cpu/gemm/prologue_rows.h"
#include "backends/cpu/simd/image_epilogue.h"
#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kLeastRows = 8, kMostRows = 256;
constexpr int64_t kFloatsOfLine = 16;

// Three eighths of a core's second-level cache for a chunk of a block's rows, so that weights are
// fetched for as many rows as possible, and half of it for the block's result.
int64_t rows_of_block(const PanelLayout& panels) {
  const int64_t floats = second_level_cache() * 3 / 8 / 4;
  return std::clamp(floats / panels.longest_chunk(), kLeastRows, kMostRows);
}
int64_t columns_of_block(int64_t rows) { return second_level_cache() / 2 / 4 / rows; }

GemmGrid grid_of(const GemmProblem& p, const PanelLayout& panels, bool by_columns, int threads) {
  const int64_t row_blocks = ceil_div(p.rows, rows_of_block(panels));
  const int64_t columns = columns_of_block(ceil_div(p.rows, row_blocks));
  GemmGrid g{p.groups, row_blocks, std::min(panels.panels(), ceil_div(p.columns, columns)),
             by_columns};
  if (by_columns) {
    g.column_blocks = std::min(panels.panels(), round_up(g.column_blocks, threads));
  } else if (p.groups % threads != 0) {
    g.row_blocks = std::min(ceil_div(p.rows, kLeastRows), round_up(g.row_blocks, threads));
  }
  return g;
}

class PreparedGemm : public Prepared {
 public:
  PreparedGemm(const OpInstance& op, GemmProblem problem, bool by_columns)
      : p_(std::move(problem)), panels_(p_.columns, p_.depth), slots_(thread_count()) {
    grid_ = grid_of(p_, panels_, by_columns, slots_);
    if (!p_.prologue.empty()) p_.source = prologue_rows(op, p_);
    in_place_ = op.out.size() == 1 && op.out[0].dtype == DType::F32;
    if (is_relu(op.fusion.epilogue)) {
      floor_ = 0;
    } else if (!op.fusion.epilogue.empty() || !in_place_) {
      epilogue_ = GemmEpilogue(op, p_, in_place_);
    }
    plan_workspace();
  }

  Status pack(const LoadContext& context) {
    const HostTensor& weights = context.constants[1];
    const std::string key = packing_key("panels", p_, context);
    packed_bytes = static_cast<size_t>(panels_.floats()) * sizeof(float);
    auto fill = [&](void* to) -> Status {
      pack_panels(panels_, {weights.span<float>(), p_.weight_rows, p_.weight_step},
                  static_cast<float*>(to));
      return {};
    };
    weights_ = LATHE_TRY(context.cache.get_packed(key, context.device, packed_bytes, fill));
    plain_constants &= ~uint64_t{2};
    p_.weight_rows = {};
    return {};
  }

  Status launch(const Buffers& at, Stream&) const override {
    grid_.share(slots_, [&](int64_t slot, int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) run(at, slot, block(k));
    });
    return {};
  }

 private:
  int64_t lanes() const { return panels_.kernels.lanes; }

  // A part of the result: rows of one group, and whole panels of columns.
  struct Block : GemmBlock {
    int64_t panel, panels;
  };

  Block block(int64_t k) const {
    const GemmGrid::Cell at = grid_.cell(k);
    Block b;
    b.group = at.group;
    b.first = p_.rows * at.row / grid_.row_blocks;
    b.rows = p_.rows * (at.row + 1) / grid_.row_blocks - b.first;
    b.panel = panels_.panels() * at.column / grid_.column_blocks;
    b.panels = panels_.panels() * (at.column + 1) / grid_.column_blocks - b.panel;
    b.column = panels_.column(b.panel);
    b.columns = panels_.column(b.panel + b.panels) - b.column;
    return b;
  }

  void plan_workspace() {
    const int64_t rows = ceil_div(p_.rows, grid_.row_blocks);
    const int64_t columns =
        ceil_div(panels_.panels(), grid_.column_blocks) * panels_.kernels.vectors * lanes();
    const int64_t gathered =
        p_.source != nullptr ? round_up(rows * panels_.longest_chunk(), kFloatsOfLine) : 0;
    const int64_t result = in_place_ ? 0 : round_up(rows * columns, kFloatsOfLine);
    result_at_ = gathered;
    block_columns_ = columns;
    slot_floats_ = round_up(gathered + result, 1024) + kFloatsOfLine;
    if (gathered + result == 0) slot_floats_ = 0;
    workspace_bytes = static_cast<size_t>(slot_floats_ * slots_) * sizeof(float);
  }

  void run(const Buffers& at, int64_t slot, const Block& b) const {
    float* own = static_cast<float*>(at.workspace) + slot * slot_floats_;
    PanelTile tile;
    tile.c = own + result_at_;
    tile.c_row = block_columns_;
    if (in_place_) {
      tile.c = reinterpret_cast<float*>(element(at.out[0], p_.out[0], b.group, b.first, b.column));
      tile.c_row = p_.out[0].row;
    }
    for (int64_t chunk = 0; chunk < panels_.chunks; ++chunk) {
      const int64_t begin = panels_.chunk_begin(chunk);
      tile.depth = panels_.chunk_begin(chunk + 1) - begin;
      if (p_.source != nullptr) {
        p_.source->gather(at, {b.group, b.first, b.rows, begin, tile.depth, tile.depth}, own);
        tile.a = own;
        tile.a_row = tile.depth;
      } else {
        tile.a = reinterpret_cast<const float*>(element(at.in[0], p_.a, b.group, b.first, begin));
        tile.a_row = p_.a.row;
      }
      tile.add = chunk > 0;
      tile.floor = chunk + 1 == panels_.chunks ? floor_ : -std::numeric_limits<float>::infinity();
      multiply(at, b, chunk, tile);
    }
    if (!epilogue_.empty()) epilogue_.run(at, b, own + result_at_, block_columns_);
  }

  // The block's rows times one chunk of its panels. `tile` stands at the block's first element.
  // The next panel comes into the second-level cache meanwhile; behind the last that is other
  // memory: harmless.
  void multiply(const Buffers& at, const Block& b, int64_t chunk, PanelTile tile) const {
    const auto* weights = static_cast<const float*>(weights_->data());
    const auto* bias = p_.has_bias ? static_cast<const float*>(at.in[2]) : nullptr;
    const float* const a = tile.a;
    float* const c = tile.c;
    for (int64_t panel = b.panel; panel < b.panel + b.panels; ++panel) {
      const int64_t column = panels_.column(panel);
      tile.b = weights + panels_.offset(chunk, panel);
      tile.vectors = panels_.vectors(panel);
      tile.columns = static_cast<int>(panels_.column(panel + 1) - column);
      tile.bias = bias != nullptr && !tile.add ? bias + column : nullptr;
      const int64_t lines = ceil_div(tile.depth * tile.vectors * lanes(), kFloatsOfLine);
      const int64_t tiles = ceil_div(b.rows, panels_.kernels.max_rows[tile.vectors - 1]);
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t row = b.rows * t / tiles;
        tile.next = tile.b + (lines + lines * t / tiles) * kFloatsOfLine;
        tile.next_lines = lines * (t + 1) / tiles - lines * t / tiles;
        tile.rows = static_cast<int>(b.rows * (t + 1) / tiles - row);
        tile.a = a + row * tile.a_row;
        tile.c = c + row * tile.c_row + (column - b.column);
        panels_.kernels.tile(tile);
      }
    }
  }

  GemmProblem p_;
  PanelLayout panels_;
  int slots_;
  GemmGrid grid_;
  GemmEpilogue epilogue_;
  std::shared_ptr<Memory> weights_;
  float floor_ = -std::numeric_limits<float>::infinity();
  bool in_place_ = false;
  int64_t slot_floats_ = 0, result_at_ = 0, block_columns_ = 0;
};

}  // namespace

void GemmProblem::join_groups() {
  if (groups == 1) return;
  auto follows = [&](const MatrixPlace& p) { return p.group == rows * p.row; };
  const bool all = (source != nullptr || follows(a)) &&
                   std::all_of(prologue.begin(), prologue.end(), follows) &&
                   std::all_of(extras.begin(), extras.end(), follows) &&
                   std::all_of(out.begin(), out.end(), follows);
  if (all) rows *= std::exchange(groups, 1);
}

std::string place_operands(const OpInstance& op, const PlaceOperand& place, GemmProblem& p) {
  constexpr const char* kUneven = "an operand's rows do not follow each other evenly";
  const Fusion& f = op.fusion;
  const size_t own = anchor_in(op).size();
  auto reads = [](const Expr& e, size_t input) {
    return input < e.inputs().size() && e.reads(static_cast<int>(input));
  };
  const Expr before = f.prologue.empty() ? Expr() : f.prologue[0];
  const bool has_prologue = !before.empty() && !before.is_identity();
  for (size_t k = own; k <= op.in.size(); ++k) {
    const size_t operand = k == op.in.size() ? 0 : k;
    const bool read = reads(f.epilogue, k - own + 1);
    if (read && operand == 0 && has_prologue) return "the epilogue reads what the prologue makes";
    p.extras.emplace_back();
    if (read && !place(operand, true, p.extras.back())) return kUneven;
  }
  if (!has_prologue) return op.in[0].dtype == p.type ? "" : "the input has another type";
  p.prologue.push_back(p.a);
  for (size_t k = own; k < op.in.size() && k - own + 1 < before.inputs().size(); ++k) {
    p.prologue.emplace_back();
    if (reads(before, k - own + 1) && !place(k, false, p.prologue.back())) return kUneven;
  }
  return "";
}

std::string refuse_gemm(const OpInstance& op, DType type) {
  const Fusion& f = op.fusion;
  if (!op.is_constant(1)) return "the weights are no constant";
  if (is_sliced(op, 1) || (has_operand(op, 2) && is_sliced(op, 2))) {
    return "weights or bias are a slice";
  }
  if (op.in[1].layout != Layout::RowMajor) return "the weights are not row-major";
  if (op.in[1].dtype != type) return fmt::format("the weights are not {}", to_string(type));
  if (op.in[1].shape.elements() == 0) return "there is nothing to add up";
  if (anchor_in(op)[0].dtype != type || (f.empty() ? op.out[0] : f.anchor_out[0]).dtype != type) {
    return fmt::format("only {}", to_string(type));
  }
  if (has_operand(op, 2) && op.in[2].dtype != type) return "the bias has another type";
  for (size_t k = 1; k < f.prologue.size(); ++k) {
    if (!f.prologue[k].empty() && !f.prologue[k].is_identity()) {
      return fmt::format("operand {} has a prologue", k);
    }
  }
  if (op.in.size() + 2 > kMaxGemmOperands || op.out.size() > kMaxGemmOperands)
    return "too many operands";
  for (const TensorType& t : op.out) {
    if (t.shape.elements() == 0) return "a result is empty";
    if (bits(t.dtype) < 8) return "a result has elements under a byte";
  }
  for (const TensorType& t : op.in) {
    if (!t.absent() && bits(t.dtype) < 8) return "an operand has elements under a byte";
  }
  return "";
}

// Over rows all threads read all weights; over columns each reads its own, and all rows. Alone in a
// race that is the same; in a network many threads would wait for memory.
std::vector<Config> gemm_configs(const GemmProblem& p, const DeviceInfo& device) {
  const PanelLayout panels(p.columns, p.depth);
  const bool columns = panels.panels() >= device.threads;
  const bool rows = p.groups * p.rows >= device.threads * kLeastRows;
  if (device.threads == 1 || !columns) return {Config(kByRows)};
  const int64_t weights = p.columns * p.depth * 4;
  if (!rows || weights > kSharedWeights) return {Config(kByColumns)};
  return {Config(kByRows), Config(kByColumns)};
}

Result<std::unique_ptr<Prepared>> load_gemm(const LoadContext& context, GemmProblem problem) {
  if (!problem.ok()) return unsupported("{}", problem.why);
  if (context.constants.size() < 2 || context.constants[1].empty()) {
    return unsupported("the weights are not given");
  }
  const bool by_columns = context.config == kByColumns;
  auto prepared = std::make_unique<PreparedGemm>(context.op, std::move(problem), by_columns);
  LATHE_TRY(prepared->pack(context));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

}  // namespace lathe::cpu
