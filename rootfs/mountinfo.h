// SPDX-License-Identifier: MIT
// What is mounted on the host, and what of it a container may see. Inside rootfs/ only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rootfs {

/// One line of /proc/self/mountinfo, proc_pid_mountinfo(5).
struct MountPoint {
  std::string path;
  std::string type;  // "ext4", "fuse.sshfs"
};

/// The lines of TEXT, in its order; a line that is none is left out.
std::vector<MountPoint> parse_mountinfo(std::string_view text);

enum class MountKind {
  Local,   // a disk's or memory's file system: an overlay of its own shows it
  Pseudo,  // a window of the kernel (proc, cgroup, ...): absent, nobody misses it
  Remote,  // network, FUSE, autofs, unknown: absent, since looking may hang; the user is told
};
MountKind kind_of(std::string_view type);

/// PATH is DIRECTORY or below it.
bool is_below(std::string_view path, std::string_view directory);

}  // namespace rootfs
