// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "engine/engine_generated.h"
#include "engine/sections.h"

namespace lathe {
namespace {

std::string_view text(const flatbuffers::String* s) {
  return s == nullptr ? std::string_view() : std::string_view(s->data(), s->size());
}

// Calls f with each item of a FlatBuffers vector that may be absent.
template <class V, class F>
Status each(const V* items, F&& f) {
  if (items == nullptr) return {};
  for (size_t k = 0; k < items->size(); ++k)
    LATHE_TRY(f(items->Get(static_cast<flatbuffers::uoffset_t>(k))));
  return {};
}

template <class V>
Result<std::vector<TensorType>> types(const V* items) {
  std::vector<TensorType> result;
  LATHE_TRY(each(items, [&](const auto* s) -> Status {
    result.push_back(LATHE_TRY(TensorType::parse(text(s))));
    return {};
  }));
  return result;
}

Result<Expr> expr(const flatbuffers::String* s) {
  if (text(s).empty()) return Expr();
  Expr e = LATHE_TRY(Expr::parse(text(s)));
  LATHE_TRY(e.verify());
  return e;
}

template <class V>
Result<std::vector<std::optional<Slice>>> slices(const V* items) {
  std::vector<std::optional<Slice>> result;
  LATHE_TRY(each(items, [&](const lathe_fb::Slice* s) -> Status {
    result.emplace_back();
    if (s->axis() < 0) return {};
    Dim start = LATHE_TRY(Dim::parse(text(s->start())));
    Dim whole = LATHE_TRY(Dim::parse(text(s->whole())));
    result.back() = Slice{s->axis(), std::move(start), std::move(whole)};
    return {};
  }));
  return result;
}

Result<Fusion> fusion(const lathe_fb::Fusion* f) {
  Fusion result;
  if (f == nullptr) return result;
  result.anchor_in = LATHE_TRY(types(f->anchor_in()));
  result.anchor_out = LATHE_TRY(types(f->anchor_out()));
  result.anchor_operands = static_cast<int>(result.anchor_in.size());
  LATHE_TRY(each(f->prologue(), [&](const flatbuffers::String* s) -> Status {
    result.prologue.push_back(LATHE_TRY(expr(s)));
    return {};
  }));
  result.epilogue = LATHE_TRY(expr(f->epilogue()));
  result.in_slice = LATHE_TRY(slices(f->in_slice()));
  result.out_slice = LATHE_TRY(slices(f->out_slice()));
  return result;
}

Result<OpInstance> instance(const lathe_fb::Step* s) {
  OpInstance op;
  op.def = find_op(text(s->op()));
  if (op.def == nullptr) return invalid("operator '{}' is unknown", text(s->op()));
  op.in = LATHE_TRY(types(s->in_types()));
  op.out = LATHE_TRY(types(s->out_types()));
  op.attrs = LATHE_TRY(Attrs::parse(text(s->attrs()), op.def->attrs));
  op.fusion = LATHE_TRY(fusion(s->fusion()));
  op.constant_in = s->constant_in();
  return op;
}

Certificate certificate(const lathe_fb::Certificate* c) {
  Certificate result;
  if (c == nullptr) return result;
  result.checked = c->checked();
  result.max_error = c->max_error();
  result.bound_used = c->bound_used();
  result.elements = c->elements();
  (void)each(c->rejected(), [&](const flatbuffers::String* s) -> Status {
    result.rejected.emplace_back(text(s));
    return {};
  });
  return result;
}

Result<Step> step(const lathe_fb::Step* s) {
  Step result;
  result.name = text(s->name());
  result.op = LATHE_TRY(instance(s));
  if (s->in() != nullptr) result.in.assign(s->in()->begin(), s->in()->end());
  if (s->out() != nullptr) result.out.assign(s->out()->begin(), s->out()->end());
  result.on_host = s->on_host();
  result.tactic = text(s->tactic());
  result.config = text(s->config());
  result.blob = s->blob();
  if (s->in_place() != nullptr) {
    if (s->in_place()->size() % 2 != 0) return invalid("its list of pairs in place is odd");
    for (flatbuffers::uoffset_t k = 0; k < s->in_place()->size(); k += 2) {
      result.in_place.emplace_back(s->in_place()->Get(k), s->in_place()->Get(k + 1));
    }
  }
  result.seconds = s->seconds();
  result.measured = s->measured();
  result.why = text(s->why());
  result.certificate = certificate(s->certificate());
  return result;
}

Result<PlanTensor> tensor(const lathe_fb::Tensor* t) {
  PlanTensor result;
  result.name = text(t->name());
  result.type = LATHE_TRY(TensorType::parse(text(t->type())));
  result.on_host = t->on_host();
  result.constant = t->constant();
  result.alias_of = t->alias_of();
  result.alias_axis = t->alias_axis();
  result.alias_start = LATHE_TRY(Dim::parse(text(t->alias_start())));
  return result;
}

Result<std::span<const std::byte>> part_of(std::span<const std::byte> section,
                                           const lathe_fb::Part* p) {
  if (p->offset() > section.size() || p->bytes() > section.size() - p->offset()) {
    return invalid("a constant or kernel lies outside its section");
  }
  if (p->offset() % kSectionAlign != 0) return invalid("a constant or kernel is not aligned");
  return section.subspan(p->offset(), p->bytes());
}

class Reader {
 public:
  Reader(const lathe_fb::Plan& fb, const Sections& sections, std::shared_ptr<const void> owner)
      : fb_(fb), sections_(sections), owner_(std::move(owner)) {}

  Result<Plan> run() {
    plan_.model = text(fb_.model());
    plan_.device_key = text(fb_.device_key());
    if (fb_.device() > static_cast<uint8_t>(DeviceKind::Cuda))
      return invalid("device kind {} is unknown", fb_.device());
    plan_.device = static_cast<DeviceKind>(fb_.device());
    plan_.options = text(fb_.options());
    plan_.nodes_in_model = fb_.nodes_in_model();
    plan_.graph = text(fb_.graph());
    if (fb_.end_to_end() != nullptr)
      plan_.end_to_end.assign(fb_.end_to_end()->begin(), fb_.end_to_end()->end());
    LATHE_TRY(ports());
    LATHE_TRY(sizes());
    LATHE_TRY(data());
    LATHE_TRY(each(fb_.tensors(), [&](const lathe_fb::Tensor* t) -> Status {
      Result<PlanTensor> r = tensor(t);
      if (!r.ok()) return std::move(r).status().at(fmt::format("tensor '{}'", text(t->name())));
      plan_.tensors.push_back(*std::move(r));
      return {};
    }));
    LATHE_TRY(each(fb_.steps(), [&](const lathe_fb::Step* s) -> Status {
      Result<Step> r = step(s);
      if (!r.ok()) return std::move(r).status().at(fmt::format("step '{}'", text(s->name())));
      plan_.steps.push_back(*std::move(r));
      return {};
    }));
    return std::move(plan_);
  }

 private:
  Status ports() {
    auto add = [](std::vector<PlanPort>& into) {
      return [&into](const lathe_fb::Port* p) -> Status {
        into.push_back({std::string(text(p->name())), p->tensor()});
        return {};
      };
    };
    LATHE_TRY(each(fb_.inputs(), add(plan_.inputs)));
    return each(fb_.outputs(), add(plan_.outputs));
  }

  Status sizes() {
    LATHE_TRY(each(fb_.symbols(), [&](const lathe_fb::Symbol* s) -> Status {
      plan_.symbols.push_back({std::string(text(s->name())), s->min(), s->opt(), s->max()});
      return {};
    }));
    return each(fb_.constraints(), [&](const lathe_fb::Constraint* c) -> Status {
      if (c->kind() > static_cast<uint8_t>(Constraint::Kind::Positive))
        return invalid("constraint kind {} is unknown", c->kind());
      Dim a = LATHE_TRY(Dim::parse(text(c->a())));
      Dim b = LATHE_TRY(Dim::parse(text(c->b())));
      plan_.constraints.push_back({static_cast<Constraint::Kind>(c->kind()), std::move(a),
                                   std::move(b), std::string(text(c->message()))});
      return {};
    });
  }

  Status data() {
    LATHE_TRY(each(fb_.constants(), [&](const lathe_fb::Part* p) -> Status {
      const TensorType type = LATHE_TRY(TensorType::parse(text(p->type())));
      const auto bytes = LATHE_TRY(part_of(sections_[Section::Weights], p));
      plan_.constants.push_back(LATHE_TRY(HostTensor::view(type, bytes, owner_)));
      return {};
    }));
    return each(fb_.blobs(), [&](const lathe_fb::Part* p) -> Status {
      const auto bytes = LATHE_TRY(part_of(sections_[Section::Kernels], p));
      plan_.blobs.emplace_back(bytes.begin(), bytes.end());
      return {};
    });
  }

  const lathe_fb::Plan& fb_;
  const Sections& sections_;
  std::shared_ptr<const void> owner_;
  Plan plan_;
};

}  // namespace

Result<Plan> read_engine(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                         const PageRelease& release) {
  const Sections sections = LATHE_TRY(unframe(bytes, release));
  const std::span<const std::byte> structure = sections[Section::Structure];
  constexpr flatbuffers::uoffset_t kDepth = 16, kTables = 4000000;
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(structure.data()),
                                 structure.size(), kDepth, kTables);
  if (!lathe_fb::VerifyPlanBuffer(verifier)) return invalid("the engine's structure is malformed");
  const lathe_fb::Plan* fb = lathe_fb::GetPlan(structure.data());
  Plan plan = LATHE_TRY(Reader(*fb, sections, std::move(owner)).run());
  LATHE_TRY(verify(plan));
  return plan;
}

}  // namespace lathe
