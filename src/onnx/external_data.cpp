// SPDX-License-Identifier: Apache-2.0
#include "onnx/external_data.h"

#include <charconv>
#include <optional>

#include "onnx/names.h"
#include "onnx/onnx.pb.h"

namespace lathe {
namespace {

Status check_location(std::string_view location) {
  if (location.empty()) return invalid("the location of the external data is empty");
  if (location.find('\0') != std::string_view::npos || location[0] == '/') {
    return invalid("the location '{}' is not a relative path", printable(location));
  }
  return {};
}

struct Location {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

Result<uint64_t> parse_size(std::string_view key, std::string_view text) {
  uint64_t v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid("the external data's {} '{}' is not a size", key, printable(text));
  }
  return v;
}

Result<Location> parse_entry(const lathe_onnx::TensorProto& p) {
  Location e;
  for (const auto& item : p.external_data()) {
    if (item.key() == "location") e.location = item.value();
    if (item.key() == "offset") e.offset = LATHE_TRY(parse_size("offset", item.value()));
    if (item.key() == "length") e.length = LATHE_TRY(parse_size("length", item.value()));
  }
  LATHE_TRY(check_location(e.location));
  return e;
}

}  // namespace

Result<ExternalData> ExternalData::beneath(const std::string& folder) {
  return ExternalData(LATHE_TRY(FolderFd::open(folder.empty() ? "." : folder)));
}

Result<std::shared_ptr<const MappedFile>> ExternalData::map(const std::string& location) const {
  if (auto it = open_.find(location); it != open_.end()) return it->second;
  auto file = std::make_shared<const MappedFile>(LATHE_TRY(folder_.map_file(location)));
  return open_.emplace(location, std::move(file)).first->second;
}

Result<HostTensor> ExternalData::read(const lathe_onnx::TensorProto& p,
                                      const TensorType& type) const {
  if (type.dtype == DType::String) return invalid("strings cannot be external data");
  const Location e = LATHE_TRY(parse_entry(p));
  const auto need = static_cast<uint64_t>(LATHE_TRY(storage_bytes(type)));
  if (e.length && *e.length != need) {
    return invalid("the external data has {} bytes, and {} takes {}", *e.length, type.to_string(),
                   need);
  }
  std::shared_ptr<const MappedFile> file = LATHE_TRY(map(e.location));
  const std::span<const std::byte> bytes = file->bytes();
  if (e.offset > bytes.size() || need > bytes.size() - e.offset) {
    return invalid("bytes {} to {}+{} are outside the external data '{}' of {} bytes", e.offset,
                   e.offset, need, printable(e.location), bytes.size());
  }
  return HostTensor::view(type, bytes.subspan(e.offset, need), std::move(file));
}

}  // namespace lathe
