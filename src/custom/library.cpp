// SPDX-License-Identifier: Apache-2.0
#include "custom/library.h"

#include <dlfcn.h>

#include <array>
#include <charconv>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "custom/names.h"

namespace lathe {
namespace {

constexpr size_t kMaxItems = 4096;   // operators, fields, tactics
constexpr size_t kMaxWords = 65536;  // that a call may write

using Version = std::array<int, 3>;

Result<Version> parse_version(std::string_view text) {
  Version version{};
  std::string_view rest = text;
  for (size_t k = 0; k < version.size(); ++k) {
    const size_t dot = k + 1 < version.size() ? rest.find('.') : rest.size();
    const std::string_view part = rest.substr(0, dot);
    const auto r = std::from_chars(part.data(), part.data() + part.size(), version[k]);
    if (dot == rest.npos || r.ec != std::errc() || r.ptr != part.data() + part.size() ||
        version[k] < 0) {
      return invalid("its version is '{}', expected MAJOR.MINOR.PATCH", text.substr(0, 40));
    }
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  return version;
}

bool is_name(const char* name) { return name != nullptr && is_plain_name(name); }

Status check_tactic(const LatheTactic& t) {
  if (!is_name(t.name)) return invalid("a tactic has no name");
  if (t.device != LATHE_CPU && t.device != LATHE_CUDA) {
    return invalid("tactic '{}': device {} is unknown", t.name, t.device);
  }
  if (t.launch == nullptr) return invalid("tactic '{}' has no launch", t.name);
  constexpr uint32_t kFormats =
      LATHE_FORMAT_BIT(LATHE_ROW_MAJOR) | LATHE_FORMAT_BIT(LATHE_CHANNELS_LAST);
  if ((t.formats & ~kFormats) != 0)
    return invalid("tactic '{}': formats {:#x} are unknown", t.name, t.formats);
  return {};
}

// Operators, fields or tactics of which two have one name.
template <class T>
Status check_distinct(const char* what, const T* items, size_t count) {
  std::set<std::string_view> names;
  for (size_t k = 0; k < count; ++k) {
    if (!names.insert(items[k].name).second)
      return invalid("two {} are named '{}'", what, items[k].name);
  }
  return {};
}

Status check_operator(const LatheOperator& op) {
  if (op.signature == nullptr) return invalid("it has no signature");
  if (op.field_count > kMaxItems || op.tactic_count > kMaxItems) {
    return invalid("it has {} fields and {} tactics", op.field_count, op.tactic_count);
  }
  if ((op.field_count > 0 && op.fields == nullptr) ||
      (op.tactic_count > 0 && op.tactics == nullptr)) {
    return invalid("its fields or tactics are null");
  }
  for (size_t k = 0; k < op.field_count; ++k) {
    const LatheField& f = op.fields[k];
    if (!is_name(f.name)) return invalid("field {} has no name", k);
    if (f.kind < LATHE_FIELD_INT || f.kind > LATHE_FIELD_FLOATS) {
      return invalid("field '{}': kind {} is unknown", f.name, f.kind);
    }
  }
  for (size_t k = 0; k < op.tactic_count; ++k) LATHE_TRY(check_tactic(op.tactics[k]));
  LATHE_TRY(check_distinct("fields", op.fields, op.field_count));
  LATHE_TRY(check_distinct("tactics", op.tactics, op.tactic_count));
  if (op.tactic_count == 0 && op.reference == nullptr) {
    return invalid("it has neither a tactic nor a reference");
  }
  return {};
}

Status check_plugin(const LathePlugin* plugin) {
  if (plugin == nullptr || plugin->abi != LATHE_PLUGIN_ABI) {
    const std::string its =
        plugin == nullptr ? "another version" : fmt::format("version {}", plugin->abi);
    return unsupported("it speaks {} of the plugin interface, this Lathe speaks {}", its,
                       LATHE_PLUGIN_ABI)
        .with_cure("build the plugin again with this Lathe's lathe/plugin.h");
  }
  if (!is_name(plugin->name)) return invalid("it has no name");
  if (!is_name(plugin->version)) return invalid("it has no version");
  LATHE_TRY(parse_version(plugin->version));
  if (plugin->operator_count == 0 || plugin->operator_count > kMaxItems ||
      plugin->operators == nullptr) {
    return invalid("it has {} operators", plugin->operator_count);
  }
  for (size_t k = 0; k < plugin->operator_count; ++k) {
    const LatheOperator& op = plugin->operators[k];
    if (!is_name(op.name)) return invalid("operator {} has no name", k);
    LATHE_TRY(check_operator(op).at(fmt::format("operator '{}'", op.name)));
  }
  return check_distinct("operators", plugin->operators, plugin->operator_count);
}

}  // namespace

Result<std::shared_ptr<const PluginLibrary>> PluginLibrary::open(const std::string& path) {
  const MappedFile bytes = LATHE_TRY(map_file(path));  // says what is wrong better than dlopen
  // A bare name would be searched for along the loader's path.
  const std::string file = path.find('/') == path.npos ? "./" + path : path;
  // NODELETE: libraries leave behind threads and destructors that outlive any handle.
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    return invalid("{}: it is no library that loads here: {}", path, why == nullptr ? "" : why);
  }
  using Entry = const LathePlugin* (*)(uint32_t);
  const auto entry = reinterpret_cast<Entry>(::dlsym(handle, "lathe_plugin"));
  ::dlclose(handle);  // it stays: NODELETE
  if (entry == nullptr) {
    return invalid("{}: it is no plugin: it does not export lathe_plugin", path);
  }
  const LathePlugin* plugin = nullptr;
  LATHE_TRY(TextSink()
                .call([&](LatheText*) {
                  plugin = entry(LATHE_PLUGIN_ABI);
                  return int32_t{LATHE_OK};
                })
                .at(path));
  LATHE_TRY(check_plugin(plugin).at(path));
  std::shared_ptr<PluginLibrary> library(new PluginLibrary(plugin, path));
  library->content_hash_ = hash64(bytes.bytes());
  return std::shared_ptr<const PluginLibrary>(std::move(library));
}

const LatheOperator* PluginLibrary::find(std::string_view op) const {
  for (const LatheOperator& o : operators()) {
    if (op == o.name) return &o;
  }
  return nullptr;
}

bool PluginLibrary::serves(std::string_view version) const {
  const Result<Version> asked = parse_version(version), have = parse_version(this->version());
  return asked.ok() && have.ok() && (*asked)[0] == (*have)[0] && *have >= *asked;
}

Result<PluginLibraries> open_plugins(std::span<const std::string> paths) {
  PluginLibraries all;
  for (const std::string& path : paths) {
    auto library = LATHE_TRY(PluginLibrary::open(path));
    for (const auto& other : all) {
      if (other->name() == library->name()) {
        return invalid("{}: plugin '{}' is loaded already, from {}", path, library->name(),
                       other->path());
      }
      for (const LatheOperator& op : library->operators()) {
        if (other->find(op.name) == nullptr) continue;
        return invalid("{}: operator '{}' is in {}, too", path, op.name, other->path());
      }
    }
    all.push_back(std::move(library));
  }
  return all;
}

void TextSink::write(LatheText* text, const char* words) {
  auto& sink = *static_cast<TextSink*>(text->self);
  if (words == nullptr) return;
  sink.words_.append(words, ::strnlen(words, kMaxWords - std::min(kMaxWords, sink.words_.size())));
}

Status TextSink::status(int32_t code) const {
  if (code == LATHE_OK) return {};
  const std::string said = words_.empty() ? fmt::format("it returned {}", code) : words_;
  switch (code) {
    case LATHE_UNSUPPORTED: return unsupported("{}", said);
    case LATHE_OUT_OF_MEMORY: return out_of_memory("{}", said);
    default: return invalid("{}", said);
  }
}

}  // namespace lathe
