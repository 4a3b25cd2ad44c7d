// SPDX-License-Identifier: Apache-2.0
// Attributes and tensors between a Network's public form and ours.
#include <algorithm>

#include "api/api_state.h"
#include "api/network_state.h"

namespace lathe {
namespace {

std::string_view kind_of(const Attribute& attribute) {
  constexpr std::string_view kNames[] = {"an integer", "a number", "text", "a tensor",
                                         "integers",   "numbers",  "texts"};
  return kNames[attribute.index()];
}

Status mismatch(std::string_view name, AttrKind kind, const Attribute& given) {
  return invalid("attribute '{}' is {}, expected {}", name, kind_of(given), to_string(kind));
}

Result<Dims> parse_dims(std::string_view name, const std::vector<std::string>& texts) {
  Dims dims;
  for (const std::string& text : texts) {
    Result<Dim> d = Dim::parse(text);
    if (!d.ok()) return std::move(d).status().at(fmt::format("attribute '{}'", name));
    dims.push_back(*std::move(d));
  }
  return dims;
}

// Integers where a schema asks for something that integers may stand for.
std::optional<AttrValue> from_ints(AttrKind kind, const std::vector<int64_t>& v) {
  if (kind == AttrKind::Ints) return v;
  if (kind == AttrKind::Floats) return Floats(v.begin(), v.end());
  if (kind == AttrKind::Dims) return Dims(v.begin(), v.end());
  return std::nullopt;
}

Attribute to_public(const AttrValue& value) {
  struct Visitor {
    Attribute operator()(int64_t v) const { return v; }
    Attribute operator()(double v) const { return v; }
    Attribute operator()(const std::string& v) const { return v; }
    Attribute operator()(const Ints& v) const { return v; }
    Attribute operator()(const Floats& v) const { return v; }
    Attribute operator()(DType v) const { return std::string(to_string(v)); }
    Attribute operator()(const Expr& v) const { return v.to_string(); }
    Attribute operator()(const HostTensor& v) const { return TensorAccess::from(v); }
    Attribute operator()(const Dims& v) const {
      std::vector<int64_t> sizes;
      std::vector<std::string> texts;
      for (const Dim& d : v) {
        if (d.is_constant()) sizes.push_back(d.value());
        texts.push_back(d.to_string());
      }
      return sizes.size() == v.size() ? Attribute(sizes) : Attribute(texts);
    }
  };
  return std::visit(Visitor(), value);
}

std::optional<Attribute> to_public(const OnnxAttribute& value) {
  struct Visitor {
    std::optional<Attribute> operator()(std::monostate) const { return std::vector<int64_t>(); }
    std::optional<Attribute> operator()(int64_t v) const { return v; }
    std::optional<Attribute> operator()(double v) const { return v; }
    std::optional<Attribute> operator()(const std::string& v) const { return v; }
    std::optional<Attribute> operator()(const Ints& v) const { return v; }
    std::optional<Attribute> operator()(const Floats& v) const { return v; }
    std::optional<Attribute> operator()(const std::vector<std::string>& v) const { return v; }
    std::optional<Attribute> operator()(const HostTensor& v) const { return TensorAccess::from(v); }
    std::optional<Attribute> operator()(const UnreadAttribute&) const { return std::nullopt; }
  };
  return std::visit(Visitor(), value);
}

std::string text_of(const OnnxAttribute& value) {
  struct Visitor {
    std::string operator()(std::monostate) const { return "[]"; }
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(double v) const { return fmt::format("{}", static_cast<float>(v)); }
    std::string operator()(const std::string& v) const { return fmt::format("\"{}\"", v); }
    std::string operator()(const Ints& v) const { return fmt::format("[{}]", fmt::join(v, ", ")); }
    std::string operator()(const Floats& v) const {
      return fmt::format("[{}]", fmt::join(v, ", "));
    }
    std::string operator()(const std::vector<std::string>& v) const {
      return fmt::format("[{}]", fmt::join(v, ", "));
    }
    std::string operator()(const HostTensor& v) const { return v.to_string(); }
    std::string operator()(const UnreadAttribute&) const { return "..."; }
  };
  return std::visit(Visitor(), value);
}

}  // namespace

Result<HostTensor> host_tensor(Tensor tensor) {
  if (tensor.type() == Type::String) return TensorAccess::to(tensor);
  auto owner = std::make_shared<Tensor>(std::move(tensor));
  return HostTensor::view({to_internal(owner->type()), Shape::of(owner->shape())}, owner->bytes(),
                          owner);
}

Result<HostTensor> borrowed_tensor(Type type, const std::vector<int64_t>& sizes, const void* data,
                                   size_t bytes, std::shared_ptr<const void> owner) {
  if (type == Type::String) return invalid("strings cannot be borrowed, expected a Tensor");
  if (data == nullptr && bytes > 0) return invalid("the memory of {} bytes is null", bytes);
  Shape shape = LATHE_TRY(Shape::of(sizes).evaluate({}));
  const TensorType full{to_internal(type), std::move(shape)};
  const auto want = static_cast<size_t>(LATHE_TRY(storage_bytes(full)));
  if (bytes != want) {
    return invalid("{} bytes are given, expected {} for {}", bytes, want, full.to_string());
  }
  return HostTensor::view(full, {static_cast<const std::byte*>(data), bytes}, std::move(owner));
}

Result<AttrValue> to_attr(const OpDef& op, const std::string& name, const Attribute& given) {
  const auto def = std::find_if(op.attrs.begin(), op.attrs.end(),
                                [&](const AttrDef& d) { return d.name == name; });
  if (def == op.attrs.end()) {
    std::string known;
    for (const AttrDef& d : op.attrs)
      known += fmt::format("{}{}", known.empty() ? "" : ", ", d.name);
    return invalid("there is no attribute '{}', expected one of: {}", name,
                   known.empty() ? "none" : known);
  }
  const AttrKind kind = def->kind;
  if (const auto* text = std::get_if<std::string>(&given)) {
    if (kind == AttrKind::Text) return AttrValue(*text);
    if (kind == AttrKind::Expr) {
      Result<Expr> e = Expr::parse(*text);
      if (!e.ok()) return std::move(e).status().at(fmt::format("attribute '{}'", name));
      return AttrValue(*std::move(e));
    }
    if (kind != AttrKind::DType && kind != AttrKind::Dims) return mismatch(name, kind, given);
    Result<AttrValue> v = parse_attr(kind, *text);
    if (!v.ok()) return std::move(v).status().at(fmt::format("attribute '{}'", name));
    return v;
  }
  if (const auto* v = std::get_if<int64_t>(&given)) {
    if (kind == AttrKind::Int) return AttrValue(*v);
    if (kind == AttrKind::Float) return AttrValue(static_cast<double>(*v));
  } else if (const auto* f = std::get_if<double>(&given)) {
    if (kind == AttrKind::Float) return AttrValue(*f);
  } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&given)) {
    if (std::optional<AttrValue> list = from_ints(kind, *ints)) return *std::move(list);
  } else if (const auto* floats = std::get_if<std::vector<double>>(&given)) {
    if (kind == AttrKind::Floats) return AttrValue(*floats);
    if (floats->empty()) {
      if (std::optional<AttrValue> list = from_ints(kind, {})) return *std::move(list);
    }
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&given)) {
    if (kind == AttrKind::Dims) return AttrValue(LATHE_TRY(parse_dims(name, *texts)));
  } else if (const auto* tensor = std::get_if<Tensor>(&given)) {
    if (kind == AttrKind::Tensor) return AttrValue(LATHE_TRY(TensorAccess::to(*tensor)));
  }
  return mismatch(name, kind, given);
}

Result<Attrs> to_attrs(const OpDef& op, const Attributes& attributes) {
  Attrs attrs;
  for (const auto& [name, value] : attributes) attrs.set(name, LATHE_TRY(to_attr(op, name, value)));
  return attrs;
}

// ONNX keeps floats in 32 bits.
Result<OnnxAttribute> to_onnx_attribute(const Attribute& given) {
  if (const auto* f = std::get_if<double>(&given)) {
    return OnnxAttribute(static_cast<double>(static_cast<float>(*f)));
  }
  if (const auto* floats = std::get_if<std::vector<double>>(&given)) {
    Floats rounded;
    for (double v : *floats) rounded.push_back(static_cast<double>(static_cast<float>(v)));
    return OnnxAttribute(std::move(rounded));
  }
  if (const auto* tensor = std::get_if<Tensor>(&given)) {
    return OnnxAttribute(LATHE_TRY(TensorAccess::to(*tensor)));
  }
  if (const auto* i = std::get_if<int64_t>(&given)) return OnnxAttribute(*i);
  if (const auto* text = std::get_if<std::string>(&given)) return OnnxAttribute(*text);
  if (const auto* ints = std::get_if<std::vector<int64_t>>(&given)) return OnnxAttribute(*ints);
  return OnnxAttribute(std::get<std::vector<std::string>>(given));
}

Attributes to_public(const DraftNode& node) {
  Attributes out;
  if (!node.own) {
    for (const auto& [name, value] : node.attributes) {
      if (std::optional<Attribute> shown = to_public(*value)) out.emplace(name, *std::move(shown));
    }
    return out;
  }
  for (const AttrDef& def : node.own->attrs) {
    if (const AttrValue* value = node.attrs.find(def.name)) {
      out.emplace(def.name, to_public(*value));
    } else if (Result<AttrValue> value = parse_attr(def.kind, def.default_text);
               value.ok() && !def.default_text.empty()) {
      out.emplace(def.name, to_public(*value));
    }
  }
  return out;
}

std::string attributes_text(const DraftNode& node) {
  if (node.own) return node.attrs.to_string(false);
  std::string text;
  for (const auto& [name, value] : node.attributes) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, text_of(*value));
  }
  return text.empty() ? text : "{" + text + "}";
}

}  // namespace lathe
