// SPDX-License-Identifier: Apache-2.0
#include "custom/definition.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "custom/names.h"

namespace lathe {
namespace {

using Json = nlohmann::json;

constexpr int kSchema = 1;
constexpr int64_t kMaxFile = int64_t{16} << 20;
constexpr std::string_view kKinds[] = {"int", "float", "text", "ints", "floats"};

// Of what a stranger wrote, enough for a message.
std::string_view brief(std::string_view text) { return text.substr(0, 80); }

Status unknown_keys(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return invalid("'{}' is no key here: expected {}", brief(key), fmt::join(known, ", "));
    }
  }
  return {};
}

Result<std::string> text_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end()) return std::string();
  if (!it->is_string()) return invalid("'{}' must be a string", key);
  return it->get<std::string>();
}

// A list of strings, or one. Numbers stand for their text where expressions are expected.
Result<std::vector<std::string>> texts_of(const Json& object, const char* key) {
  std::vector<std::string> out;
  const auto it = object.find(key);
  if (it == object.end()) return out;
  const Json list = it->is_array() ? *it : Json::array({*it});
  for (const Json& item : list) {
    if (!item.is_string() && !item.is_number_integer()) {
      return invalid("'{}' must be a list of strings", key);
    }
    out.push_back(item.is_string() ? item.get<std::string>() : item.dump());
  }
  return out;
}

// The value as JSON's types say: 1 is an int, 1.0 a float, [] has no kind.
std::optional<CustomValue> value_of(const Json& j) {
  if (j.is_boolean()) return CustomValue(int64_t{j.get<bool>()});
  if (j.is_number_unsigned() && j.get<uint64_t>() > INT64_MAX) return std::nullopt;
  if (j.is_number_integer()) return CustomValue(j.get<int64_t>());
  if (j.is_number_float()) return CustomValue(j.get<double>());
  if (j.is_string()) return CustomValue(j.get<std::string>());
  if (!j.is_array() || j.empty()) return std::nullopt;
  const auto number = [](const Json& v) { return v.is_number(); };
  const auto integer = [](const Json& v) { return v.is_number_integer(); };
  if (!std::all_of(j.begin(), j.end(), number)) return std::nullopt;
  if (std::all_of(j.begin(), j.end(), integer)) return CustomValue(j.get<std::vector<int64_t>>());
  return CustomValue(j.get<std::vector<double>>());
}

// An integer where a float is declared is that float.
std::optional<CustomValue> as_kind(std::optional<CustomValue> v, size_t kind) {
  if (!v || v->index() == kind) return v;
  if (kind == 1 && std::holds_alternative<int64_t>(*v))
    return CustomValue(static_cast<double>(std::get<int64_t>(*v)));
  if (kind == 4 && std::holds_alternative<std::vector<int64_t>>(*v)) {
    const auto& ints = std::get<std::vector<int64_t>>(*v);
    return CustomValue(std::vector<double>(ints.begin(), ints.end()));
  }
  return std::nullopt;
}

Result<CustomAttribute> parse_attribute(const std::string& name, const Json& j) {
  if (!is_identifier(name)) return invalid("its name is no word of letters, digits and _");
  CustomAttribute a;
  a.name = name;
  if (!j.is_object()) {
    a.by_default = value_of(j);
    if (!a.by_default) return invalid("its default is neither a number, a string nor a list");
    a.kind = a.by_default->index();
    return a;
  }
  LATHE_TRY(unknown_keys(j, {"type", "default"}));
  const std::string kind = LATHE_TRY(text_of(j, "type"));
  const auto at = std::find(std::begin(kKinds), std::end(kKinds), kind);
  if (at == std::end(kKinds)) {
    return invalid("type '{}' is unknown: expected {}", brief(kind), fmt::join(kKinds, ", "));
  }
  a.kind = static_cast<size_t>(at - std::begin(kKinds));
  if (!j.contains("default")) return a;
  a.by_default = as_kind(value_of(j.at("default")), a.kind);
  if (!a.by_default) return invalid("its default is no {}", kKinds[a.kind]);
  return a;
}

Result<CustomKernel> parse_kernel(const Json& j, const std::string& folder) {
  if (!j.is_object()) return invalid("'cuda' must be an object");
  LATHE_TRY(unknown_keys(j, {"source", "file", "kernel", "grid", "block", "shared", "arguments"}));
  CustomKernel k;
  k.source = LATHE_TRY(text_of(j, "source"));
  const std::string file = LATHE_TRY(text_of(j, "file"));
  if (k.source.empty() == file.empty()) return invalid("'cuda' needs a source or a file");
  if (!file.empty()) {
    const FolderFd beneath = LATHE_TRY(FolderFd::open(folder));
    const MappedFile text = LATHE_TRY(beneath.map_file(file));
    k.source.assign(reinterpret_cast<const char*>(text.bytes().data()), text.bytes().size());
  }
  k.function = LATHE_TRY(text_of(j, "kernel"));
  k.grid = LATHE_TRY(texts_of(j, "grid"));
  k.block = LATHE_TRY(texts_of(j, "block"));
  k.arguments = LATHE_TRY(texts_of(j, "arguments"));
  const std::vector<std::string> shared = LATHE_TRY(texts_of(j, "shared"));
  if (!shared.empty()) k.shared = shared[0];
  if (k.function.empty()) return invalid("'cuda' needs 'kernel', the function's name");
  if (k.grid.empty() || k.grid.size() > 3 || k.block.empty() || k.block.size() > 3) {
    return invalid("'cuda' needs 'grid' and 'block', one to three expressions each");
  }
  return k;
}

Status parse_types(const Json& j, CustomDefinition& d) {
  if (!j.is_object()) return invalid("'types' must be an object: {{\"T\": [\"f32\", \"f16\"]}}");
  for (const auto& [name, list] : j.items()) {
    std::vector<std::string> types = LATHE_TRY(texts_of(j, name.c_str()));
    if (!is_identifier(name) || types.empty())
      return invalid("type '{}' is no word, or may be nothing", brief(name));
    d.types.emplace_back(name, std::move(types));
  }
  return {};
}

Status parse_body(const Json& j, const std::string& folder, CustomDefinition& d) {
  d.doc = LATHE_TRY(text_of(j, "doc"));
  d.signature = LATHE_TRY(text_of(j, "signature"));
  if (d.signature.empty()) return invalid("it has no signature");
  if (j.contains("types")) LATHE_TRY(parse_types(j.at("types"), d));
  if (j.contains("attributes")) {
    if (!j.at("attributes").is_object()) return invalid("'attributes' must be an object");
    for (const auto& [name, value] : j.at("attributes").items()) {
      Result<CustomAttribute> a = parse_attribute(name, value);
      if (!a.ok()) return std::move(a).status().at(fmt::format("attribute '{}'", brief(name)));
      d.attributes.push_back(*std::move(a));
    }
  }
  d.expression = LATHE_TRY(text_of(j, "expression"));
  d.composition = LATHE_TRY(texts_of(j, "composition"));
  if (d.expression.empty() == d.composition.empty()) {
    return invalid("it needs a twin: an expression or a composition");
  }
  if (j.contains("opset")) {
    const Json& opset = j.at("opset");
    if (!opset.is_number_integer() || opset < 1 || opset > 1000)
      return invalid("'opset' is {}, expected 1 to 1000", brief(opset.dump()));
    d.opset = opset.get<int>();
  }
  if (j.contains("tolerance")) {
    if (!j.at("tolerance").is_number()) return invalid("'tolerance' must be a number");
    d.tolerance = j.at("tolerance").get<double>();
    if (!(d.tolerance >= 0 && d.tolerance <= 1e9)) return invalid("'tolerance' is {}", d.tolerance);
  }
  if (j.contains("cuda")) d.cuda = LATHE_TRY(parse_kernel(j.at("cuda"), folder));
  return {};
}

Result<CustomDefinition> parse_one(const Json& j, const std::string& folder,
                                   const std::string& origin) {
  if (!j.is_object()) return invalid("an operator must be an object");
  CustomDefinition d;
  d.origin = origin;
  d.name = LATHE_TRY(text_of(j, "name"));
  if (!is_plain_name(d.name))
    return invalid("an operator has no name, expected \"name\": \"domain::Operator\"");
  Status s = unknown_keys(j, {"name", "doc", "signature", "types", "attributes", "expression",
                              "composition", "opset", "cuda", "tolerance"});
  if (s.ok()) s = parse_body(j, folder, d);
  if (!s.ok()) return std::move(s).at(fmt::format("operator '{}'", d.name));
  return d;
}

Result<std::vector<CustomDefinition>> parse_all(std::string_view json, const std::string& folder,
                                                const std::string& origin) {
  std::vector<CustomDefinition> all;
  try {
    const Json j = Json::parse(json);
    if (!j.is_object() || !j.contains("lathe_ops") || !j.contains("operators") ||
        !j.at("operators").is_array()) {
      return invalid("expected {{\"lathe_ops\": {}, \"operators\": [...]}}", kSchema);
    }
    if (j.at("lathe_ops") != kSchema) {
      return unsupported("it is version {} of the form, this Lathe reads {}",
                         brief(j.at("lathe_ops").dump()), kSchema);
    }
    LATHE_TRY(unknown_keys(j, {"lathe_ops", "operators"}));
    for (const Json& item : j.at("operators")) {
      all.push_back(LATHE_TRY(parse_one(item, folder, origin)));
    }
  } catch (const Json::exception& e) {
    return invalid("it is not JSON: {}", std::string_view(e.what()).substr(0, 300));
  }
  return all;
}

}  // namespace

Result<std::vector<CustomDefinition>> parse_definitions(std::string_view json,
                                                        const std::string& origin) {
  Result<std::vector<CustomDefinition>> all = parse_all(json, ".", origin);
  if (!all.ok()) return std::move(all).status().at(origin);
  return all;
}

Result<std::vector<CustomDefinition>> read_definitions(const std::vector<std::string>& items) {
  std::vector<CustomDefinition> all;
  for (const std::string& item : items) {
    const bool is_text = item.starts_with('{');
    const std::string origin = is_text ? "operator definitions" : item;
    Result<std::vector<CustomDefinition>> some = std::vector<CustomDefinition>();
    if (is_text) {
      some = parse_all(item, ".", origin);
    } else {
      const std::vector<std::byte> bytes = LATHE_TRY(read_file(item, kMaxFile));
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      some = parse_all(text, folder_of(item), origin);
    }
    if (!some.ok()) return std::move(some).status().at(origin);
    for (CustomDefinition& d : *some) {
      for (const CustomDefinition& other : all) {
        if (other.name != d.name) continue;
        return invalid("{}: operator '{}' is defined in {}, too", origin, d.name, other.origin);
      }
      all.push_back(std::move(d));
    }
  }
  return all;
}

}  // namespace lathe
