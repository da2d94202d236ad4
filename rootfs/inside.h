// SPDX-License-Identifier: MIT
// Paths inside the container's root, looked up as the container would: openat2(2) with
// RESOLVE_IN_ROOT, so that no link leads out of it, and used by descriptor. Inside rootfs/ only.
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace rootfs {

/// The directory PATH below ROOT; what is missing of it is made (root's, 0755). Throws Error.
base::UniqueFd directory_inside(int root, const std::string& path);

/// The file PATH below ROOT, whatever its type; where it is missing, an empty regular one is made.
/// The descriptor is O_PATH. Throws Error.
base::UniqueFd file_inside(int root, const std::string& path);

/// /proc, /sys or /dev: the real directory NAME of ROOT, made where missing. Throws Error where it
/// is a link: no image has a reason for that (CVE-2019-19921 and its kin).
base::UniqueFd system_directory(int root, const char* name);

/// openat2(2) with O_CLOEXEC and RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | EXTRA; errno as it says.
base::UniqueFd open_inside(int root, const std::string& path, int flags, unsigned extra = 0,
                           unsigned mode = 0);

}  // namespace rootfs
