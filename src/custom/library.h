// SPDX-License-Identifier: Apache-2.0
#pragma once
// Plugin libraries (include/lathe/plugin.h): opened only where the user names the file, checked
// before anything of them is called. A library stays in the process once opened.
//
//   auto library = LATHE_TRY(PluginLibrary::open("./libacme.so"));
//   library->find("com.acme::Scale")                 // the operator, or null
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "lathe/plugin.h"

namespace lathe {

class PluginLibrary {
 public:
  static Result<std::shared_ptr<const PluginLibrary>> open(const std::string& path);
  std::string_view name() const { return plugin_->name; }
  std::string_view version() const { return plugin_->version; }
  std::string identity() const { return fmt::format("{} {}", name(), version()); }
  const std::string& path() const { return path_; }
  // Of the file's bytes: a library that was built anew is measured anew.
  uint64_t content_hash() const { return content_hash_; }
  std::span<const LatheOperator> operators() const {
    return {plugin_->operators, plugin_->operator_count};
  }
  const LatheOperator* find(std::string_view op) const;
  // Whether an engine built with `version` may run with this library: the same major version, and
  // not an older one.
  bool serves(std::string_view version) const;

 private:
  PluginLibrary(const LathePlugin* plugin, std::string path)
      : plugin_(plugin), path_(std::move(path)) {}
  const LathePlugin* plugin_;
  std::string path_;
  uint64_t content_hash_ = 0;
};

using PluginLibraries = std::vector<std::shared_ptr<const PluginLibrary>>;

// Opens each; two that bring the same operator, or the same plugin, are refused.
Result<PluginLibraries> open_plugins(std::span<const std::string> paths);

// An operator of a library that is loaded: the code behind a Custom instance.
struct PluginOperator {
  std::shared_ptr<const PluginLibrary> library;
  const LatheOperator* op = nullptr;
};

// A LatheText that collects what is written to it.
class TextSink {
 public:
  TextSink() : text_{this, write} {}
  TextSink(const TextSink&) = delete;
  const std::string& words() const { return words_; }
  // Calls into a plugin: its return code as a Status, with what it wrote; a plugin that fails is
  // wrong input. It must not throw; when it does, that is an error like others.
  template <class F>
  Status call(F&& function) {
    try {
      return status(function(&text_));
    } catch (const std::exception& e) {
      return invalid("it threw: {}", e.what());
    } catch (...) {
      return invalid("it threw");
    }
  }

 private:
  Status status(int32_t code) const;
  static void write(LatheText* text, const char* words);
  LatheText text_;
  std::string words_;
};

}  // namespace lathe
