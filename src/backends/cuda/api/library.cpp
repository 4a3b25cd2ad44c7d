// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/api/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <string_view>

namespace lathe::cuda {
namespace {

std::string env(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// The folders that the user named, before the dynamic loader is asked.
std::vector<std::string> named_folders() {
  std::vector<std::string> folders;
  const std::string list = env("LATHE_CUDA_PATH");
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    const std::string folder = list.substr(at, end - at);
    at = end + 1;
    if (folder.empty()) continue;
    folders.insert(folders.end(), {folder, folder + "/lib", folder + "/lib64"});
  }
  return folders;
}

// Where a toolkit usually lies, after the dynamic loader found nothing.
std::vector<std::string> toolkit_folders() {
  std::vector<std::string> folders;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (std::string root = env(name); !root.empty()) folders.push_back(root + "/lib64");
  }
  folders.push_back("/usr/local/cuda/lib64");
  return folders;
}

// Every path to try, in order. One without a slash is left to the dynamic loader.
std::vector<std::string> candidates(const LibraryQuery& query) {
  if (std::string file = env(query.override_env); !file.empty()) return {file};
  std::vector<std::string> paths;
  auto add = [&](const std::vector<std::string>& folders) {
    for (const std::string& folder : folders) {
      for (const char* name : query.names) paths.push_back(folder + "/" + name);
    }
  };
  add(named_folders());
  paths.insert(paths.end(), query.names.begin(), query.names.end());
  add(toolkit_folders());
  return paths;
}

// "libnvrtc.so.13, libnvrtc.so.12", or the file that the override names.
std::string tried(const LibraryQuery& query) {
  if (std::string file = env(query.override_env); !file.empty()) {
    return fmt::format("{} (from {})", file, query.override_env);
  }
  return fmt::format("{}", fmt::join(query.names, ", "));
}

// The loader's reason when it says more than that there is no such file.
std::string reason_beyond_absence(const std::string& path) {
  const char* error = dlerror();
  if (!error) return "";
  const bool absent = path.find('/') == std::string::npos
                          ? std::string_view(error).starts_with(path + ": cannot open shared")
                          : access(path.c_str(), F_OK) != 0;
  return absent ? "" : error;
}

}  // namespace

Result<Library> Library::open(const LibraryQuery& query) {
  std::string reason;
  for (std::string& path : candidates(query)) {
    if (void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      return Library(handle, std::move(path));
    }
    if (reason.empty()) reason = reason_beyond_absence(path);
  }
  if (reason.empty()) reason = "no such file";
  return not_found("{} is not available: could not open {}: {}", query.what, tried(query), reason)
      .with_cure(query.cure);
}

void Library::open_beside(const std::string& name) const {
  std::array<char, PATH_MAX> folder{};
  if (dlinfo(handle_, RTLD_DI_ORIGIN, folder.data()) != 0) return;
  (void)dlopen(fmt::format("{}/{}", folder.data(), name).c_str(), RTLD_NOW | RTLD_LOCAL);
}

void* Library::address(const char* symbol) {
  void* found = dlsym(handle_, symbol);
  if (!found && missing_.empty()) missing_ = symbol;
  return found;
}

Status Library::complete(const char* expected) const {
  if (missing_.empty()) return {};
  return unsupported("{} has no function {}: expected {}", path_, missing_, expected);
}

}  // namespace lathe::cuda
