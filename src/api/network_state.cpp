// SPDX-License-Identifier: Apache-2.0
#include "api/network_state.h"

#include <algorithm>
#include <atomic>

#include "onnx/names.h"

namespace lathe {

void Inference::start() {
  if (lowering_) return;
  lowering_ = std::make_unique<Lowering>(budget_);
  for (int v : draft_.inputs) {
    if (inputs_.ok()) inputs_ = lowering_->add_input(draft_, v, {});
  }
}

void Inference::add_input(int v) {
  if (lowering_ && inputs_.ok()) inputs_ = lowering_->add_input(draft_, v, {});
}

Status Inference::step(int node) {
  for (int v : draft_.node(node).operands) {
    const int producer = v < 0 ? -1 : draft_.value(v).producer;
    if (auto it = errors_.find(producer); it != errors_.end()) return it->second;
  }
  Result<std::vector<Value*>> made = lowering_->run(draft_, node);
  return std::move(made).status();
}

void Inference::finish() {
  start();
  for (int n : draft_.order().subspan(done_.size())) {
    done_.push_back(n);
    marks_.push_back(lowering_->mark());
    if (Status s = step(n); !s.ok()) errors_.emplace(n, std::move(s));
  }
}

Status Inference::status(int node) {
  auto it = errors_.find(node);
  return it == errors_.end() ? Status() : it->second;
}

Result<std::vector<Value*>> Inference::run_last(int node) {
  LATHE_TRY(Status(inputs_));
  done_.push_back(node);
  marks_.push_back(lowering_->mark());
  for (int v : draft_.node(node).operands) {
    const int producer = v < 0 ? -1 : draft_.value(v).producer;
    if (auto it = errors_.find(producer); it != errors_.end()) return Status(it->second);
  }
  return lowering_->run(draft_, node);
}

void Inference::forget_from(int node) {
  auto it = std::find(done_.rbegin(), done_.rend(), node);
  if (it == done_.rend()) return;
  const auto at = static_cast<size_t>(std::next(it).base() - done_.begin());
  lowering_->rewind(marks_[at]);
  for (size_t k = at; k < done_.size(); ++k) errors_.erase(done_[k]);
  done_.resize(at);
  marks_.resize(at);
}

void Inference::forget() {
  lowering_.reset();
  inputs_ = {};
  done_.clear();
  marks_.clear();
  errors_.clear();
}

static uint32_t next_serial() {
  static std::atomic<uint32_t> serial{0};
  return ++serial;
}

NetworkState::NetworkState() : serial(next_serial()) {}

Result<int> NetworkState::index(Network::Value value, std::string_view what) const {
  if (value.id < 0) return invalid("the {} is not given", what);
  if (value.network != serial) return invalid("the {} is of another network", what);
  if (value.id >= draft.value_count() || draft.value(value.id).kind == DraftValue::Kind::Removed) {
    return invalid("the {} was removed from the network", what);
  }
  return value.id;
}

Result<int> NetworkState::index(Network::Node node) const {
  if (node.id < 0) return invalid("the node is not given");
  if (node.network != serial) return invalid("the node is of another network");
  if (node.id >= draft.node_count() || draft.node(node.id).removed) {
    return invalid("the node was removed from the network");
  }
  return node.id;
}

std::string NetworkState::unique(std::string_view stem) const {
  std::string name(stem);
  for (int k = 2; names.contains(name); ++k) name = fmt::format("{}_{}", stem, k);
  return name;
}

Status NetworkState::check_free(std::string_view name) const {
  if (!names.contains(std::string(name))) return {};
  return invalid("the network has a value '{}' already", printable(name));
}

Result<Shape> NetworkState::shape(std::string_view input, const std::vector<DimInfo>& dims) {
  Shape shape;
  for (const DimInfo& d : dims) {
    if (d.size < -1) {
      return invalid("input '{}': dimension {} is {}, expected a size or -1", printable(input),
                     shape.rank(), d.size);
    }
    if (d.size >= 0) {
      shape.push_back(d.size);
    } else if (d.symbol.empty()) {
      shape.push_back(draft.symbols.fresh(fmt::format("{}_d{}", input, shape.rank())));
    } else if (symbol_name(d.symbol) == d.symbol) {
      shape.push_back(draft.symbols.named(d.symbol));
    } else {
      Result<Dim> parsed = Dim::parse(d.symbol);
      if (!parsed.ok()) {
        return std::move(parsed).status().at(
            fmt::format("input '{}': dimension {}", printable(input), shape.rank()));
      }
      shape.push_back(*std::move(parsed));
    }
  }
  if (Status s = check_size(shape); !s.ok()) {
    return std::move(s).at(fmt::format("input '{}'", printable(input)));
  }
  return shape;
}

void NetworkState::constant_changed(int v) {
  const std::vector<int>& readers = draft.value(v).readers;
  for (int n : draft.order()) {
    if (std::find(readers.begin(), readers.end(), n) == readers.end()) continue;
    inference.forget_from(n);
    return;
  }
}

}  // namespace lathe
