// SPDX-License-Identifier: Apache-2.0
// Tensor files: NumPy's .npy (format 1 to 3, C and Fortran order) and ONNX TensorProto.
#include <array>
#include <bit>
#include <charconv>

#include "api/api_state.h"
#include "api/tensor_pb.h"
#include "base/file.h"

namespace lathe {
namespace {

constexpr std::string_view kMagic{"\x93NUMPY", 6};

struct NpyType {
  std::string_view descr;  // without the byte order
  DType dtype;
};
constexpr NpyType kNpyTypes[] = {
    {"f4", DType::F32}, {"f8", DType::F64},   {"f2", DType::F16},  {"i1", DType::I8},
    {"i2", DType::I16}, {"i4", DType::I32},   {"i8", DType::I64},  {"u1", DType::U8},
    {"u2", DType::U16}, {"u4", DType::U32},   {"u8", DType::U64},  {"b1", DType::Bool},
    {"c8", DType::C64}, {"c16", DType::C128}, {"V2", DType::BF16},
};

// The text after `'key':` in the header's dictionary.
std::string_view field(std::string_view header, std::string_view key) {
  const size_t at = header.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos) return {};
  const size_t colon = header.find(':', at);
  if (colon == std::string_view::npos) return {};
  header.remove_prefix(colon + 1);
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  return header;
}

Result<std::vector<int64_t>> parse_sizes(std::string_view text) {
  std::vector<int64_t> sizes;
  if (text.empty() || text.front() != '(') return invalid("its header has no shape");
  text.remove_prefix(1);
  while (!text.empty() && text.front() != ')') {
    if (text.front() == ',' || text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    int64_t size = 0;
    const auto r = std::from_chars(text.data(), text.data() + text.size(), size);
    if (r.ec != std::errc() || size < 0) return invalid("its header has a bad shape");
    sizes.push_back(size);
    text.remove_prefix(static_cast<size_t>(r.ptr - text.data()));
  }
  return sizes;
}

// Fortran order to C order.
Result<HostTensor> transposed(const HostTensor& columns, const std::vector<int64_t>& sizes) {
  HostTensor rows = LATHE_TRY(HostTensor::make({columns.dtype(), Shape::of(sizes)}));
  const auto size = static_cast<size_t>(bits(columns.dtype()) / 8);
  std::vector<int64_t> step(sizes.size(), 1);
  for (size_t d = 1; d < sizes.size(); ++d) step[d] = step[d - 1] * sizes[d - 1];
  std::byte* to = rows.mutable_bytes().data();
  for_each(Box::whole(rows.shape()), [&](const int64_t* c, int64_t at) {
    int64_t from = 0;
    for (size_t d = 0; d < sizes.size(); ++d) from += c[d] * step[d];
    std::memcpy(to + static_cast<size_t>(at) * size,
                columns.bytes().data() + static_cast<size_t>(from) * size, size);
  });
  return rows;
}

Result<HostTensor> parse_npy(std::span<const std::byte> bytes) {
  static_assert(std::endian::native == std::endian::little);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  if (bytes.size() < 12) return invalid("the file is cut off");
  const int major = static_cast<uint8_t>(text[6]);
  const size_t prefix = major == 1 ? 10 : 12;
  size_t length = static_cast<uint8_t>(text[8]) | static_cast<size_t>(static_cast<uint8_t>(text[9]))
                                                      << 8;
  if (major > 1) {
    length |= static_cast<size_t>(static_cast<uint8_t>(text[10])) << 16 |
              static_cast<size_t>(static_cast<uint8_t>(text[11])) << 24;
  }
  if (length > bytes.size() - prefix) return invalid("the file is cut off in its header");
  const std::string_view header(text + prefix, length);
  std::string_view descr = field(header, "descr");
  if (descr.size() < 4) return invalid("its header has no descr");
  if (descr[1] == '>') return invalid("it is big-endian, expected little-endian");
  descr = descr.substr(2, descr.find(descr[0], 1) - 2);
  DType dtype = DType::None;
  for (const NpyType& t : kNpyTypes) {
    if (t.descr == descr) dtype = t.dtype;
  }
  if (dtype == DType::None) return unsupported("its element type is '{}'", descr);
  const std::vector<int64_t> sizes = LATHE_TRY(parse_sizes(field(header, "shape")));
  const bool fortran = field(header, "fortran_order").starts_with("True");
  const Shape shape = LATHE_TRY(Shape::of(sizes).evaluate({}));
  const int64_t need = LATHE_TRY(storage_bytes({dtype, shape}));
  const std::span<const std::byte> data = bytes.subspan(prefix + length);
  if (static_cast<int64_t>(data.size()) != need) {
    return invalid("it holds {} bytes of data, its shape {} of {} needs {}", data.size(),
                   shape.to_string(), to_string(dtype), need);
  }
  HostTensor t = LATHE_TRY(HostTensor::make({dtype, shape}));
  if (need > 0) std::memcpy(t.mutable_bytes().data(), data.data(), data.size());
  if (fortran && sizes.size() > 1) return transposed(t, sizes);
  return t;
}

Result<std::vector<std::byte>> format_npy(const HostTensor& t) {
  std::string_view descr;
  for (const NpyType& k : kNpyTypes) {
    if (k.dtype == t.dtype()) descr = k.descr;
  }
  if (descr.empty())
    return unsupported(".npy has no element type {}: write a .pb", to_string(t.dtype()));
  std::string shape;
  for (int64_t s : t.shape().sizes()) shape += fmt::format("{}, ", s);
  const char order = bits(t.dtype()) == 8 ? '|' : '<';
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                   order, descr, shape);
  constexpr size_t kAlign = 64, kPrefix = 10;
  while ((kPrefix + header.size() + 1) % kAlign != 0) header += ' ';
  header += '\n';
  std::string file(kMagic);
  file += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
           static_cast<char>(header.size() >> 8)};
  file += header;
  std::vector<std::byte> bytes(file.size() + t.bytes().size());
  std::memcpy(bytes.data(), file.data(), file.size());
  if (!t.bytes().empty())
    std::memcpy(bytes.data() + file.size(), t.bytes().data(), t.bytes().size());
  return bytes;
}

constexpr int64_t kMaxTensorFile = int64_t{16} << 30;

}  // namespace

Result<Tensor> read_tensor(const std::string& path) {
  const std::vector<std::byte> bytes = LATHE_TRY(read_file(path, kMaxTensorFile));
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min(bytes.size(), kMagic.size()));
  if (start == kMagic) {
    Result<HostTensor> t = parse_npy(bytes);
    if (!t.ok()) return std::move(t).status().at(path);
    return TensorAccess::from(*t);
  }
  if (path.ends_with(".npy")) return invalid("{}: not a NumPy file: its first bytes differ", path);
  Result<Tensor> t = read_pb(bytes);
  if (!t.ok()) return std::move(t).status().at(path);
  return t;
}

Status write_tensor(const std::string& path, const Tensor& tensor) {
  const bool pb = path.ends_with(".pb");
  if (!pb && !path.ends_with(".npy"))
    return invalid("{}: expected a file that ends in .npy or .pb", path);
  const HostTensor t = LATHE_TRY(TensorAccess::to(tensor));
  if (pb) {
    Result<std::string> bytes = write_pb(t);
    if (!bytes.ok()) return std::move(bytes).status().at(path);
    return write_file_atomically(path, std::as_bytes(std::span(*bytes)));
  }
  Result<std::vector<std::byte>> bytes = format_npy(t);
  if (!bytes.ok()) return std::move(bytes).status().at(path);
  return write_file_atomically(path, *bytes);
}

}  // namespace lathe
