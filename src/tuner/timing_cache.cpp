// SPDX-License-Identifier: Apache-2.0
// File: a first line that names the format, then one entry a line, tab separated:
// seconds max_error bound_used elements rejected key. Floats print exactly.
#include "tuner/timing_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/file.h"
#include "base/status.h"

namespace lathe {
namespace {

constexpr std::string_view kHeader = "lathe timing cache 1";
constexpr size_t kMaxBytes = size_t{1} << 30;
using Entries = std::map<std::string, Timing, std::less<>>;

std::string clean(std::string text) {
  for (char& c : text) {
    if (c == '\t' || c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

// Of two entries of one key the first word stands. Whether it was checked since, it may not say.
bool add_check(Timing& entry, const Timing& later) {
  if (entry.is_checked() || !later.is_checked()) return false;
  const double seconds = entry.seconds;
  entry = later;
  entry.seconds = seconds;
  return true;
}

template <class T>
bool take(std::string_view& line, T& value) {
  const size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return false;
  const char* end = line.data() + tab;
  const auto r = std::from_chars(line.data(), end, value);
  line.remove_prefix(tab + 1);
  return r.ec == std::errc() && r.ptr == end;
}

Result<Entries> parse(std::string_view text, const std::string& path) {
  Entries entries;
  size_t number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return invalid("{}: line {} is cut off", path, number);
    }
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1) {
      if (line != kHeader)
        return invalid("{}: no timing cache: it begins '{}', expected '{}'", path,
                       line.substr(0, 40), kHeader);
      continue;
    }
    Timing t;
    // Written this way, a comparison with NaN refuses, too.
    if (!take(line, t.seconds) || !(t.seconds >= 0 && t.seconds < 1e9) ||
        !take(line, t.max_error) || !take(line, t.bound_used) || !take(line, t.elements)) {
      return invalid("{}: line {} is damaged", path, number);
    }
    const size_t tab = line.find('\t');
    if (tab == std::string_view::npos) return invalid("{}: line {} is damaged", path, number);
    t.rejected = line.substr(0, tab);
    entries.insert_or_assign(std::string(line.substr(tab + 1)), std::move(t));
  }
  return entries;
}

Result<Entries> read(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return Entries{};
  const std::vector<std::byte> bytes = LATHE_TRY(read_file(path, kMaxBytes));
  if (bytes.empty()) return Entries{};
  Result<Entries> entries =
      parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
  if (entries.ok()) return entries;
  return std::move(entries).status().with_cure("delete the file: it is only a cache");
}

// An exclusive lock beside the file, released with the object.
class FileLock {
 public:
  explicit FileLock(const std::string& path)
      : fd_(::open((path + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    if (fd_ >= 0) (void)::flock(fd_, LOCK_EX);
  }
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileLock(const FileLock&) = delete;

 private:
  int fd_;
};

}  // namespace

Result<TimingCache> TimingCache::open(std::string path) {
  TimingCache cache;
  cache.entries_ = LATHE_TRY(read(path));
  cache.path_ = std::move(path);
  return cache;
}

const Timing* TimingCache::find(std::string_view key) const {
  auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : &it->second;
}

const Timing& TimingCache::put(std::string key, Timing timing) {
  timing.rejected = clean(std::move(timing.rejected));
  const auto [entry, fresh] = entries_.try_emplace(clean(std::move(key)), timing);
  if (fresh || add_check(entry->second, timing)) dirty_ = true;
  return entry->second;
}

Status TimingCache::save() {
  if (path_.empty() || !dirty_) return {};
  FileLock lock(path_);
  Entries merged = LATHE_TRY(read(path_));
  for (const auto& [key, t] : entries_) {
    const auto [entry, fresh] = merged.try_emplace(key, t);
    if (!fresh) add_check(entry->second, t);
  }
  std::string text(kHeader);
  text += '\n';
  for (const auto& [key, t] : merged) {
    text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", t.seconds, t.max_error, t.bound_used,
                        t.elements, t.rejected, key);
  }
  LATHE_TRY(
      write_file_atomically(path_, {reinterpret_cast<const std::byte*>(text.data()), text.size()}));
  dirty_ = false;
  return {};
}

}  // namespace lathe
