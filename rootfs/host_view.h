// SPDX-License-Identifier: MIT
// What of the host's root a container sees: configs/host-root.json, looked up on this host. Reads
// only. Inside rootfs/ only.
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/mountinfo.h"
#include "rootfs/root.h"

namespace rootfs {

/// A path of the host with its real name (no link in it).
struct HostPath {
  std::string path;
  mode_t mode = 0;
  uid_t uid = 0;  // of directories only
  gid_t gid = 0;
};

/// A name in a directory: its type as S_IF*, 0 where the file system does not tell in the listing.
struct Name {
  std::string name;
  mode_t type = 0;
};

/// The names in the directory PATH ("" is /), without "." and ".."; none where it cannot be read.
std::vector<Name> list_directory(const std::string& path);

/// The real names behind the paths of a tree, with links resolved once and kept. A file that is
/// hidden under one name must not be readable under another, so all work is done on real names.
class RealPaths {
 public:
  /// Below ABSENT (mount points of network file systems and the like) nothing is ever looked at: it
  /// might hang.
  explicit RealPaths(std::vector<std::string> absent) : absent_(std::move(absent)) {}

  /// The directory PATH ("" is /), or nothing where there is none.
  std::optional<HostPath> directory(const std::string& path);

  /// What lies at PATH, the last name not followed, or nothing.
  std::optional<HostPath> entry(const std::string& path);

  /// The names in the directory PATH.
  const std::vector<Name>& names(const std::string& path);

  [[nodiscard]] bool is_absent(const std::string& path) const;

 private:
  struct Directory {
    std::optional<HostPath> real;
    std::vector<Name> names;  // sorted, where listed
    bool listed = false;
    int questions = 0;  // how many of its names were asked for
  };
  Directory& find(const std::string& path, int links);
  std::optional<HostPath> entry_of(Directory& parent, const std::string& name) const;
  void resolve(const std::string& path, int links, Directory& result);
  static void list(Directory& directory);

  std::vector<std::string> absent_;
  std::map<std::string, Directory> known_;
  // Patterns of one directory mostly follow each other.
  std::string last_;
  Directory* last_found_ = nullptr;
};

/// The view, all names real.
struct HostView {
  std::vector<HostPath> visible;      // top-level directories, and links such as /bin
  std::vector<HostPath> hidden;       // files (mode 0 too): absent. Directories: empty.
  std::vector<HostPath> empty_trees;  // each followed by its directories, parents first
  std::vector<HostPath> parents;  // the directories that these lie in, but for the top-level ones
  std::vector<HostPath>
      separate_mounts;             // local file systems below visible directories, parents first
  std::vector<std::string> notes;  // lines for the user
};

/// The view of this host by CONFIGURATION. /proc/self/mountinfo is read.
HostView look_at_host(const HostRoot& configuration);

/// NAME matches PATTERN, where * is any text and ? any character.
bool matches(std::string_view pattern, std::string_view name);

/// Adds to FOUND the paths that PATTERN (absolute; wildcards in names) means, as far as
/// they exist; a pattern without wildcards means itself.
void expand(const std::string& pattern, RealPaths& paths, std::vector<std::string>& found);

}  // namespace rootfs
