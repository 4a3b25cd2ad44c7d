// SPDX-License-Identifier: Apache-2.0
// importers.def as a table.
#include <unordered_map>

#include "onnx/node_import.h"

namespace lathe {

#define IMPORTER(file, onnx) Status import_##file(NodeImport& n);
#include "onnx/importers.def"
#undef IMPORTER

namespace {

struct Entry {
  std::string_view onnx;
  Importer importer;
};

constexpr Entry kImporters[] = {
#define IMPORTER(file, onnx) {#onnx, import_##file},
#include "onnx/importers.def"
#undef IMPORTER
};

}  // namespace

Importer find_importer(std::string_view type) {
  static const auto table = [] {
    std::unordered_map<std::string_view, Importer> t;
    for (const Entry& e : kImporters) t.emplace(e.onnx, e.importer);
    return t;
  }();
  auto it = table.find(type);
  return it == table.end() ? nullptr : it->second;
}

std::vector<std::string_view> imported_operators() {
  std::vector<std::string_view> names;
  for (const Entry& e : kImporters) names.push_back(e.onnx);
  return names;
}

}  // namespace lathe
