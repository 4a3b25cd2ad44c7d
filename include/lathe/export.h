// SPDX-License-Identifier: Apache-2.0
#pragma once
// Marks what the shared libraries show.
#define LATHE_API __attribute__((visibility("default")))
