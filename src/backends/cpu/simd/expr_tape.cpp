// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/expr_tape.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/simd/expr_match.h"

namespace lathe::cpu {
namespace {

template <class T>
void fill(std::byte* to, T value) {
  for (size_t k = 0; k < kSplatBytes; k += sizeof(T)) std::memcpy(to + k, &value, sizeof(T));
}

void write_literal(const ExprNode& n, std::byte* to) {
  if (n.dtype == DType::F64) return fill(to, n.value);
  if (is_float(n.dtype)) return fill(to, static_cast<float>(n.value));
  if (register_bytes(n.dtype) == 8) return fill(to, n.integer);
  fill(to, static_cast<int32_t>(n.integer));
}

class TapeBuilder {
 public:
  explicit TapeBuilder(const Expr& expr)
      : expr_(expr), selection_(select_kernels(expr)), slot_(expr.nodes().size(), -1) {}

  Tape run() {
    tape_.inputs = static_cast<int>(expr_.inputs().size());
    tape_.outputs = static_cast<int>(expr_.outputs().size());
    tape_.reads.assign(expr_.inputs().size(), false);
    place_constants();
    choose_output_slots();
    find_last_uses();
    for (size_t i = 0; i < slot_.size(); ++i) {
      if (selection_.needed[i]) emit(static_cast<int>(i));
    }
    finish_outputs();
    return std::move(tape_);
  }

 private:
  static size_t index(int i) { return static_cast<size_t>(i); }
  const ExprNode& node(int i) const { return expr_.nodes()[index(i)]; }

  // Past casts that change nothing in a register.
  int value_of(int i) const {
    const Selected& s = selection_.nodes[index(i)];
    return s.kernels.empty() && !s.args.empty() ? value_of(s.args[0]) : i;
  }

  void place_constants() {
    for (size_t i = 0; i < slot_.size(); ++i) {
      const ExprNode& n = expr_.nodes()[i];
      if (!selection_.needed[i] || n.op != ScalarOp::Literal) continue;
      slot_[i] = tape_.first_constant() + tape_.constants++;
      tape_.constant_data.resize(tape_.constant_data.size() + kSplatBytes);
      write_literal(n, tape_.constant_data.data() + tape_.constant_data.size() - kSplatBytes);
    }
    for (size_t i = 0; i < slot_.size(); ++i) {
      const ExprNode& n = expr_.nodes()[i];
      if (!selection_.needed[i] || n.op != ScalarOp::Input) continue;
      slot_[i] = n.input;
      tape_.reads[index(n.input)] = true;
    }
  }

  void choose_output_slots() {
    for (int k = 0; k < tape_.outputs; ++k) {
      const int v = value_of(expr_.outputs()[index(k)]);
      if (slot_[index(v)] < 0) slot_[index(v)] = tape_.first_output() + k;
      is_output_.push_back(slot_[index(v)] == tape_.first_output() + k);
    }
  }

  void find_last_uses() {
    last_use_.assign(slot_.size(), -1);
    for (size_t i = 0; i < slot_.size(); ++i) {
      if (!selection_.needed[i]) continue;
      for (int a : selection_.nodes[i].args) last_use_[index(value_of(a))] = static_cast<int>(i);
    }
  }

  bool in_buffer(int v) const { return slot_[index(v)] >= tape_.first_buffer(); }

  // Buffers of arguments that nothing reads later; only those of one width may be written in place.
  void release(int i, bool same_width) {
    std::vector<int> done;
    for (int a : selection_.nodes[index(i)].args) {
      const int v = value_of(a);
      const bool match =
          (register_bytes(node(v).dtype) == register_bytes(node(i).dtype)) == same_width;
      if (!in_buffer(v) || last_use_[index(v)] != i || !match) continue;
      if (std::find(done.begin(), done.end(), v) != done.end()) continue;
      done.push_back(v);
      free_.push_back(slot_[index(v)]);
    }
  }

  void emit(int i) {
    const Selected& s = selection_.nodes[index(i)];
    if (s.kernels.empty()) return;
    release(i, true);
    if (slot_[index(i)] < 0) slot_[index(i)] = take_buffer();
    release(i, false);
    TapeStep step{s.kernels[0], {-1, -1, -1}, slot_[index(i)]};
    for (size_t k = 0; k < s.args.size(); ++k) {
      step.args[k] = slot_[index(value_of(s.args[k]))];
    }
    tape_.steps.push_back(step);
    for (size_t k = 1; k < s.kernels.size(); ++k) {
      tape_.steps.push_back({s.kernels[k], {step.out, -1, -1}, step.out});
    }
  }

  int take_buffer() {
    if (free_.empty()) return tape_.first_buffer() + tape_.buffers++;
    const int slot = free_.back();
    free_.pop_back();
    return slot;
  }

  // An output may lie in an input's memory, so it is written directly only when no later step reads
  // any input.
  void finish_outputs() {
    bool passes_input = false;
    for (int k = 0; k < tape_.outputs; ++k) {
      tape_.source.push_back(slot_[index(value_of(expr_.outputs()[index(k)]))]);
      passes_input |= tape_.source.back() < tape_.first_constant();
    }
    int last_read = passes_input ? static_cast<int>(tape_.steps.size()) : -1;
    for (size_t s = 0; !passes_input && s < tape_.steps.size(); ++s) {
      for (int a : tape_.steps[s].args) {
        if (a >= 0 && a < tape_.inputs) last_read = static_cast<int>(s);
      }
    }
    for (int k = 0; k < tape_.outputs; ++k) tape_.direct.push_back(writes_after(k, last_read));
  }
  bool writes_after(int k, int last_read) const {
    if (!is_output_[index(k)]) return false;
    for (size_t s = 0; s < tape_.steps.size(); ++s) {
      if (tape_.steps[s].out == tape_.first_output() + k) return static_cast<int>(s) >= last_read;
    }
    return false;
  }

  const Expr& expr_;
  Selection selection_;
  Tape tape_;
  std::vector<int> slot_;  // by node
  std::vector<int> last_use_;
  std::vector<bool> is_output_;
  std::vector<int> free_;
};

}  // namespace

Tape make_tape(const Expr& expr) { return TapeBuilder(expr).run(); }

}  // namespace lathe::cpu
