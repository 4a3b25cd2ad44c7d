// SPDX-License-Identifier: Apache-2.0
#include "base/denormals.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

namespace lathe {
namespace {

#ifdef __SSE2__
constexpr unsigned kFlush = 0x8040;  // MXCSR: flush to zero, denormals are zero

unsigned mode() { return _mm_getcsr() & kFlush; }
void set_mode(unsigned bits) { _mm_setcsr((_mm_getcsr() & ~kFlush) | bits); }
#else
constexpr unsigned kFlush = 1;

unsigned mode() { return 0; }
void set_mode(unsigned) {}
#endif

}  // namespace

Denormals::Denormals(bool flush) : before_(mode()) {
  if (const unsigned wanted = flush ? kFlush : 0; wanted != before_) set_mode(wanted);
}

Denormals::~Denormals() {
  if (mode() != before_) set_mode(before_);
}

bool Denormals::flushed() { return mode() == kFlush; }

}  // namespace lathe
