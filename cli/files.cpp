// SPDX-License-Identifier: Apache-2.0
// Whether files can be read and written, before anything is done that takes time.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "command.h"

namespace lathe::cli {

Status check_writable(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (path.empty()) return bad("a file to write has no name");
  if (fs::is_directory(path, error)) return bad(path + ": is a folder, not a file");
  const fs::path parent = fs::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  if (!fs::is_directory(folder, error)) {
    return Status(Code::NotFound, path + ": cannot write: there is no folder " + folder);
  }
  if (::access(folder.c_str(), W_OK) == 0) return {};
  return bad(fmt::format("{}: cannot write to {}: {}", path, folder, std::strerror(errno)));
}

Status check_regular(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    return Status(Code::NotFound, fmt::format("{}: cannot open: {}", path, error.message()));
  }
  if (fs::is_directory(status)) return bad(path + ": is a folder, not a file");
  return fs::is_regular_file(status) ? Status() : bad(path + ": is not a regular file");
}

}  // namespace lathe::cli
