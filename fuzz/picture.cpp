// SPDX-License-Identifier: Apache-2.0
// A picture that the command line is given: PNG or JPEG, or refused.
#include "cli/picture.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lathe;
  const fuzz::MemoryFile file(data, size);
  const Result<cli::Picture> picture = cli::read_picture(file.path());
  fuzz::expect_an_answer(picture.status());
  if (!picture.ok()) return 0;
  const auto pixels = static_cast<size_t>(picture->width) * static_cast<size_t>(picture->height);
  if (picture->width <= 0 || picture->height <= 0 || picture->rgb.size() != 3 * pixels)
    std::abort();
  if (pixels < (1U << 20)) (void)cli::resized(*picture, 31, 17);
  return 0;
}
