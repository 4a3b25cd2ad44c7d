// SPDX-License-Identifier: Apache-2.0
#pragma once
// What was measured before: time and error by operation, device, library versions and tactic. What
// is there wins over a new measurement, so a build with a full cache gives the same bytes. Two
// builds may share a file: it is merged under a lock and renamed.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace lathe {

struct Timing {
  static constexpr int64_t kNotChecked = -1;
  double seconds = 0;
  double max_error = 0;  // as in Certificate
  double bound_used = 0;
  int64_t elements = kNotChecked;  // that were compared with the reference
  std::string rejected;            // why it was dropped; empty: fine
  bool is_checked() const { return elements != kNotChecked || !rejected.empty(); }
  friend bool operator==(const Timing&, const Timing&) = default;
};

class TimingCache {
 public:
  // Entries of the file, none when it does not exist; a damaged file is an error that says so.
  static Result<TimingCache> open(std::string path);
  TimingCache() = default;

  // Key: tactic_key() of tuner.cpp, "device|op|tactic@version|config" or "chain|...".
  const Timing* find(std::string_view key) const;
  // What the cache says of the key from now on: what stood there before, else this; the time and
  // what the check said each for itself. Decisions rest on the answer, so that a build that finds
  // it in the file decides the same.
  const Timing& put(std::string key, Timing timing);
  bool dirty() const { return dirty_; }
  // Merges with what the file holds by now (its entries win) and renames into place.
  Status save();

 private:
  std::string path_;  // empty: memory only
  std::map<std::string, Timing, std::less<>> entries_;
  bool dirty_ = false;
};

}  // namespace lathe
