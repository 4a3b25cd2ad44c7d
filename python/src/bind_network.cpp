// SPDX-License-Identifier: Apache-2.0
// Networks built by hand: handles and lists here, objects in python/lathe/network.py.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "lathe/network.h"
#include "raise.h"

namespace nb = nanobind;
using namespace lathe;
using lathe::python::check;
using lathe::python::take;

namespace {

using Value = Network::Value;
using Node = Network::Node;

// Row-major memory of `owner`, which an array of NumPy's lies in.
struct Array {
  Type type;
  std::vector<int64_t> shape;
  uintptr_t data;
  size_t bytes;
  nb::object owner;

  // Keeps the Python object alive; may go away in any thread.
  std::shared_ptr<const void> keep() const {
    return {new nb::object(owner), [](nb::object* o) {
              if (!Py_IsInitialized()) return;
              nb::gil_scoped_acquire held;
              delete o;
            }};
  }
  const void* address() const { return reinterpret_cast<const void*>(data); }
  Tensor copy() const {
    Tensor t = take(Tensor::make(type, shape));
    if (t.bytes().size() != bytes) throw nb::value_error("the array's size is not its type's");
    if (bytes > 0) std::memcpy(t.mutable_bytes().data(), address(), bytes);
    return t;
  }
};

Type type_named(const std::string& name) {
  for (int k = 0; k <= static_cast<int>(Type::U2); ++k) {
    if (name == to_string(static_cast<Type>(k))) return static_cast<Type>(k);
  }
  throw nb::value_error(("there is no element type '" + name + "'").c_str());
}

nb::object dim_object(const DimInfo& d) {
  return d.size >= 0 ? nb::object(nb::cast(d.size)) : nb::object(nb::cast(d.symbol));
}

nb::tuple dims_tuple(const std::vector<DimInfo>& dims) {
  nb::list list;
  for (const DimInfo& d : dims) list.append(dim_object(d));
  return nb::tuple(list);
}

// Sizes; -1 or None: a size of its own; text: a symbol.
std::vector<DimInfo> dims_of(const nb::sequence& shape) {
  std::vector<DimInfo> dims;
  for (nb::handle d : shape) {
    if (d.is_none()) {
      dims.push_back({});
    } else if (nb::isinstance<nb::str>(d)) {
      dims.push_back({-1, nb::cast<std::string>(d)});
    } else {
      dims.push_back({nb::cast<int64_t>(d), ""});
    }
  }
  return dims;
}

Attribute attribute_of(nb::handle value, const std::string& name) {
  if (nb::isinstance<nb::bool_>(value)) return int64_t{nb::cast<bool>(value)};
  if (nb::isinstance<nb::int_>(value)) return nb::cast<int64_t>(value);
  if (nb::isinstance<nb::float_>(value)) return nb::cast<double>(value);
  if (nb::isinstance<nb::str>(value)) return nb::cast<std::string>(value);
  if (nb::isinstance<Array>(value)) return nb::cast<const Array&>(value).copy();
  std::vector<int64_t> ints;
  std::vector<double> floats;
  std::vector<std::string> texts;
  if (nb::try_cast(value, ints)) return ints;
  if (nb::try_cast(value, floats)) return floats;
  if (nb::try_cast(value, texts)) return texts;
  throw nb::type_error(("attribute '" + name +
                        "' must be an int, a float, a str, an array, or a list of one of these")
                           .c_str());
}

Attributes attributes_of(const nb::dict& attributes) {
  Attributes out;
  for (auto [key, value] : attributes) {
    const auto name = nb::cast<std::string>(key);
    out.emplace(name, attribute_of(value, name));
  }
  return out;
}

// (type, shape, bytes); strings as a list.
nb::tuple tensor_tuple(const Tensor& t) {
  const nb::object data = t.type() == Type::String
                              ? nb::object(nb::cast(t.strings()))
                              : nb::object(nb::bytes(t.bytes().data(), t.bytes().size()));
  return nb::make_tuple(to_string(t.type()), nb::tuple(nb::cast(t.shape())), data);
}

nb::object attribute_object(const Attribute& attribute) {
  struct Visitor {
    nb::object operator()(const Tensor& t) const { return tensor_tuple(t); }
    nb::object operator()(int64_t v) const { return nb::cast(v); }
    nb::object operator()(double v) const { return nb::cast(v); }
    nb::object operator()(const std::string& v) const { return nb::cast(v); }
    nb::object operator()(const std::vector<int64_t>& v) const { return nb::cast(v); }
    nb::object operator()(const std::vector<double>& v) const { return nb::cast(v); }
    nb::object operator()(const std::vector<std::string>& v) const { return nb::cast(v); }
  };
  return std::visit(Visitor(), attribute);
}

nb::dict value_dict(const Network::ValueInfo& info) {
  constexpr const char* kKinds[] = {"input", "constant", "result"};
  nb::dict d;
  d["name"] = info.name;
  d["kind"] = kKinds[static_cast<int>(info.kind)];
  d["dtype"] = to_string(info.type);
  d["shape"] = dims_tuple(info.shape);
  d["contents"] = info.contents ? nb::object(dims_tuple(*info.contents)) : nb::none();
  d["producer"] = info.producer;
  d["index"] = info.index;
  d["readers"] = info.readers;
  d["is_output"] = info.is_output;
  return d;
}

nb::dict node_dict(const Network::NodeInfo& info) {
  nb::dict attributes;
  for (const auto& [name, value] : info.attributes) {
    attributes[name.c_str()] = attribute_object(value);
  }
  nb::dict d;
  d["name"] = info.name;
  d["op"] = info.op;
  d["domain"] = info.domain;
  d["opset"] = info.opset;
  d["operands"] = info.operands;
  d["results"] = info.results;
  d["attributes"] = attributes;
  d["text"] = info.text;
  return d;
}

template <class F>
auto without_gil(F f) {
  nb::gil_scoped_release released;
  return f();
}

template <class Handle>
void bind_handle(nb::module_& m, const char* name) {
  nb::class_<Handle>(m, name)
      .def(nb::init<>())
      .def("__bool__", [](const Handle& h) { return h.id >= 0; })
      .def("__hash__", [](const Handle& h) { return h.id; })
      .def_ro("id", &Handle::id)
      .def("__eq__", [](const Handle& a, const Handle& b) { return a == b; });
}

void bind_building(nb::class_<Network>& c) {
  c.def(nb::init<std::string>())
      .def_static(
          "with_operators",
          [](const std::string& name, const std::vector<std::string>& ops,
             const std::vector<std::string>& plugins) {
            return take(
                without_gil([&] { return Network::with({.ops = ops, .plugins = plugins}, name); }));
          },
          nb::arg("name"), nb::arg("ops"), nb::arg("plugins"))
      .def_static("from_model",
                  [](const Model& model) {
                    return take(without_gil([&] { return Network::from(model); }));
                  })
      .def("finish", [](const Network& n) { return take(without_gil([&] { return n.finish(); })); })
      .def("check", [](const Network& n) { check(without_gil([&] { return n.check(); })); })
      .def("name", [](const Network& n) { return n.name(); })
      .def("add_input",
           [](Network& n, const std::string& name, const std::string& type,
              const nb::sequence& shape) {
             return take(n.add_input(name, type_named(type), dims_of(shape)));
           })
      .def("add_constant",
           [](Network& n, const std::string& name, const Array& a) {
             return take(n.borrow_constant(name, a.type, a.shape, a.address(), a.bytes, a.keep()));
           })
      .def("add",
           [](Network& n, const std::string& op, const std::vector<Value>& operands,
              const nb::dict& attributes, const std::string& name) {
             return take(n.add(op, operands, attributes_of(attributes), name));
           })
      .def("add_onnx",
           [](Network& n, const std::string& op, const std::vector<Value>& operands,
              const nb::dict& attributes, const std::string& name, const std::string& domain,
              int opset, int results) {
             return take(n.add_onnx(op, operands, attributes_of(attributes), name,
                                    {domain, opset, results}));
           })
      .def("mark_output",
           [](Network& n, Value v, const std::string& name) { check(n.mark_output(v, name)); })
      .def("unmark_output", [](Network& n, Value v) { check(n.unmark_output(v)); });
}

void bind_questions(nb::class_<Network>& c) {
  c.def("inputs", &Network::inputs)
      .def("outputs", &Network::outputs)
      .def("output_names", &Network::output_names)
      .def("constants", &Network::constants)
      .def("values", &Network::values)
      .def("nodes", &Network::nodes)
      .def("result", &Network::result)
      .def("value_info", [](const Network& n, Value v) { return value_dict(take(n.info(v))); })
      .def("value_name", [](const Network& n, Value v) { return take(n.name(v)); })
      .def("node_info", [](const Network& n, Node v) { return node_dict(take(n.info(v))); })
      .def("find_value", [](const Network& n, const std::string& s) { return n.find_value(s); })
      .def("find_node", [](const Network& n, const std::string& s) { return n.find_node(s); })
      .def("constant", [](const Network& n, Value v) { return tensor_tuple(take(n.constant(v))); })
      .def("to_string", &Network::to_string);
}

void bind_editing(nb::class_<Network>& c) {
  c.def("rename_value", [](Network& n, Value v, const std::string& s) { check(n.rename(v, s)); })
      .def("rename_node", [](Network& n, Node v, const std::string& s) { check(n.rename(v, s)); })
      .def("set_operand",
           [](Network& n, Node node, size_t k, Value v) { check(n.set_operand(node, k, v)); })
      .def("replace", [](Network& n, Value v, Value by) { check(n.replace(v, by)); })
      .def("set_attribute",
           [](Network& n, Node node, const std::string& name, nb::handle value) {
             check(n.set_attribute(node, name, attribute_of(value, name)));
           })
      .def("remove_attribute",
           [](Network& n, Node node, const std::string& s) { check(n.remove_attribute(node, s)); })
      .def("set_input",
           [](Network& n, Value v, const std::string& type, const nb::sequence& shape) {
             check(n.set_input(v, type_named(type), dims_of(shape)));
           })
      .def("set_constant",
           [](Network& n, Value v, const Array& a) {
             check(n.borrow_constant(v, a.type, a.shape, a.address(), a.bytes, a.keep()));
           })
      .def("remove_node", [](Network& n, Node v) { check(n.remove(v)); })
      .def("remove_value", [](Network& n, Value v) { check(n.remove(v)); })
      .def("remove_dead", &Network::remove_dead);
}

}  // namespace

void bind_network(nb::module_& m) {
  nb::class_<Array>(m, "Array")
      .def("__init__", [](Array* self, const std::string& type, const std::vector<int64_t>& shape,
                          uintptr_t data, size_t bytes, nb::object owner) {
        new (self) Array{type_named(type), shape, data, bytes, std::move(owner)};
      });
  bind_handle<Value>(m, "ValueHandle");
  bind_handle<Node>(m, "NodeHandle");
  nb::class_<Network> network(m, "Network");
  bind_building(network);
  bind_questions(network);
  bind_editing(network);
  m.attr("DEFAULT_OPSET") = kDefaultOpset;
}
