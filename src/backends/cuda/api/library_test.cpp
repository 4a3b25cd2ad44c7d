// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/api/library.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace lathe::cuda {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOverride = "LATHE_TEST_LIBRARY";

LibraryQuery query(std::vector<const char*> names) {
  return {"the test library", kOverride, std::move(names), "install it"};
}

// A folder and the variables that point at it, gone at the end of the test.
class LibraryTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::path pattern = fs::temp_directory_path() / "lathe_library_XXXXXX";
    std::string name = pattern.string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    unsetenv(kOverride);
    unsetenv("LATHE_CUDA_PATH");
  }
  void TearDown() override {
    unsetenv(kOverride);
    unsetenv("LATHE_CUDA_PATH");
    fs::remove_all(folder_);
  }
  // Something that dlopen refuses, and says why.
  std::string write_garbage(const std::string& name) {
    std::ofstream(folder_ / name) << std::string(4096, 'x');
    return (folder_ / name).string();
  }

  fs::path folder_;
};

TEST_F(LibraryTest, AnAbsentOneNamesAllThatWasTriedAndTheCure) {
  Result<Library> library = Library::open(query({"libnever.so.2", "libnever.so.1"}));
  ASSERT_FALSE(library.ok());
  EXPECT_EQ(library.status().code(), Code::NotFound);
  EXPECT_EQ(library.status().message(),
            "the test library is not available: could not open libnever.so.2, libnever.so.1: "
            "no such file");
  EXPECT_EQ(library.status().cure(), "install it");
}

TEST_F(LibraryTest, TheOverrideIsTheOnlyFileTried) {
  setenv(kOverride, "/nowhere/lib.so", 1);
  Result<Library> library = Library::open(query({"libm.so.6"}));
  ASSERT_FALSE(library.ok());
  EXPECT_EQ(library.status().message(),
            "the test library is not available: could not open /nowhere/lib.so (from "
            "LATHE_TEST_LIBRARY): no such file");
}

TEST_F(LibraryTest, ABrokenFileSaysWhatIsWrongWithIt) {
  setenv(kOverride, write_garbage("libbroken.so").c_str(), 1);
  Result<Library> library = Library::open(query({"libm.so.6"}));
  ASSERT_FALSE(library.ok());
  EXPECT_NE(library.status().message().find("invalid ELF header"), std::string::npos)
      << library.status().message();
}

TEST_F(LibraryTest, ABrokenFileInANamedFolderDoesNotHideTheNextPlace) {
  write_garbage("libm.so.6");
  setenv("LATHE_CUDA_PATH", folder_.c_str(), 1);
  Result<Library> library = Library::open(query({"libm.so.6"}));
  ASSERT_TRUE(library.ok()) << library.status().message();
  EXPECT_EQ(library->path(), "libm.so.6");
}

TEST_F(LibraryTest, EveryNamedFolderAndItsLibAreSearchedBeforeTheLoader) {
  Result<Library> system = Library::open(query({"libm.so.6"}));
  ASSERT_TRUE(system.ok());
  // Any real library will do: this process has libm's path in its map.
  std::string real;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/libm.so.6") != std::string::npos) real = line.substr(line.find('/'));
  }
  ASSERT_FALSE(real.empty());
  fs::create_directory(folder_ / "lib");
  fs::create_symlink(real, folder_ / "lib" / "libm.so.6");
  setenv("LATHE_CUDA_PATH", ("/nowhere::" + folder_.string()).c_str(), 1);

  Result<Library> library = Library::open(query({"libm.so.6"}));
  ASSERT_TRUE(library.ok()) << library.status().message();
  EXPECT_EQ(library->path(), (folder_ / "lib" / "libm.so.6").string());
}

TEST_F(LibraryTest, TheFirstMissingFunctionIsNamed) {
  Result<Library> library = Library::open(query({"libm.so.6"}));
  ASSERT_TRUE(library.ok());
  double (*cosine)(double) = nullptr;
  void (*absent)() = nullptr;
  library->find("cos", cosine);
  ASSERT_NE(cosine, nullptr);
  EXPECT_EQ(cosine(0), 1);
  EXPECT_TRUE(library->complete("libm 2").ok());
  library->find("lathe_absent", absent);
  library->find("lathe_also_absent", absent);
  EXPECT_EQ(absent, nullptr);
  EXPECT_EQ(library->complete("libm 2").code(), Code::Unsupported);
  EXPECT_EQ(library->complete("libm 2").message(),
            "libm.so.6 has no function lathe_absent: expected libm 2");
}

}  // namespace
}  // namespace lathe::cuda
