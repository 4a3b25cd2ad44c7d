// SPDX-License-Identifier: Apache-2.0
#include "onnx/external_data.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "onnx/onnx.pb.h"
#include "onnx/tensor_proto.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;

class ExternalDataTest : public testing::Test {
 protected:
  ExternalDataTest() {
    folder_ = fs::temp_directory_path() / ("lathe_external_" + std::to_string(getpid()));
    fs::create_directories(folder_ / "model" / "sub");
    write("model/w.bin");
    write("model/sub/w.bin");
    write("secret.bin");
    fs::create_symlink("../secret.bin", folder_ / "model" / "link.bin");
  }
  ~ExternalDataTest() override { fs::remove_all(folder_); }

  void write(const std::string& name) {
    const float values[4] = {1, 2, 3, 4};
    std::ofstream(folder_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(values), sizeof values);
  }
  Result<HostTensor> read(const std::string& location, const std::string& offset = "",
                          const std::string& length = "") {
    lathe_onnx::TensorProto p;
    p.set_data_type(1);
    p.add_dims(2);
    p.set_data_location(1);
    const auto add = [&](const char* key, const std::string& value) {
      auto* e = p.add_external_data();
      e->set_key(key);
      e->set_value(value);
    };
    add("location", location);
    if (!offset.empty()) add("offset", offset);
    if (!length.empty()) add("length", length);
    ExternalData data = *ExternalData::beneath((folder_ / "model").string());
    return copy_tensor_proto(p, &data);
  }

  fs::path folder_;
};

TEST_F(ExternalDataTest, ReadsAPartOfAFileBeneathTheFolder) {
  EXPECT_EQ(read("w.bin", "8", "8")->to_f64(), (std::vector<double>{3, 4}));
  EXPECT_TRUE(read("sub/w.bin").ok());
}

TEST_F(ExternalDataTest, NothingOutsideTheFolderIsReached) {
  for (const char* location : {"../secret.bin", "sub/../../secret.bin", "link.bin", "/etc/passwd",
                               "", "sub", "absent.bin"}) {
    EXPECT_FALSE(read(location).ok()) << location;
  }
  EXPECT_FALSE(read((folder_ / "secret.bin").string()).ok());
}

TEST_F(ExternalDataTest, RangesOutsideTheFileAreRefused) {
  EXPECT_FALSE(read("w.bin", "12").ok());
  EXPECT_FALSE(read("w.bin", "-8").ok());
  EXPECT_FALSE(read("w.bin", "0x8").ok());
  EXPECT_FALSE(read("w.bin", "18446744073709551608").ok());
  EXPECT_FALSE(read("w.bin", "0", "4").ok());
}

}  // namespace
}  // namespace lathe
