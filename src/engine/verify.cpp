// SPDX-License-Identifier: Apache-2.0
// What a plan from a stranger must prove before it runs. See plan.h.
#include <set>

#include "engine/plan.h"

namespace lathe {
namespace {

class Verifier {
 public:
  explicit Verifier(const Plan& plan) : plan_(plan), written_(plan.tensors.size(), false) {}

  Status run() {
    for (const HostTensor& t : plan_.constants) {
      if (!t.type().shape.is_concrete()) return invalid("a constant has a symbolic shape");
    }
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      LATHE_TRY(tensor(i).at(fmt::format("tensor '{}'", plan_.tensors[i].name)));
    }
    for (const PlanPort& p : plan_.inputs) {
      LATHE_TRY(index(p.tensor).at(fmt::format("input '{}'", p.name)));
      if (at(p.tensor).constant >= 0 || at(p.tensor).alias_of >= 0) {
        return invalid("input '{}' is not a tensor of its own", p.name);
      }
      written_[static_cast<size_t>(p.tensor)] = true;
      inputs_.insert(p.tensor);
    }
    LATHE_TRY(symbols_bound());
    for (const Step& s : plan_.steps) LATHE_TRY(step(s).at(fmt::format("step '{}'", s.name)));
    for (const PlanPort& p : plan_.outputs) {
      LATHE_TRY(index(p.tensor).at(fmt::format("output '{}'", p.name)));
      if (!readable(p.tensor)) return invalid("output '{}' is never written", p.name);
    }
    return {};
  }

 private:
  const PlanTensor& at(TensorId t) const { return plan_.tensors[static_cast<size_t>(t)]; }

  Status index(TensorId t) const {
    if (t < 0 || static_cast<size_t>(t) >= plan_.tensors.size()) {
      return invalid("tensor {} does not exist: there are {}", t, plan_.tensors.size());
    }
    return {};
  }

  // Every symbol that any size uses is a dimension of an input, so that a session can bind it.
  Status symbols_bound() const {
    std::set<std::string> bound, used;
    for (const PlanPort& p : plan_.inputs) {
      for (const Dim& d : at(p.tensor).type.shape) {
        if (d.is_symbol()) bound.insert(d.to_string());
      }
    }
    for (const PlanTensor& t : plan_.tensors) {
      for (const Dim& d : t.type.shape) d.collect_symbols(used);
      t.alias_start.collect_symbols(used);
    }
    for (const std::string& s : used) {
      if (!bound.contains(s)) return invalid("symbol '{}' is no dimension of an input", s);
    }
    return {};
  }

  Status tensor(size_t i) const {
    const PlanTensor& t = plan_.tensors[i];
    if (t.type.absent()) return invalid("it has no type");
    if (t.constant >= 0) {
      if (static_cast<size_t>(t.constant) >= plan_.constants.size()) {
        return invalid("constant {} does not exist", t.constant);
      }
      if (plan_.constants[static_cast<size_t>(t.constant)].type() != t.type) {
        return invalid("its constant is of another type");
      }
      if (t.alias_of >= 0) return invalid("it is both a constant and an alias");
    }
    if (t.alias_of < 0) return {};
    LATHE_TRY(index(t.alias_of));
    const PlanTensor& whole = at(t.alias_of);
    if (whole.type.dtype != t.type.dtype) return invalid("its alias has another element type");
    if (whole.on_host != t.on_host) return invalid("its alias lives in other memory");
    return t.alias_axis < 0 ? same_bytes(t, whole) : part(t, whole);
  }

  static Status same_bytes(const PlanTensor& t, const PlanTensor& whole) {
    if (!(t.type.shape.count() == whole.type.shape.count())) {
      return invalid("its alias has another number of elements");
    }
    return {};
  }

  Status part(const PlanTensor& t, const PlanTensor& whole) const {
    const TensorType &p = t.type, &w = whole.type;
    if (p.rank() != w.rank() || p.layout != w.layout || t.alias_axis >= p.rank() ||
        p.layout == Layout::Blocked16) {
      return invalid("its shape {} is no part of {}", p.to_string(), w.to_string());
    }
    for (int d = 0; d < p.rank(); ++d) {
      if (d != t.alias_axis && !(p.shape[d] == w.shape[d])) {
        return invalid("its shape {} is no part of {}", p.to_string(), w.to_string());
      }
    }
    const Dim room = w.shape[t.alias_axis] - t.alias_start - p.shape[t.alias_axis];
    if (!t.alias_start.provably_nonnegative() || !room.provably_nonnegative()) {
      return invalid("its part along axis {} may leave the whole", t.alias_axis);
    }
    return {};
  }

  bool readable(TensorId t) const {
    for (size_t depth = 0; depth <= plan_.tensors.size(); ++depth) {
      if (at(t).constant >= 0 || written_[static_cast<size_t>(t)]) return true;
      if (at(t).alias_of < 0) return parts_written(t);
      t = at(t).alias_of;
    }
    return false;  // a cycle
  }

  // A whole whose parts were each written by their own producers.
  bool parts_written(TensorId whole) const {
    Dim covered = 0;
    int axis = -1;
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      const PlanTensor& t = plan_.tensors[i];
      if (t.alias_of != whole || t.alias_axis < 0) continue;
      if (!written_[i] && !parts_written(static_cast<TensorId>(i))) continue;
      axis = t.alias_axis;
      covered = covered + t.type.shape[t.alias_axis];
    }
    return axis >= 0 && covered == at(whole).type.shape[axis];
  }

  Status step(const Step& s) {
    if (s.op.def == nullptr) return invalid("it has no operator");
    if (s.in.size() != s.op.in.size() || s.out.size() != s.op.out.size()) {
      return invalid("it has {} operands and {} results, its operator {} and {}", s.in.size(),
                     s.out.size(), s.op.in.size(), s.op.out.size());
    }
    LATHE_TRY(verify_instance(s.op));
    for (size_t k = 0; k < s.in.size(); ++k)
      LATHE_TRY(operand(s, k).at(fmt::format("operand {}", k)));
    for (size_t k = 0; k < s.out.size(); ++k)
      LATHE_TRY(result(s, k).at(fmt::format("result {}", k)));
    if (s.blob < -1 || s.blob >= static_cast<int32_t>(plan_.blobs.size())) {
      return invalid("kernel {} does not exist", s.blob);
    }
    for (const auto& [o, i] : s.in_place) {
      if (o < 0 || i < 0 || static_cast<size_t>(o) >= s.out.size() ||
          static_cast<size_t>(i) >= s.in.size()) {
        return invalid("a pair in place names an operand that does not exist");
      }
    }
    return {};
  }

  Status operand(const Step& s, size_t k) const {
    if (s.in[k] == -1) {
      return s.op.in[k].absent() ? Status() : invalid("it is missing");
    }
    LATHE_TRY(index(s.in[k]));
    if (at(s.in[k]).type != s.op.in[k]) {
      return invalid("the tensor is {}, the operator expects {}", at(s.in[k]).type.to_string(),
                     s.op.in[k].to_string());
    }
    if (s.op.is_constant(static_cast<int>(k)) != (at(s.in[k]).constant >= 0)) {
      return invalid("the operator and the tensor disagree on whether it is a constant");
    }
    return readable(s.in[k])
               ? Status()
               : invalid("tensor '{}' is read before it is written", at(s.in[k]).name);
  }

  Status result(const Step& s, size_t k) {
    LATHE_TRY(index(s.out[k]));
    const PlanTensor& t = at(s.out[k]);
    if (t.type != s.op.out[k]) {
      return invalid("the tensor is {}, the operator gives {}", t.type.to_string(),
                     s.op.out[k].to_string());
    }
    if (t.constant >= 0 || inputs_.contains(s.out[k]) || written_[static_cast<size_t>(s.out[k])]) {
      return invalid("tensor '{}' is written twice", t.name);
    }
    if (t.alias_of >= 0 && t.alias_axis < 0) return invalid("tensor '{}' is a view", t.name);
    written_[static_cast<size_t>(s.out[k])] = true;
    return {};
  }

  const Plan& plan_;
  std::vector<bool> written_;
  std::set<TensorId> inputs_;
};

}  // namespace

Status verify(const Plan& plan) { return Verifier(plan).run(); }

}  // namespace lathe
