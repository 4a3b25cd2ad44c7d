// SPDX-License-Identifier: Apache-2.0
// Types under a flag: FP16 or BF16 storage for tensors that products and convolutions read, FP32
// everywhere else and inside every step (accumulation, softmax, normalization statistics).
#include <algorithm>
#include <map>
#include <set>

#include "compiler/stages.h"

namespace lathe {
namespace {

bool is_anchor(const Step& s) {
  const std::string_view op = s.op.def->name;
  return op == "Conv" || op == "Deconv" || op == "MatMul" || op == "Attention";
}

// Moves bytes or picks among them: its result has its operand's type and values.
bool is_transparent(const Step& s) {
  static constexpr std::string_view kOps[] = {"Reshape", "Transpose", "Slice", "Concat", "Expand",
                                              "Tile",    "Gather",    "Pad",   "Resize", "Pool"};
  return std::find(std::begin(kOps), std::end(kOps), s.op.def->name) != std::end(kOps);
}

class Narrower {
 public:
  Narrower(Plan& plan, DType narrow)
      : plan_(plan), narrow_(narrow), wanted_(plan.tensors.size(), false) {}

  Status run() {
    find_wanted();
    for (size_t s = 0; s < plan_.steps.size(); ++s) LATHE_TRY(convert(s));
    return flush();
  }

  // FP16 steps that the device runs by the reference alone compute in FP32 instead, which is wider;
  // their results are rounded as the model says.
  Status widen(const Stage& stage) {
    const bool any = std::any_of(plan_.tensors.begin(), plan_.tensors.end(),
                                 [](const PlanTensor& t) { return t.type.dtype == DType::F16; });
    if (!any) return {};
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      Step step = plan_.steps[s];
      const bool half = std::any_of(step.op.in.begin(), step.op.in.end(),
                                    [](const TensorType& t) { return t.dtype == DType::F16; });
      if (half && !is_pointwise(step) &&
          !stage.tuner.supported(LATHE_TRY(at_point(step, stage.point)))) {
        for (TensorId& t : step.in) {
          if (t >= 0 && tensor(plan_, t).type.dtype == DType::F16)
            t = LATHE_TRY(cast(t, DType::F32));
        }
      }
      LATHE_TRY(emit(step));
    }
    return flush();
  }

 private:
  bool is_wide(TensorId t) const { return tensor(plan_, t).type.dtype == DType::F32; }

  // A tensor that an anchor reads, directly or through steps that only move data.
  void find_wanted() {
    for (size_t s = plan_.steps.size(); s-- > 0;) {
      const Step& step = plan_.steps[s];
      const bool through =
          is_transparent(step) && !step.out.empty() && wanted_[static_cast<size_t>(step.out[0])];
      if (!is_anchor(step) && !through) continue;
      const size_t operands = is_anchor(step) ? step.in.size() : moved_operands(step);
      for (size_t k = 0; k < operands; ++k) {
        if (step.in[k] >= 0 && is_wide(step.in[k])) wanted_[static_cast<size_t>(step.in[k])] = true;
      }
    }
    for (const PlanPort& p : plan_.inputs) wanted_[static_cast<size_t>(p.tensor)] = false;
    for (const PlanPort& p : plan_.outputs) wanted_[static_cast<size_t>(p.tensor)] = false;
  }
  static size_t moved_operands(const Step& s) { return s.op.def->is("Concat") ? s.in.size() : 1; }

  Status convert(size_t s) {
    Step step = plan_.steps[s];
    if (is_anchor(step) && may_narrow(step)) {
      for (size_t k = 0; k < step.in.size(); ++k) {
        if (step.in[k] >= 0 && is_float(step.op.in[k].dtype))
          step.in[k] = LATHE_TRY(cast(step.in[k], narrow_));
      }
      return emit(step);
    }
    if (is_pointwise(step)) {
      LATHE_TRY(read_widened(step));
      return emit(step);
    }
    const bool moves =
        is_transparent(step) && !step.out.empty() && wanted_[static_cast<size_t>(step.out[0])];
    for (size_t k = 0; k < step.in.size(); ++k) {
      if (step.in[k] < 0) continue;
      if (moves && k < moved_operands(step)) {
        step.in[k] = LATHE_TRY(cast(step.in[k], narrow_));
      } else if (was_wide(step.in[k])) {
        step.in[k] = LATHE_TRY(cast(step.in[k], DType::F32));
      }
    }
    return emit(step);
  }

  // An expression widens what it reads by itself, which costs nothing: fewer bytes are read.
  Status read_widened(Step& step) {
    const std::set<TensorId> read(step.in.begin(), step.in.end());
    for (TensorId t : read) {
      if (t < 0 || !was_wide(t)) continue;
      const TensorId wide = add_variant(t, DType::F32);
      std::replace(step.in.begin(), step.in.end(), t, wide);
      step = renamed(merged(LATHE_TRY(cast_step(t, wide)), step), step.name);
    }
    return {};
  }

  // A tensor of t's values in another type.
  TensorId add_variant(TensorId t, DType type) {
    TensorType other = tensor(plan_, t).type;
    other.dtype = type;
    wanted_.push_back(false);
    return add_tensor(plan_, fmt::format("{}.{}", tensor(plan_, t).name, to_string(type)), other);
  }

  static Step renamed(Step step, std::string name) {
    step.name = std::move(name);
    return step;
  }

  // FP32 is what the flag allows to narrow; FP64, or one narrow type in place of another, is not.
  bool may_narrow(const Step& anchor) const {
    return std::all_of(anchor.in.begin(), anchor.in.end(), [&](TensorId t) {
      const DType type = t < 0 ? narrow_ : tensor(plan_, t).type.dtype;
      return !is_float(type) || type == DType::F32 || type == narrow_;
    });
  }

  bool was_wide(TensorId t) const {
    return tensor(plan_, t).type.dtype == narrow_ && narrowed_.contains(t);
  }

  // Infers the step for its new operand types; results that should be of the other width are cast.
  Status emit(Step& step) {
    std::vector<TensorType> in;
    for (TensorId t : step.in) in.push_back(t < 0 ? TensorType() : tensor(plan_, t).type);
    Inferred inferred = LATHE_TRY(infer(*step.op.def, std::move(in), step.op.attrs));
    step.op = std::move(inferred.op);
    mark_constants(plan_, step);
    std::vector<Step> after;
    for (size_t k = 0; k < step.out.size(); ++k) {
      const TensorId t = step.out[k];
      const DType made = step.op.out[k].dtype, declared = tensor(plan_, t).type.dtype;
      const DType want =
          declared == DType::F32 && wanted_[static_cast<size_t>(t)] ? narrow_ : declared;
      if (want != declared) {
        tensor(plan_, t).type.dtype = want;
        narrowed_.insert(t);
      }
      if (made == want) continue;
      step.out[k] = add_variant(t, made);
      Step cast = LATHE_TRY(cast_step(step.out[k], t));
      if (is_pointwise(step) && step.out.size() == 1) {
        step = renamed(merged(step, cast), step.name);
        mark_constants(plan_, step);
      } else {
        after.push_back(std::move(cast));
      }
    }
    steps_.push_back(std::move(step));
    for (Step& s : after) steps_.push_back(std::move(s));
    return {};
  }

  Result<TensorId> cast(TensorId t, DType to) {
    if (tensor(plan_, t).type.dtype == to || !is_float(tensor(plan_, t).type.dtype)) return t;
    const auto known = casts_.find({t, to});
    if (known != casts_.end()) return known->second;
    TensorId made;
    if (tensor(plan_, t).constant >= 0) {
      TensorType type = tensor(plan_, t).type;
      type.dtype = to;
      const HostTensor& wide = plan_.constants[static_cast<size_t>(tensor(plan_, t).constant)];
      HostTensor small = LATHE_TRY(HostTensor::make(type));
      for (int64_t i = 0; i < wide.elements(); ++i) small.set_f64(i, wide.get_f64(i));
      made = add_constant(plan_, tensor(plan_, t).name, std::move(small));
      wanted_.push_back(false);
    } else {
      made = add_variant(t, to);
      steps_.push_back(LATHE_TRY(cast_step(t, made)));
    }
    casts_.emplace(std::pair(t, to), made);
    return made;
  }

  Result<Step> cast_step(TensorId from, TensorId to) {
    Expr e({tensor(plan_, from).type.dtype});
    e.output(e.cast(e.input(0), tensor(plan_, to).type.dtype));
    Inferred op = LATHE_TRY(infer(*find_op("Pointwise"), {tensor(plan_, from).type},
                                  Attrs().set("expr", std::move(e))));
    Step step;
    step.name = "cast " + tensor(plan_, from).name;
    step.op = std::move(op.op);
    step.in = {from};
    step.out = {to};
    return step;
  }

  Status flush() {
    plan_.steps = std::move(steps_);
    drop_unused(plan_);
    return {};
  }

  Plan& plan_;
  DType narrow_;
  std::vector<bool> wanted_;
  std::set<TensorId> narrowed_;
  std::vector<Step> steps_;
  std::map<std::pair<TensorId, DType>, TensorId> casts_;
};

}  // namespace

Status narrow_types(Plan& plan, const Stage& stage) {
  const DeviceInfo& device = stage.devices.main->info();
  const bool gpu = device.kind == DeviceKind::Cuda;
  if (stage.options.fp16 && (gpu || device.has("fp16"))) return Narrower(plan, DType::F16).run();
  if (stage.options.bf16 && (gpu || device.has("bf16"))) return Narrower(plan, DType::BF16).run();
  return gpu ? Status() : Narrower(plan, DType::F32).widen(stage);
}

}  // namespace lathe
