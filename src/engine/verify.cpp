// SPDX-License-Identifier: Apache-2.0
// What a plan from a stranger must prove before it runs. See plan.h.
#include <set>

#include "engine/storage.h"

namespace lathe {
namespace {

const std::optional<Slice>* slice_at(const std::vector<std::optional<Slice>>& slices, size_t k) {
  return k < slices.size() && slices[k] ? &slices[k] : nullptr;
}

class Verifier {
 public:
  explicit Verifier(const Plan& plan) : plan_(plan), storage_(plan) {}

  Status run() {
    for (const HostTensor& t : plan_.constants) {
      if (!t.type().shape.is_concrete()) return invalid("a constant has a symbolic shape");
    }
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      LATHE_TRY(tensor(i).at(fmt::format("tensor '{}'", plan_.tensors[i].name)));
    }
    LATHE_TRY(storage_.resolve());
    for (const PlanPort& p : plan_.inputs) {
      LATHE_TRY(input(p.tensor).at(fmt::format("input '{}'", p.name)));
    }
    LATHE_TRY(symbols());
    for (const Step& s : plan_.steps) LATHE_TRY(step(s).at(fmt::format("step '{}'", s.name)));
    for (const PlanPort& p : plan_.outputs) {
      LATHE_TRY(index(p.tensor).at(fmt::format("output '{}'", p.name)));
      if (!storage_.readable(p.tensor)) return invalid("output '{}' is never written", p.name);
      if (!storage_.dense(p.tensor)) return invalid("output '{}' lies in pieces", p.name);
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

  Status input(TensorId t) {
    LATHE_TRY(index(t));
    if (at(t).constant >= 0 || at(t).alias_of >= 0) return invalid("it is no tensor of its own");
    if (!inputs_.insert(t).second) return invalid("its tensor is another input, too");
    return storage_.write(t);
  }

  // Every symbol that any size uses is a dimension of an input, so that a session can bind it.
  Status symbols() const {
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
    for (const Constraint& c : plan_.constraints) {
      c.a.collect_symbols(used);
      c.b.collect_symbols(used);
    }
    for (const std::string& s : used) {
      if (!bound.contains(s)) return invalid("symbol '{}' is no dimension of an input", s);
    }
    for (const SymbolRange& r : plan_.symbols) {
      if (r.min < 0 || r.min > r.opt || r.opt > r.max) {
        return invalid("symbol '{}' has min {}, opt {}, max {}", r.name, r.min, r.opt, r.max);
      }
    }
    return {};
  }

  Status tensor(size_t i) const {
    const PlanTensor& t = plan_.tensors[i];
    if (t.type.absent()) return invalid("it has no type");
    if (t.type.layout != Layout::RowMajor && (t.type.rank() < 3 || !is_computable(t.type.dtype))) {
      return invalid("{} cannot have this layout", t.type.to_string());
    }
    if (t.constant >= 0) {
      if (static_cast<size_t>(t.constant) >= plan_.constants.size()) {
        return invalid("constant {} does not exist", t.constant);
      }
      if (plan_.constants[static_cast<size_t>(t.constant)].type() != t.type) {
        return invalid("its constant is of another type");
      }
      if (t.alias_of >= 0) return invalid("it is both a constant and an alias");
    }
    if (t.on_host && plan_.device == DeviceKind::Cpu) {
      return invalid("it lives beside the device's memory, and the device is the host");
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
    const bool padded =
        t.type.layout == Layout::Blocked16 || whole.type.layout == Layout::Blocked16;
    if (padded && t.type != whole.type) return invalid("its alias is padded in another way");
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

  Status step(const Step& s) {
    if (s.op.def == nullptr) return invalid("it has no operator");
    if (s.in.size() != s.op.in.size() || s.out.size() != s.op.out.size()) {
      return invalid("it has {} operands and {} results, its operator {} and {}", s.in.size(),
                     s.out.size(), s.op.in.size(), s.op.out.size());
    }
    if (s.on_host && plan_.device == DeviceKind::Cpu) {
      return invalid("it leaves the device for the host, and the device is the host");
    }
    LATHE_TRY(verify_instance(s.op));
    LATHE_TRY(anchor_layouts(s.op));
    LATHE_TRY(tokens_first(s.op));
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

  Status operand(const Step& s, size_t k) {
    if (s.in[k] == -1) {
      return s.op.in[k].absent() ? Status() : invalid("it is missing");
    }
    LATHE_TRY(index(s.in[k]));
    if (at(s.in[k]).type != s.op.in[k]) {
      return invalid("the tensor is {}, the operator expects {}", at(s.in[k]).type.to_string(),
                     s.op.in[k].to_string());
    }
    const bool constant = at(s.in[k]).constant >= 0;
    if (k < 64 && s.op.is_constant(static_cast<int>(k)) != constant) {
      return invalid("the operator and the tensor disagree on whether it is a constant");
    }
    LATHE_TRY(place(s.in[k], slice_at(s.op.fusion.in_slice, k)));
    return storage_.readable(s.in[k])
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
    if (t.alias_of >= 0 && t.alias_axis < 0) return invalid("tensor '{}' is a view", t.name);
    const TensorId root = storage_.root(s.out[k]);
    if (at(root).constant >= 0 || inputs_.contains(root)) {
      return invalid("tensor '{}' is an input's or a constant's memory", t.name);
    }
    LATHE_TRY(place(s.out[k], slice_at(s.op.fusion.out_slice, k)));
    return storage_.write(s.out[k]);
  }

  // What the operator thinks of a tensor's place is where the tensor lies: a slice is the very part
  // of its whole, what is no slice is dense.
  Status place(TensorId t, const std::optional<Slice>* slice) const {
    const PlanTensor& part = at(t);
    if (slice == nullptr) {
      return storage_.dense(t) ? Status() : invalid("tensor '{}' lies in pieces", part.name);
    }
    const Slice& s = **slice;
    const bool same = part.alias_of >= 0 && part.alias_axis == s.axis &&
                      part.alias_start == s.start &&
                      at(part.alias_of).type.shape[s.axis] == s.whole;
    return same ? Status() : invalid("tensor '{}' is not the slice that is stated", part.name);
  }

  // Tactics take memory layouts from either: they are one.
  static Status anchor_layouts(const OpInstance& op) {
    const Fusion& f = op.fusion;
    if (f.empty()) return {};
    for (size_t k = 0; k < f.anchor_in.size(); ++k) {
      if (f.anchor_in[k].layout != op.in[k].layout)
        return invalid("operand {} changes its layout in the fusion", k);
    }
    for (const TensorType& t : f.anchor_out) {
      if (t.layout != op.out[0].layout) return invalid("a result changes its layout in the fusion");
    }
    return {};
  }

  // Kernels of other operators were not written for it.
  static Status tokens_first(const OpInstance& op) {
    if (op.def->is("Attention") || op.def->is("Slice")) return {};
    for (const auto* types : {&op.in, &op.out}) {
      for (const TensorType& t : *types) {
        if (t.layout == Layout::TokensFirst)
          return invalid("{} is a layout of Attention alone", t.to_string());
      }
    }
    return {};
  }

  const Plan& plan_;
  Storage storage_;
  std::set<TensorId> inputs_;
};

}  // namespace

Status verify(const Plan& plan) { return Verifier(plan).run(); }

}  // namespace lathe
