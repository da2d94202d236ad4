// SPDX-License-Identifier: MIT
// What of the host's root a container sees: configs/host-root.json, looked up on this host. Reads
// only. Inside rootfs/ only.
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rootfs/mountinfo.h"
#include "rootfs/root.h"

namespace rootfs {

/// A path of the host with its real name (no link in it).
struct HostPath {
  std::string path;
  mode_t mode = 0;  // 0: there is nothing of that name now
  uid_t uid = 0;
  gid_t gid = 0;
};

/// The real names behind the paths of a tree, with links resolved once and kept. A file that is
/// hidden under one name must not be readable under another, so all work is done on real names.
class RealPaths {
 public:
  /// Below ABSENT (mount points of network file systems and the like) nothing is ever looked at: it
  /// might hang.
  explicit RealPaths(std::vector<std::string> absent) : absent_(std::move(absent)) {}

  /// The directory PATH ("" is /), or nothing where there is none.
  std::optional<HostPath> directory(const std::string& path, int links = 0);

  /// What lies at PATH, the last name not followed. Nothing where its directory is not there
  /// either; mode 0 where only the name is not there.
  std::optional<HostPath> entry(const std::string& path);

  [[nodiscard]] bool is_absent(const std::string& path) const;

 private:
  std::vector<std::string> absent_;
  std::map<std::string, std::optional<HostPath>> known_;
};

/// The view, all names real.
struct HostView {
  std::vector<HostPath> visible;      // top-level directories, and links such as /bin
  std::vector<HostPath> hidden;       // files (mode 0 too): absent. Directories: empty.
  std::vector<HostPath> empty_trees;  // each followed by its directories, parents first
  std::vector<HostPath>
      separate_mounts;             // local file systems below visible directories, parents first
  std::vector<std::string> notes;  // lines for the user
};

/// The view of this host by CONFIGURATION; PATHS is filled on the way. /proc/self/mountinfo is
/// read.
HostView look_at_host(const HostRoot& configuration, std::optional<RealPaths>& paths);

/// The paths that PATTERN (absolute; fnmatch(3) wildcards in names) means, as far as they exist; a
/// pattern without wildcards means itself.
std::vector<std::string> expand(const std::string& pattern, RealPaths& paths);

}  // namespace rootfs
