// SPDX-License-Identifier: Apache-2.0
// A HostTensor as text and back: "f32[2] {1, 2}". Floats are printed with the fewest digits that
// read back to the same bits, NaNs other than the usual one as their bits.
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/math.h"
#include "tensor/element.h"
#include "tensor/host_tensor.h"

namespace lathe {
namespace {

constexpr int64_t kShown = 16;  // elements of the abbreviated form

std::string quote(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c < ' ' || c > '~') {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// The bits of element `index` of a whole-byte type of at most 64 bits.
uint64_t raw_bits(DType t, const std::byte* data, int64_t index) {
  uint64_t raw = 0;
  size_t width = static_cast<size_t>(bits(t)) / 8;
  std::memcpy(&raw, data + static_cast<size_t>(index) * width, width);
  return raw;
}

std::string print_float(DType t, const std::byte* data, int64_t index) {
  double v = load_f64(t, data, index);
  if (std::isnan(v)) {
    uint64_t raw = raw_bits(t, data, index), usual = 0;
    store_f64(t, reinterpret_cast<std::byte*>(&usual), 0, std::numeric_limits<double>::quiet_NaN());
    return raw == usual ? "nan" : fmt::format("nan:{:x}", raw);
  }
  return t == DType::F64 ? fmt::format("{}", v) : fmt::format("{}", static_cast<float>(v));
}

std::string print_element(DType t, const std::byte* data, int64_t index) {
  switch (kind(t)) {
    case DKind::Float: return print_float(t, data, index);
    case DKind::Bool: return load_i64(t, data, index) != 0 ? "true" : "false";
    case DKind::Complex: {
      DType part = t == DType::C64 ? DType::F32 : DType::F64;
      return fmt::format("({}, {})", print_float(part, data, 2 * index),
                         print_float(part, data, 2 * index + 1));
    }
    default: break;
  }
  if (t == DType::U64) return std::to_string(raw_bits(t, data, index));
  return std::to_string(load_i64(t, data, index));
}

// Elements that the memory holds, layout padding included.
int64_t stored_elements(const HostTensor& t) {
  if (t.type().layout != Layout::Blocked16) return t.elements();
  return static_cast<int64_t>(t.bytes().size()) * 8 / bits(t.dtype());
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool accept(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    skip_spaces();
    return at_ == text_.size();
  }
  Status expect(char c) {
    if (accept(c)) return {};
    return invalid("tensor: expected '{}' at character {} of the values", c, at_ + 1);
  }
  // Up to the next separator.
  std::string_view word() {
    skip_spaces();
    size_t begin = at_;
    while (at_ < text_.size() && std::strchr(",{}() \n", text_[at_]) == nullptr) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  Result<std::string> quoted() {
    LATHE_TRY(expect('"'));
    std::string out;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        out += text_[at_];
        continue;
      }
      out += LATHE_TRY(escape());
    }
    if (at_++ >= text_.size()) return invalid("tensor: a string does not end");
    return out;
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  // At the backslash; leaves at_ on the last character of the escape.
  Result<char> escape() {
    std::string_view rest = text_.substr(at_ + 1);
    if (!rest.empty() && (rest[0] == '"' || rest[0] == '\\')) {
      ++at_;
      return rest[0];
    }
    unsigned value = 0;
    if (rest.size() >= 3 && rest[0] == 'x') {
      auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + 3, value, 16);
      if (error == std::errc() && end == rest.data() + 3) {
        at_ += 3;
        return static_cast<char>(value);
      }
    }
    return invalid("tensor: unknown escape in a string");
  }

  std::string_view text_;
  size_t at_ = 0;
};

Status not_a_value(std::string_view word, DType t) {
  return invalid("tensor: '{}' is not a {} value", word.substr(0, 40), to_string(t));
}

template <class T>
bool read_number(std::string_view word, T& value, int base = 10) {
  std::from_chars_result r;
  if constexpr (std::is_floating_point_v<T>) {
    r = std::from_chars(word.data(), word.data() + word.size(), value);
  } else {
    r = std::from_chars(word.data(), word.data() + word.size(), value, base);
  }
  return r.ec == std::errc() && r.ptr == word.data() + word.size() && !word.empty();
}

Status store_float(DType t, std::byte* data, int64_t index, std::string_view word) {
  if (word.starts_with("nan:")) {
    uint64_t raw = 0;
    auto width = static_cast<size_t>(bits(t)) / 8;
    if (width == 0 || !read_number(word.substr(4), raw, 16) ||
        (width < 8 && raw >> (8 * width) != 0)) {
      return not_a_value(word, t);
    }
    std::memcpy(data + static_cast<size_t>(index) * width, &raw, width);
    return {};
  }
  double v = 0;
  if (!read_number(word, v)) return not_a_value(word, t);
  store_f64(t, data, index, v);
  return {};
}

Status store_int(DType t, std::byte* data, int64_t index, std::string_view word) {
  if (t == DType::U64) {
    uint64_t v = 0;
    if (!read_number(word, v)) return not_a_value(word, t);
    std::memcpy(data + static_cast<size_t>(index) * sizeof v, &v, sizeof v);
    return {};
  }
  int64_t v = 0;
  if (!read_number(word, v)) return not_a_value(word, t);
  store_i64(t, data, index, v);
  if (load_i64(t, data, index) != v) return not_a_value(word, t);
  return {};
}

Status read_element(Reader& in, DType t, std::byte* data, int64_t index) {
  if (kind(t) == DKind::Float) return store_float(t, data, index, in.word());
  if (is_int(t)) return store_int(t, data, index, in.word());
  if (kind(t) == DKind::Bool) {
    std::string_view word = in.word();
    if (word != "true" && word != "false") return not_a_value(word, t);
    store_i64(t, data, index, word == "true");
    return {};
  }
  DType part = t == DType::C64 ? DType::F32 : DType::F64;
  LATHE_TRY(in.expect('('));
  LATHE_TRY(store_float(part, data, 2 * index, in.word()));
  LATHE_TRY(in.expect(','));
  LATHE_TRY(store_float(part, data, 2 * index + 1, in.word()));
  return in.expect(')');
}

Result<HostTensor> read_strings(Reader& in, const TensorType& type) {
  std::vector<std::string> values;
  for (int64_t i = 0; i < type.shape.elements(); ++i) {
    if (i != 0) LATHE_TRY(in.expect(','));
    values.push_back(LATHE_TRY(in.quoted()));
  }
  return HostTensor::strings(type.shape.sizes(), std::move(values));
}

Result<HostTensor> read_numbers(Reader& in, const TensorType& type) {
  HostTensor t = LATHE_TRY(HostTensor::zeros(type));
  std::byte* data = t.mutable_bytes().data();
  for (int64_t i = 0; i < stored_elements(t); ++i) {
    if (i != 0) LATHE_TRY(in.expect(','));
    LATHE_TRY(read_element(in, type.dtype, data, i));
  }
  return t;
}

}  // namespace

std::string HostTensor::to_string(bool full) const {
  if (empty()) return "none";
  std::string out = type_.to_string() + " {";
  int64_t count = stored_elements(*this);
  int64_t shown = full ? count : std::min(count, kShown);
  for (int64_t i = 0; i < shown; ++i) {
    if (i != 0) out += ", ";
    out += strings_ ? quote((*strings_)[static_cast<size_t>(i)]) : print_element(dtype(), data_, i);
  }
  return out + (shown < count ? ", ...}" : "}");
}

Result<HostTensor> HostTensor::parse(std::string_view text) {
  if (text == "none") return HostTensor();
  size_t open = text.find('{');
  if (open == text.npos) return invalid("tensor: expected a type and values in braces");
  std::string_view head = text.substr(0, open);
  while (head.ends_with(' ')) head.remove_suffix(1);
  TensorType type = LATHE_TRY(TensorType::parse(head));
  TensorType sized = type;
  if (type.dtype == DType::String) sized.dtype = DType::U8;
  int64_t size = LATHE_TRY(storage_bytes(sized));
  // Each element takes a character or more, so the text bounds the memory.
  if (bits(sized.dtype) > 0 &&
      size / std::max(1, bits(sized.dtype) / 8) > static_cast<int64_t>(text.size())) {
    return invalid("tensor: fewer values than {} has elements", type.to_string());
  }
  Reader in(text.substr(open + 1));
  HostTensor t =
      LATHE_TRY(type.dtype == DType::String ? read_strings(in, type) : read_numbers(in, type));
  LATHE_TRY(in.expect('}'));
  if (!in.at_end()) return invalid("tensor: text after the values");
  return t;
}

}  // namespace lathe
