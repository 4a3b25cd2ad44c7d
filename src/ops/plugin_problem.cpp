// SPDX-License-Identifier: Apache-2.0
#include "ops/plugin_problem.h"

#include <algorithm>

namespace lathe {
namespace {

constexpr std::pair<DType, int32_t> kTypes[] = {
    {DType::F32, LATHE_F32},   {DType::F64, LATHE_F64}, {DType::F16, LATHE_F16},
    {DType::BF16, LATHE_BF16}, {DType::I8, LATHE_I8},   {DType::I16, LATHE_I16},
    {DType::I32, LATHE_I32},   {DType::I64, LATHE_I64}, {DType::U8, LATHE_U8},
    {DType::U16, LATHE_U16},   {DType::U32, LATHE_U32}, {DType::U64, LATHE_U64},
    {DType::Bool, LATHE_BOOL}};

Result<int32_t> type_of(DType t) {
  for (const auto& [ours, theirs] : kTypes) {
    if (ours == t) return theirs;
  }
  return unsupported("plugins have no element type {}", to_string(t));
}

Result<int32_t> format_of(Layout layout) {
  switch (layout) {
    case Layout::RowMajor: return int32_t{LATHE_ROW_MAJOR};
    case Layout::ChannelsLast: return int32_t{LATHE_CHANNELS_LAST};
    default: return unsupported("plugins have no format {}", to_string(layout));
  }
}

constexpr AttrKind kFieldKinds[] = {AttrKind::Int, AttrKind::Float, AttrKind::Text, AttrKind::Ints,
                                    AttrKind::Floats};

}  // namespace

std::vector<AttrDef> fields_of(const LatheOperator& op) {
  std::vector<AttrDef> schema;
  for (size_t k = 0; k < op.field_count; ++k) {
    const LatheField& f = op.fields[k];
    schema.push_back({f.name, kFieldKinds[f.kind],
                      f.default_value == nullptr ? "" : f.default_value,
                      f.doc == nullptr ? "" : f.doc});
  }
  return schema;
}

Result<Attrs> complete_fields(const LatheOperator& op, Attrs given) {
  const std::vector<AttrDef> schema = fields_of(op);
  for (const auto& [name, value] : given) {
    const auto known = std::ranges::find(schema, std::string_view(name), &AttrDef::name);
    if (known == schema.end()) return invalid("there is no field '{}'", name);
    if (value.index() != static_cast<size_t>(known->kind))
      return invalid("field '{}' must be {}", name, to_string(known->kind));
  }
  for (const AttrDef& f : schema) {
    if (given.has(f.name)) continue;
    if (f.default_text.empty()) return invalid("field '{}' is missing", f.name);
    Result<AttrValue> value = parse_attr(f.kind, f.default_text);
    if (!value.ok())
      return std::move(value).status().at(fmt::format("the default of field '{}'", f.name));
    given.set(f.name, *std::move(value));
  }
  return given;
}

Status PluginProblem::add_fields(const LatheOperator& op) {
  for (size_t k = 0; k < op.field_count; ++k) {
    LatheValue v = {};
    const std::string_view name = op.fields[k].name;
    switch (op.fields[k].kind) {
      case LATHE_FIELD_INT: v.i = fields_.i(name); break;
      case LATHE_FIELD_FLOAT: v.f = fields_.f(name); break;
      case LATHE_FIELD_TEXT: v.text = fields_.text(name).c_str(); break;
      case LATHE_FIELD_INTS:
        v.ints = fields_.ints(name).data();
        v.count = fields_.ints(name).size();
        break;
      default: v.floats = fields_.floats(name).data(); v.count = fields_.floats(name).size();
    }
    values_.push_back(v);
  }
  return {};
}

Status PluginProblem::add_tensors(std::span<const TensorType> types, bool with_sizes,
                                  std::vector<LatheTensor>& into) {
  for (const TensorType& t : types) {
    LatheTensor tensor = {};
    tensor.type = LATHE_TRY(type_of(t.dtype));
    tensor.format = LATHE_TRY(format_of(t.layout));
    tensor.rank = t.rank();
    if (with_sizes) tensor.sizes = sizes_.emplace_back(t.shape.sizes()).data();
    into.push_back(tensor);
  }
  return {};
}

Result<PluginProblem> PluginProblem::make(const OpInstance& op,
                                          std::span<const HostTensor> constants) {
  if (op.plugin == nullptr) return internal("the plugin of {} is not loaded", op.def->name);
  const LatheOperator& plugin = *op.plugin->op;
  PluginProblem p;
  p.fields_ = LATHE_TRY(
      complete_fields(plugin, LATHE_TRY(Attrs::parse(op.attrs.text("fields"), fields_of(plugin)))));
  LATHE_TRY(p.add_fields(plugin));
  LATHE_TRY(p.add_tensors(op.in, true, p.operands_));
  LATHE_TRY(p.add_tensors(op.out, true, p.results_));
  for (size_t k = 0; k < constants.size() && k < p.operands_.size(); ++k) {
    if (!constants[k].empty()) p.operands_[k].constant = constants[k].bytes().data();
  }
  p.device.threads = 1;
  (void)p.get();
  return p;
}

Result<PluginProblem> PluginProblem::of_ranks(const Attrs& fields, const LatheOperator& op,
                                              std::span<const TensorType> operands) {
  PluginProblem p;
  p.fields_ = fields;
  LATHE_TRY(p.add_fields(op));
  LATHE_TRY(p.add_tensors(operands, false, p.operands_));
  (void)p.get();
  return p;
}

const LatheProblem* PluginProblem::get() {
  device.fields = values_.data();
  device.operands = operands_.data();
  device.operand_count = operands_.size();
  device.results = results_.data();
  device.result_count = results_.size();
  return &device;
}

void PluginProblem::make_row_major() {
  for (auto* tensors : {&operands_, &results_}) {
    for (LatheTensor& t : *tensors) t.format = LATHE_ROW_MAJOR;
  }
}

void PluginProblem::forget_constants() {
  for (LatheTensor& t : operands_) t.constant = nullptr;
}

Result<std::string> plugin_signature(const PluginOperator& plugin, const Attrs& fields,
                                     std::span<const TensorType> operands) {
  PluginProblem problem = LATHE_TRY(PluginProblem::of_ranks(fields, *plugin.op, operands));
  TextSink text;
  Status s = text.call([&](LatheText* into) { return plugin.op->signature(problem.get(), into); });
  if (!s.ok()) return std::move(s).at(fmt::format("plugin {}", plugin.library->identity()));
  return text.words();
}

}  // namespace lathe
