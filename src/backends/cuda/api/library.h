// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds and opens one of NVIDIA's shared libraries at run time, and looks up its functions.
//
// A file is looked for in this order, each place with every name before the next place:
//   1. the variable `override_env` (LATHE_NVRTC=/path/libnvrtc.so.13): that file and no other;
//   2. the folders of LATHE_CUDA_PATH, separated by ':', and their lib/ and lib64/;
//   3. the dynamic loader: already in the process, LD_LIBRARY_PATH, ld.so.conf;
//   4. $CUDA_HOME/lib64, $CUDA_PATH/lib64, /usr/local/cuda/lib64.
// A library is never closed: CUDA leaves threads and exit handlers behind in it.
#include <string>
#include <vector>

#include "base/status.h"

namespace lathe::cuda {

struct LibraryQuery {
  const char* what;                // for messages: "the NVIDIA driver"
  const char* override_env;        // a variable that names the file
  std::vector<const char*> names;  // file names, the preferred first
  const char* cure;                // what to do when there is none
};

class Library {
 public:
  // NotFound, with the names that were tried and the cure, when no file could be opened.
  static Result<Library> open(const LibraryQuery& query);

  // The path or name that the library was opened by.
  const std::string& path() const { return path_; }

  // Opens the file `name` of the same folder, where there is one, so that this library finds it
  // when it asks for it by its bare name.
  void open_beside(const std::string& name) const;

  // Sets `function` to the exported `symbol`; null when absent, which complete() then reports.
  template <class F>
  void find(const char* symbol, F*& function) {
    function = reinterpret_cast<F*>(address(symbol));
  }
  // Ok when every symbol was found, else Unsupported and the first that was not.
  Status complete(const char* expected) const;

 private:
  Library(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void* address(const char* symbol);

  void* handle_;
  std::string path_;
  std::string missing_;
};

}  // namespace lathe::cuda
