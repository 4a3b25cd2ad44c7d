// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>

namespace lathe {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
std::string text_of(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class File : public testing::Test {
 protected:
  File() : folder_(fs::path(testing::TempDir()) / fmt::format("lathe_file_{}", getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "models" / "deep");
    put("models/weights.bin", "weights");
    put("models/deep/more.bin", "more");
    put("secret.txt", "secret");
  }
  ~File() override { fs::remove_all(folder_); }

  std::string at(const std::string& relative) const { return (folder_ / relative).string(); }
  void put(const std::string& relative, const std::string& text) const {
    std::ofstream(at(relative)) << text;
  }
  size_t entries(const std::string& relative) const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(at(relative)), {}));
  }

  fs::path folder_;
};

TEST_F(File, IsReadWholeOrNotAtAll) {
  EXPECT_EQ(text_of(*read_file(at("secret.txt"), 6)), "secret");
  Status s = read_file(at("secret.txt"), 5).status();
  EXPECT_EQ(s.message(), at("secret.txt") + ": has 6 bytes; at most 5 are read");
  Status missing = read_file(at("missing"), 5).status();
  EXPECT_EQ(missing.code(), Code::NotFound);
  EXPECT_EQ(missing.message(), at("missing") + ": cannot open: No such file or directory");
}

TEST_F(File, IsMappedAndSurvivesReleasedPagesAndDeletion) {
  std::string text(100000, 'x');
  text[99999] = 'y';
  put("large", text);
  auto mapped = std::make_shared<MappedFile>(*map_file(at("large")));
  fs::remove(at("large"));
  EXPECT_EQ(text_of(mapped->bytes()), text);
  mapped->release_pages(mapped->bytes());
  mapped->release_pages(mapped->bytes().subspan(5000, 10));
  mapped->release_pages({});
  EXPECT_EQ(text_of(mapped->bytes()), text);
}

TEST_F(File, EmptyFilesAreFine) {
  put("empty", "");
  EXPECT_EQ(map_file(at("empty"))->bytes().size(), 0u);
  EXPECT_EQ(read_file(at("empty"), 0)->size(), 0u);
}

TEST_F(File, PipesFoldersAndDevicesAreRefusedWithoutWaiting) {
  ASSERT_EQ(mkfifo(at("models/pipe").c_str(), 0600), 0);
  EXPECT_EQ(map_file(at("models/pipe")).status().message(),
            at("models/pipe") + ": is not a regular file");
  EXPECT_FALSE(map_file("/dev/zero").ok());
  EXPECT_FALSE(read_file("/dev/zero", 10).ok());
  EXPECT_EQ(read_file(at("models"), 10).status().message(),
            at("models") + ": is a folder, not a file");
  EXPECT_FALSE(FolderFd::open(at("models"))->map_file("pipe").ok());
}

TEST_F(File, IsReplacedWholeAndLeavesNothingBeside) {
  ASSERT_TRUE(write_file_atomically(at("models/weights.bin"), bytes_of("new")).ok());
  EXPECT_EQ(text_of(*read_file(at("models/weights.bin"), 99)), "new");
  ASSERT_TRUE(write_file_atomically(at("models/fresh"), bytes_of("")).ok());
  EXPECT_EQ(entries("models"), 3u);
}

TEST_F(File, WritingThroughALinkReplacesItsTarget) {
  fs::create_symlink("secret.txt", at("link"));
  ASSERT_TRUE(write_file_atomically(at("link"), bytes_of("changed")).ok());
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_EQ(text_of(*read_file(at("secret.txt"), 99)), "changed");
}

TEST_F(File, AFullDiskLeavesTheOldFileAndNothingBeside) {
  auto old_action = signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit, small;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  small = old_limit;
  small.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string large(100000, 'x');
  Status s = write_file_atomically(at("models/weights.bin"), bytes_of(large));
  setrlimit(RLIMIT_FSIZE, &old_limit);
  signal(SIGXFSZ, old_action);
  EXPECT_EQ(s.code(), Code::DeviceLost);
  EXPECT_EQ(s.message(), at("models/weights.bin") + ": cannot write: File too large");
  EXPECT_EQ(text_of(*read_file(at("models/weights.bin"), 99)), "weights");
  EXPECT_EQ(entries("models"), 2u);
}

// The child dies by the signal in the middle of a write, as under kill or Ctrl-C.
TEST_F(File, AWriterThatIsKilledLeavesTheOldFileAndNothingBeside) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_DFL);
    const rlimit small = {4096, 4096}, no_core = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)setrlimit(RLIMIT_FSIZE, &small);
    const std::string large(100000, 'x');
    _exit(write_file_atomically(at("models/weights.bin"), bytes_of(large)).ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(text_of(*read_file(at("models/weights.bin"), 99)), "weights");
  EXPECT_EQ(entries("models"), 2u);
}

TEST_F(File, DevicesAreWrittenToAndNotReplaced) {
  EXPECT_TRUE(write_file_atomically("/dev/null", bytes_of("gone")).ok());
  Status full = write_file_atomically("/dev/full", bytes_of("gone"));
  EXPECT_EQ(full.code(), Code::DeviceLost);
  EXPECT_EQ(full.message(), "/dev/full: cannot write: No space left on device");
  struct stat info;
  ASSERT_EQ(stat("/dev/null", &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
}

TEST_F(File, AFolderThatCannotBeWrittenIsNamed) {
  EXPECT_EQ(write_file_atomically(at("nowhere/f"), bytes_of("x")).message(),
            at("nowhere/f") + ": cannot write: No such file or directory");
  EXPECT_EQ(write_file_atomically(at("models"), bytes_of("x")).message(),
            at("models") + ": is a folder, not a file");
  // /proc is read-only for root, too.
  EXPECT_FALSE(write_file_atomically("/proc/lathe", bytes_of("x")).ok());
}

TEST_F(File, FolderOpensWhatLiesBeneath) {
  FolderFd folder = *FolderFd::open(at("models"));
  EXPECT_EQ(text_of(folder.map_file("weights.bin")->bytes()), "weights");
  EXPECT_EQ(text_of(*folder.read_file("./deep//more.bin", 99)), "more");
  EXPECT_EQ(*folder.file_size("deep/more.bin"), 4);
  fs::create_symlink("deep/more.bin", at("models/inside"));
  EXPECT_EQ(text_of(*folder.read_file("inside", 99)), "more");
  // The folder is the one that was opened, whatever happens to its name.
  fs::rename(at("models"), at("renamed"));
  EXPECT_TRUE(folder.map_file("weights.bin").ok());
}

TEST_F(File, FolderRefusesWhatLiesOutside) {
  FolderFd folder = *FolderFd::open(at("models"));
  fs::create_symlink("../secret.txt", at("models/out"));
  fs::create_symlink("/etc", at("models/etc"));
  fs::create_symlink("..", at("models/up"));
  for (const char* path : {"../secret.txt", "deep/../../secret.txt", "/etc/passwd", "", "out",
                           "etc/passwd", "up/secret.txt", "deep", "."}) {
    EXPECT_FALSE(folder.map_file(path).ok()) << path;
  }
  EXPECT_FALSE(folder.map_file(std::string_view("weights.bin\0x", 13)).ok());
  EXPECT_EQ(folder.map_file("missing").status().code(), Code::NotFound);
  EXPECT_EQ(FolderFd::open(at("secret.txt")).status().code(), Code::NotFound);
}

TEST_F(File, OldKernelsFollowNoLinksAtAll) {
  fs::create_symlink("weights.bin", at("models/link"));
  fs::create_symlink("deep", at("models/folder_link"));
  Fd folder(open(at("models").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(open_beneath_by_components(folder.get(), "deep//./more.bin").valid());
  EXPECT_FALSE(open_beneath_by_components(folder.get(), "link").valid());
  EXPECT_EQ(errno, ELOOP);
  EXPECT_FALSE(open_beneath_by_components(folder.get(), "folder_link/more.bin").valid());
  EXPECT_FALSE(open_beneath_by_components(folder.get(), "weights.bin/x").valid());
}

}  // namespace
}  // namespace lathe
