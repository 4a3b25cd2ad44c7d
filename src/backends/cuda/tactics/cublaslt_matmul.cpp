// SPDX-License-Identifier: Apache-2.0
// cublaslt_matmul: products of floats by cuBLASLt, with a bias, a residual and Relu inside. F32 is
// true F32 unless the config allows TF32.
#include <algorithm>

#include "backends/cuda/candidates.h"
#include "backends/cuda/cuda_state.h"
#include "backends/cuda/kernel_text.h"
#include "backends/cuda/linear_epilogue.h"
#include "backends/cuda/matmul_shape.h"
#include "device/tactic.h"

namespace lathe::cuda {
namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what NVIDIA recommends for Hopper
constexpr int kCandidates = 3;

// A matrix as cuBLASLt sees it: column-major `rows` x `cols` in memory, read transposed or not.
struct Matrix {
  int64_t rows = 0, cols = 0, leading = 0, batch_stride = 0;
  bool transposed = false;
};

// The whole product. cuBLASLt's matrices are column-major, so it computes y^T = b^T a^T.
struct Product {
  Matrix first, second, result;  // b^T, a^T, y^T
  int64_t batches = 1;
  LinearEpilogue epilogue;
};

// Element (r, c) stands at r * row + c * column.
bool as_matrix(int64_t rows, int64_t cols, int64_t row, int64_t column, Matrix* m) {
  if ((row == 1 || rows == 1) && (cols == 1 || column >= rows)) {
    *m = {rows, cols, cols == 1 ? rows : column, 0, false};
    return true;
  }
  if ((column == 1 || cols == 1) && (rows == 1 || row >= cols)) {
    *m = {cols, rows, rows == 1 ? cols : row, 0, true};
    return true;
  }
  return false;
}

// Leading dimensions walked as one: its stride, or false.
bool one_stride(const std::vector<int64_t>& strides, const Shape& y, int64_t* stride) {
  *stride = 0;
  int64_t expected = -1;
  for (size_t d = strides.size(); d-- > 0;) {
    const int64_t size = y[static_cast<int>(d)].value();
    if (size == 1) continue;
    if (expected < 0) *stride = strides[d];
    if (expected >= 0 && strides[d] != expected) return false;
    expected = strides[d] * size;
  }
  return true;
}

Support product_of(const OpInstance& op, Product* p) {
  const Shape& y = op.out[0].shape;
  const bool bias = anchor_operands(op) > 2 && !op.in[2].absent();
  if (Support s = match_linear(op, bias ? 2 : -1, y.rank() - 1, &p->epilogue); !s) return s;
  MatMulShape s = matmul_shape(op);
  if (y.elements() == 0 || s.k == 0) return Support::no("nothing to multiply");
  std::vector<int64_t> out = result_strides(op, 0);
  const int64_t y_row = out[out.size() - 2], y_column = out.back();
  out.resize(out.size() - 2);
  int64_t a_batch = 0, b_batch = 0, y_batch = 0;
  if (!one_stride(s.a.lead, y, &a_batch) || !one_stride(s.b.lead, y, &b_batch) ||
      !one_stride(out, y, &y_batch)) {
    return Support::no("batches that no single stride walks");
  }
  // One b for all: the batches are more rows of a.
  const bool rows_follow =
      b_batch == 0 && (s.m == 1 || (a_batch == s.m * s.a.row && y_batch == s.m * y_row));
  p->batches = s.batches;
  int64_t m = s.m, a_row = s.a.row, row = y_row;
  if (rows_follow && s.batches > 1) {
    if (s.m == 1) {
      a_row = a_batch;
      row = y_batch;
    }
    m *= s.batches;
    p->batches = 1;
  }
  const bool fits = as_matrix(s.n, s.k, s.b.column, s.b.row, &p->first) &&
                    as_matrix(s.k, m, s.a.column, a_row, &p->second) &&
                    as_matrix(s.n, m, y_column, row, &p->result);
  if (!fits || p->result.transposed) return Support::no("strides that are no matrix's");
  p->first.batch_stride = b_batch;
  p->second.batch_stride = a_batch;
  p->result.batch_stride = y_batch;
  if (p->epilogue.tensor >= 0 && op.fusion.sliced()) {
    return Support::no("a residual beside slices");
  }
  return Support::yes();
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  const DType t = anchor_operand(op, 0).dtype;
  if (t != DType::F32 && t != DType::F16 && t != DType::BF16 && t != DType::F64) {
    return Support::no("floats only");
  }
  if (t == DType::F64 && !op.fusion.empty()) return Support::no("no epilogue of F64");
  for (const TensorType& type : op.in) {
    if (!type.absent() && type.layout != Layout::RowMajor) return Support::no("row-major only");
  }
  if (op.out[0].layout != Layout::RowMajor) return Support::no("row-major only");
  if (Result<const CublasLt*> lt = CublasLt::open(); !lt.ok()) return Support::no("no cuBLASLt");
  Product p;
  return product_of(op, &p);
}

cudaDataType_t data_type(DType t) {
  switch (t) {
    case DType::F16: return cudaDataType_t::F16;
    case DType::BF16: return cudaDataType_t::BF16;
    case DType::F64: return cudaDataType_t::F64;
    default: return cudaDataType_t::F32;
  }
}

cublasComputeType_t compute_type(DType t, bool tf32) {
  if (t == DType::F64) return cublasComputeType_t::F64;
  if (t == DType::F32 && tf32) return cublasComputeType_t::F32FastTf32;
  return cublasComputeType_t::F32;
}

// Bytes that the operand's address is surely a multiple of, up to 16: every tensor begins at 64, a
// slice where it begins.
uint32_t alignment(const OpInstance& op, size_t k, bool output) {
  const auto& slices = output ? op.fusion.out_slice : op.fusion.in_slice;
  if (k >= slices.size() || !slices[k]) return 16;
  const std::vector<int64_t> s =
      output ? result_strides(op, static_cast<int>(k)) : operand_strides(op, static_cast<int>(k));
  const DType type = (output ? op.out : op.in)[k].dtype;
  const int64_t offset =
      bytes(type, slices[k]->start.value() * s[static_cast<size_t>(slices[k]->axis)]);
  uint32_t align = 16;
  while (offset % align != 0) align /= 2;
  return align;
}

class PreparedProduct : public Prepared {
 public:
  PreparedProduct(const CublasLt& lt, cublasLtHandle_t handle, const LoadContext& context,
                  Product product)
      : lt_(lt),
        handle_(handle),
        product_(std::move(product)),
        type_(data_type(anchor_operand(context.op, 0).dtype)),
        compute_(compute_type(anchor_operand(context.op, 0).dtype, allows_tf32(context.config))) {}

  Status load(const LoadContext& context, int candidate) {
    LATHE_TRY(layout(product_.first, first_));
    LATHE_TRY(layout(product_.second, second_));
    LATHE_TRY(layout(product_.result, result_));
    align_first_ = alignment(context.op, 1, false);
    align_second_ = alignment(context.op, 0, false);
    align_result_ = alignment(context.op, 0, true);
    OwnedMatmulPreference preference;
    LATHE_TRY(check(lt_.cublasLtMatmulPreferenceCreate(preference.out()), "preference"));
    using P = cublasLtMatmulPreferenceAttributes_t;
    const auto set = [&](P what, const auto& value) {
      return check(
          lt_.cublasLtMatmulPreferenceSetAttribute(preference.get(), what, &value, sizeof(value)),
          "cublasLtMatmulPreferenceSetAttribute");
    };
    LATHE_TRY(set(P::MaxWorkspaceBytes, uint64_t{kWorkspaceBytes}));
    LATHE_TRY(set(P::MinAlignmentABytes, align_first_));
    LATHE_TRY(set(P::MinAlignmentBBytes, align_second_));
    LATHE_TRY(set(P::MinAlignmentCBytes, align_result_));
    LATHE_TRY(set(P::MinAlignmentDBytes, align_result_));
    OwnedMatmulDesc desc;
    // The search asks only whether there is a bias, not where.
    LATHE_TRY(describe(desc, this));
    cublasLtMatmulHeuristicResult_t found[kCandidates];
    int count = 0;
    LATHE_TRY(check(lt_.cublasLtMatmulAlgoGetHeuristic(
                        handle_, desc.get(), first_.get(), second_.get(), result_.get(),
                        result_.get(), preference.get(), kCandidates, found, &count),
                    "cublasLtMatmulAlgoGetHeuristic"));
    if (candidate >= count || found[candidate].state != cublasStatus_t::Success) {
      return unsupported("cuBLASLt has {} algorithms for it", count);
    }
    algo_ = found[candidate].algo;
    workspace_bytes = found[candidate].workspace_bytes;
    return {};
  }

  Status launch(const Buffers& at, Stream& stream) const override {
    ContextScope scope(cuda_stream(stream).context());
    const LinearEpilogue& e = product_.epilogue;
    void* result = at.out[0];
    if (address(at.in[1]) % align_first_ || address(at.in[0]) % align_second_ ||
        address(result) % align_result_) {
      return invalid("a buffer is not aligned to 16 bytes");
    }
    OwnedMatmulDesc desc;
    LATHE_TRY(describe(desc, e.vector >= 0 ? at.in[static_cast<size_t>(e.vector)] : nullptr));
    const void* added = e.tensor >= 0 ? at.in[static_cast<size_t>(e.tensor)] : result;
    const double ones[] = {1, 0};
    const float single[] = {1, 0};
    const bool wide = compute_ == cublasComputeType_t::F64;
    const void* alpha = wide ? static_cast<const void*>(&ones[0]) : &single[0];
    const int none = e.tensor >= 0 ? 0 : 1;
    const void* beta = wide ? static_cast<const void*>(&ones[none]) : &single[none];
    return check(
        lt_.cublasLtMatmul(handle_, desc.get(), alpha, at.in[1], first_.get(), at.in[0],
                           second_.get(), beta, added, result_.get(), result, result_.get(), &algo_,
                           at.workspace, workspace_bytes, cuda_stream(stream).handle()),
        "cublasLtMatmul");
  }

 private:
  Status layout(const Matrix& m, OwnedMatrixLayout& into) {
    LATHE_TRY(check(lt_.cublasLtMatrixLayoutCreate(into.out(), type_, static_cast<uint64_t>(m.rows),
                                                   static_cast<uint64_t>(m.cols), m.leading),
                    "cublasLtMatrixLayoutCreate"));
    if (product_.batches == 1) return {};
    using L = cublasLtMatrixLayoutAttribute_t;
    const auto count = static_cast<int32_t>(product_.batches);
    LATHE_TRY(check(
        lt_.cublasLtMatrixLayoutSetAttribute(into.get(), L::BatchCount, &count, sizeof(count)),
        "batch count"));
    return check(lt_.cublasLtMatrixLayoutSetAttribute(into.get(), L::StridedBatchOffset,
                                                      &m.batch_stride, sizeof(m.batch_stride)),
                 "batch stride");
  }

  Status describe(OwnedMatmulDesc& desc, const void* bias) const {
    const bool wide = compute_ == cublasComputeType_t::F64;
    LATHE_TRY(check(lt_.cublasLtMatmulDescCreate(desc.out(), compute_,
                                                 wide ? cudaDataType_t::F64 : cudaDataType_t::F32),
                    "cublasLtMatmulDescCreate"));
    using D = cublasLtMatmulDescAttributes_t;
    const auto set = [&](D what, const auto& value) {
      return check(lt_.cublasLtMatmulDescSetAttribute(desc.get(), what, &value, sizeof(value)),
                   "cublasLtMatmulDescSetAttribute");
    };
    const auto op_of = [](const Matrix& m) {
      return m.transposed ? cublasOperation_t::Transpose : cublasOperation_t::None;
    };
    LATHE_TRY(set(D::TransA, op_of(product_.first)));
    LATHE_TRY(set(D::TransB, op_of(product_.second)));
    const LinearEpilogue& e = product_.epilogue;
    const bool vector = e.vector >= 0;
    if (!vector && !e.relu) return {};
    LATHE_TRY(
        set(D::Epilogue, vector ? (e.relu ? cublasLtEpilogue_t::ReluBias : cublasLtEpilogue_t::Bias)
                                : cublasLtEpilogue_t::Relu));
    if (!vector) return {};
    LATHE_TRY(set(D::BiasDataType, type_));
    return set(D::BiasPointer, bias);
  }

  const CublasLt& lt_;
  cublasLtHandle_t handle_;
  Product product_;
  cudaDataType_t type_;
  cublasComputeType_t compute_;
  OwnedMatrixLayout first_, second_, result_;
  uint32_t align_first_ = 16, align_second_ = 16, align_result_ = 16;
  cublasLtMatmulAlgo_t algo_{};
};

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  return candidates(kCandidates, anchor_operand(op, 0).dtype, device);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const CublasLt& lt = *LATHE_TRY(CublasLt::open());
  const cublasLtHandle_t handle = LATHE_TRY(cuda_device(context.device).libraries().cublaslt());
  Product product;
  if (Support s = product_of(context.op, &product); !s) return unsupported("{}", s.why);
  ContextScope scope(*cuda_device(context.device).context());
  auto prepared = std::make_unique<PreparedProduct>(lt, handle, context, std::move(product));
  LATHE_TRY(prepared->load(context, candidate_of(context.config)));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

}  // namespace

const Tactic& cublaslt_matmul() {
  static constexpr Tactic tactic{
      .name = "cublaslt_matmul",
      .op = "MatMul",
      .doc = "cuBLASLt, with bias, residual and Relu inside.",
      .supports = supports,
      .configs = configs,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cuda
