// SPDX-License-Identifier: MIT
// -u USER[:GROUP], looked up in the container's own /etc/passwd and /etc/group by our own parser:
// getpwnam(3) would load code from the container's root.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace rootfs {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary; without the primary one
  std::string home = "/";
};

/// SPEC as docker-run(1): "name", "uid", "name:group", "uid:gid"; empty: root with its home and
/// groups of the container's files. Digits are always a number, 0..2^32-2, the whole string. Throws
/// Error that names what is missing and where. Needs: to be called inside the container's root,
/// before privileges are dropped.
User find_user(std::string_view spec);

/// The same on the texts of a passwd(5) and a group(5) file. Reads no further than the answer
/// needs; a broken line on the way is an Error, never a guess.
User find_user(std::string_view spec, std::string_view passwd, std::string_view group);

}  // namespace rootfs
