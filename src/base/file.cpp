// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include "base/math.h"

namespace lathe {
namespace {

// O_NONBLOCK: opening a pipe that nobody writes to must not hang.
constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

Code code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR: return Code::NotFound;
    case ENOMEM: return Code::OutOfMemory;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
    case EMFILE:
    case ENFILE: return Code::DeviceLost;
    default: return Code::InvalidInput;
  }
}

Status file_error(std::string_view path, std::string_view action, int error) {
  return Status(code_of(error), fmt::format("{}: cannot {}: {}", path, action,
                                            std::generic_category().message(error)));
}

// Size of an open regular file.
Result<int64_t> regular_size(const Fd& fd, std::string_view path) {
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return file_error(path, "examine", errno);
  if (S_ISDIR(info.st_mode)) return invalid("{}: is a folder, not a file", path);
  if (!S_ISREG(info.st_mode)) return invalid("{}: is not a regular file", path);
  return int64_t{info.st_size};
}

Result<MappedFile> map_open_file(const Fd& fd, std::string_view path) {
  auto size = static_cast<size_t>(LATHE_TRY(regular_size(fd, path)));
  if (size == 0) return MappedFile();
  void* p = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (p == MAP_FAILED) return file_error(path, "map", errno);
  return MappedFile(static_cast<const std::byte*>(p), size);
}

Result<std::vector<std::byte>> read_open_file(const Fd& fd, std::string_view path,
                                              int64_t max_bytes) {
  int64_t size = LATHE_TRY(regular_size(fd, path));
  if (size > max_bytes) {
    return invalid("{}: has {} bytes; at most {} are read", path, size, max_bytes);
  }
  std::vector<std::byte> bytes(static_cast<size_t>(size));
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(path, "read", errno);
    if (n == 0) return invalid("{}: became shorter while it was read", path);
    done += static_cast<size_t>(n);
  }
  return bytes;
}

Result<Fd> open_for_reading(const std::string& path) {
  Fd fd(open(path.c_str(), kReadFlags));
  if (!fd.valid()) return file_error(path, "open", errno);
  return fd;
}

// 0 or an errno.
int write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // Linux writes less than 2 GiB at a time.
    ssize_t n = write(fd, bytes.data(), std::min<size_t>(bytes.size(), size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return 0;
}

// A file beside the target, gone at the end unless it was renamed. Without a name until then where
// the file system can do that: a process that is killed leaves nothing.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& target)
      : target_(target),
        fd_(::open(folder_of(target).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666)) {
    const bool nameable = access("/proc/self/fd", X_OK) == 0;
    if (fd_.valid() && nameable) return;
    fd_ = Fd();
    error_ = with_name([&] {
      fd_ = Fd(::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      return fd_.valid();
    });
  }
  ~TemporaryFile() {
    if (fd_.valid() && !name_.empty() && !renamed_) unlink(name_.c_str());
  }
  int error() const { return error_; }
  int fill(std::span<const std::byte> bytes) {
    if (int e = write_all(fd_.get(), bytes); e != 0) return e;
    return fsync(fd_.get()) == 0 ? 0 : errno;
  }
  int rename_to_target() {
    if (name_.empty()) {
      const std::string open_file = fmt::format("/proc/self/fd/{}", fd_.get());
      const int e = with_name([&] {
        return linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, name_.c_str(), AT_SYMLINK_FOLLOW) == 0;
      });
      if (e != 0) return name_.clear(), e;
    }
    if (rename(name_.c_str(), target_.c_str()) != 0) return errno;
    renamed_ = true;
    return 0;
  }

 private:
  // Calls f with names that nobody took, until it says true. 0 or an errno.
  template <class F>
  int with_name(F f) {
    static std::atomic<unsigned> counter = 0;
    for (int attempt = 0; attempt < 100; ++attempt) {
      name_ = fmt::format("{}.tmp-{}-{}", target_, getpid(), counter.fetch_add(1));
      if (f()) return 0;
      if (errno != EEXIST) break;
    }
    return errno;
  }

  std::string target_, name_;
  Fd fd_;
  int error_ = 0;
  bool renamed_ = false;
};

Status write_directly(const std::string& path, std::span<const std::byte> bytes) {
  // A pipe that nobody reads must not hang; one that somebody reads may be slow.
  Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return file_error(path, "open for writing", errno);
  if (fcntl(fd.get(), F_SETFL, O_WRONLY) != 0) return file_error(path, "open for writing", errno);
  if (int e = write_all(fd.get(), bytes); e != 0) return file_error(path, "write", e);
  return {};
}

// Where a link that exists leads, so that renaming replaces the file and not the link.
std::string behind_links(const std::string& path) {
  std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), free);
  return real ? std::string(real.get()) : path;
}

}  // namespace

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release_pages(std::span<const std::byte> part) const {
  constexpr uintptr_t kLargestPiece = uintptr_t{2} << 20;
  const auto map = reinterpret_cast<uintptr_t>(data_);  // at the beginning of a page
  const auto from = reinterpret_cast<uintptr_t>(part.data());
  if (part.empty() || from < map || from >= map + size_) return;
  const uintptr_t begin = (from - map) / kLargestPiece * kLargestPiece;
  const uintptr_t end =
      std::min(round_up(from - map + part.size(), kLargestPiece), uintptr_t{size_});
  // The file's last page belongs to nobody else: the call takes it whole.
  (void)madvise(reinterpret_cast<void*>(map + begin), end - begin, MADV_DONTNEED);
}

Result<MappedFile> map_file(const std::string& path) {
  Fd fd = LATHE_TRY(open_for_reading(path));
  return map_open_file(fd, path);
}

Result<std::vector<std::byte>> read_file(const std::string& path, int64_t max_bytes) {
  Fd fd = LATHE_TRY(open_for_reading(path));
  return read_open_file(fd, path, max_bytes);
}

Status write_file_atomically(const std::string& path, std::span<const std::byte> bytes) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return invalid("{}: is a folder, not a file", path);
    if (!S_ISREG(info.st_mode)) return write_directly(path, bytes);
  }
  std::string target = behind_links(path);
  TemporaryFile beside(target);
  if (beside.error() != 0) return file_error(path, "write", beside.error());
  if (int e = beside.fill(bytes); e != 0) return file_error(path, "write", e);
  if (int e = beside.rename_to_target(); e != 0) return file_error(path, "write", e);
  // The renaming itself reaches the disk with the folder; some file systems cannot be asked.
  Fd folder(open(folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.valid()) fsync(folder.get());
  return {};
}

Status make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  return error ? file_error(path, "make the folder", error.value()) : Status();
}

Result<FolderFd> FolderFd::open(const std::string& path) {
  FolderFd folder;
  folder.path_ = path.empty() ? "." : path;
  folder.fd_ = Fd(::open(folder.path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.fd_.valid()) return file_error(folder.path_, "open the folder", errno);
  return folder;
}

std::string FolderFd::name_of(std::string_view relative) const {
  return fmt::format("{}/{}", path_, relative);
}

Fd open_beneath_by_components(int folder, const std::string& relative) {
  Fd at(fcntl(folder, F_DUPFD_CLOEXEC, 0));
  size_t begin = 0;
  while (at.valid() && begin <= relative.size()) {
    size_t end = std::min(relative.find('/', begin), relative.size());
    std::string name = relative.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty() || name == ".") continue;
    bool last = end == relative.size();
    Fd next(openat(at.get(), name.c_str(), kReadFlags | O_NOFOLLOW | (last ? 0 : O_DIRECTORY)));
    at = std::move(next);
  }
  return at;
}

namespace {

// Links are followed as long as they stay beneath the folder.
Fd open_beneath(int folder, const std::string& relative) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(kReadFlags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  Fd fd(static_cast<int>(syscall(SYS_openat2, folder, relative.c_str(), &how, sizeof how)));
  // Old kernels lack the call, and some sandboxes forbid it.
  if (fd.valid() || (errno != ENOSYS && errno != EPERM)) return fd;
  return open_beneath_by_components(folder, relative);
}

bool climbs(std::string_view relative) {
  if (relative.empty() || relative[0] == '/') return true;
  while (!relative.empty()) {
    size_t end = std::min(relative.find('/'), relative.size());
    if (relative.substr(0, end) == "..") return true;
    relative.remove_prefix(std::min(end + 1, relative.size()));
  }
  return false;
}

}  // namespace

Result<Fd> FolderFd::open_file(std::string_view relative) const {
  if (climbs(relative) || relative.find('\0') != relative.npos) {
    return invalid("'{}': must be a path inside the folder '{}'", relative.substr(0, 200), path_);
  }
  Fd fd = open_beneath(fd_.get(), std::string(relative));
  if (fd.valid()) return fd;
  if (errno == EXDEV || errno == ELOOP) {
    return invalid("{}: is a link that leads out of the folder", name_of(relative));
  }
  return file_error(name_of(relative), "open", errno);
}

Result<MappedFile> FolderFd::map_file(std::string_view relative) const {
  Fd fd = LATHE_TRY(open_file(relative));
  return map_open_file(fd, name_of(relative));
}

Result<std::vector<std::byte>> FolderFd::read_file(std::string_view relative,
                                                   int64_t max_bytes) const {
  Fd fd = LATHE_TRY(open_file(relative));
  return read_open_file(fd, name_of(relative), max_bytes);
}

Result<int64_t> FolderFd::file_size(std::string_view relative) const {
  Fd fd = LATHE_TRY(open_file(relative));
  return regular_size(fd, name_of(relative));
}

}  // namespace lathe
