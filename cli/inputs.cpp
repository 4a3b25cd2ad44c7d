// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <random>

#include "command.h"

namespace lathe::cli {
namespace {

const PortInfo* find(const std::vector<PortInfo>& ports, std::string_view name) {
  for (const PortInfo& p : ports) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

// Values that were made as floats, in the input's type.
Result<Tensor> of_port(const PortInfo& port, const Tensor& made) {
  Result<Tensor> t = made.converted(port.type);
  if (!t.ok()) return std::move(t).status().at(fmt::format("input '{}'", port.name));
  return t;
}

// "random:7", or "random" for 0; nothing where the text is neither.
std::optional<uint64_t> seed_of(std::string_view source) {
  if (source == "random") return 0;
  if (!source.starts_with("random:")) return std::nullopt;
  uint64_t seed = 0;
  const char* end = source.data() + source.size();
  const auto r = std::from_chars(source.data() + 7, end, seed);
  return r.ec == std::errc() && r.ptr == end ? std::optional(seed) : std::nullopt;
}

Result<Tensor> load_one(const PortInfo& port, const std::string& source,
                        const PictureOptions& pictures, const std::vector<int64_t>& sizes) {
  if (const auto seed = seed_of(source)) return random_tensor(port, *seed, sizes);
  if (source.empty() || source.starts_with("random:"))
    return bad(
        fmt::format("input '{}' is given as '{}', expected a file, random:SEED, ones or zeros",
                    port.name, source));
  if (source == "ones" || source == "zeros") {
    Result<Tensor> t = Tensor::make(Type::F32, sizes);
    if (!t.ok()) return t;
    auto* v = reinterpret_cast<float*>(t->mutable_bytes().data());
    std::fill(v, v + t->elements(), source == "ones" ? 1.0f : 0.0f);
    return of_port(port, *t);
  }
  if (is_picture(source)) {
    Result<Picture> picture = read_picture(source);
    if (!picture.ok()) return picture.status();
    return picture_tensor(*picture, port, pictures);
  }
  return read_tensor(source);
}

}  // namespace

std::string names_of(const std::vector<PortInfo>& ports) {
  std::string names;
  for (const PortInfo& p : ports) names += (names.empty() ? "" : ", ") + p.name;
  return names;
}

size_t end_of_name(const std::string& text, const std::vector<PortInfo>& ports) {
  size_t longest = 0;
  for (const PortInfo& p : ports) {
    if (p.name.size() >= longest && text.starts_with(p.name + "=")) longest = p.name.size();
  }
  return longest > 0 ? longest : text.find('=');
}

void InputOptions::add_to(CLI::App& c) {
  c.add_option("--input", inputs,
               "NAME=FILE.npy|.pb|.png|.jpg|random:SEED|ones|zeros; NAME= may be left out of a "
               "one-input model");
  c.add_option("--image-layout", pictures.layout, "channels of pictures")
      ->check(CLI::IsMember({"rgb", "bgr", "gray"}))
      ->capture_default_str();
  c.add_option("--mean", pictures.mean,
               "taken from each channel after scaling, one for all or R,G,B; default 0")
      ->delimiter(',');
  c.add_option("--scale", pictures.scale,
               "times each byte of a picture, one for all or R,G,B; default 1/255")
      ->delimiter(',');
  c.add_option("--resize", pictures.resize, "how pictures are fitted")
      ->check(CLI::IsMember({"bilinear", "none"}))
      ->capture_default_str();
}

Result<Tensors> load_inputs(const InputOptions& options, const std::vector<PortInfo>& ports,
                            const std::map<std::string, std::vector<int64_t>>& shapes) {
  Tensors tensors;
  for (const auto& [name, sizes] : shapes) {
    if (find(ports, name) == nullptr)
      return bad(fmt::format("shape of '{}': no input has that name: there are {}", name,
                             names_of(ports)));
  }
  for (const std::string& text : options.inputs) {
    size_t equals = end_of_name(text, ports);
    std::string name = equals == std::string::npos ? "" : text.substr(0, equals);
    if (equals == std::string::npos ||
        (find(ports, name) == nullptr && ports.size() == 1 && text.find('/') < equals)) {
      if (ports.size() != 1)
        return bad(fmt::format("--input {}: expected NAME=FILE, the model has {} inputs", text,
                               ports.size()));
      name = ports[0].name;
      equals = std::string::npos;
    }
    const PortInfo* port = find(ports, name);
    if (port == nullptr) {
      return bad(fmt::format("--input {}: no input is named '{}': there are {}", text, name,
                             names_of(ports)));
    }
    if (tensors.contains(name))
      return bad(fmt::format("--input {}: input '{}' is given twice", text, name));
    const auto shape = shapes.find(name);
    Result<Tensor> t = load_one(*port, equals == std::string::npos ? text : text.substr(equals + 1),
                                options.pictures,
                                shape != shapes.end() ? shape->second : default_sizes(*port, 64));
    if (!t.ok()) return std::move(t).status();
    if (t->type() != port->type) {
      return bad(fmt::format("input '{}': {} holds {}, expected {}", name, text,
                             to_string(t->type()), to_string(port->type)));
    }
    tensors.insert_or_assign(name, *std::move(t));
  }
  return tensors;
}

std::vector<int64_t> default_sizes(const PortInfo& port, int64_t other) {
  std::vector<int64_t> sizes;
  for (size_t d = 0; d < port.shape.size(); ++d) {
    const int64_t size = port.shape[d].size;
    sizes.push_back(size >= 0 ? size : d == 0 ? 1 : other);
  }
  return sizes;
}

Result<Tensor> random_tensor(const PortInfo& port, uint64_t seed,
                             const std::vector<int64_t>& sizes) {
  Result<Tensor> t = Tensor::make(Type::F32, sizes);
  if (!t.ok()) return t;
  // Different inputs get different numbers from one seed.
  for (unsigned char c : port.name) seed = seed * 1099511628211u + c;
  std::mt19937_64 engine(seed);
  auto* v = reinterpret_cast<float*>(t->mutable_bytes().data());
  const bool mask = port.name.find("mask") != std::string::npos;
  const bool real = port.type == Type::F32 || port.type == Type::F16 || port.type == Type::BF16 ||
                    port.type == Type::F64;
  for (int64_t i = 0; i < t->elements(); ++i) {
    double sum = 0;  // near normal, and the same with every standard library
    for (int k = 0; k < 4; ++k) sum += static_cast<double>(engine() >> 11) * 0x1p-53;
    // Integers are often tokens or indices: small ones are legal nearly everywhere.
    v[i] = real   ? static_cast<float>((sum - 2) * 1.7320508)
           : mask ? 1.0f
                  : static_cast<float>(engine() % (port.type == Type::Bool ? 2 : 100));
  }
  return of_port(port, *t);
}

std::map<std::string, std::vector<int64_t>> shapes_of(const Tensors& tensors) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [name, t] : tensors) shapes[name] = t.shape();
  return shapes;
}

}  // namespace lathe::cli
