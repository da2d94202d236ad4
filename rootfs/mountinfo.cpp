// SPDX-License-Identifier: MIT
// Reads /proc/self/mountinfo, and sorts file systems by whether an overlay may show them.
#include "rootfs/mountinfo.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace rootfs {

namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes blanks, tabs, newlines and backslashes as \040 and so on.
std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      out +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Cuts the next blank-separated word off LINE.
std::string_view next_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

}  // namespace

std::vector<MountPoint> parse_mountinfo(std::string_view text) {
  std::vector<MountPoint> mounts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    for (int skipped = 0; skipped < 4; ++skipped) next_word(line);
    const std::string_view path = next_word(line);
    const std::size_t dash = line.find("- ");  // the optional fields before it hold no "- "
    if (path.empty() || path.front() != '/' || dash == std::string_view::npos) continue;
    line.remove_prefix(dash + 2);
    mounts.push_back({unescape(path), unescape(next_word(line))});
  }
  return mounts;
}

MountKind kind_of(std::string_view type) {
  static constexpr std::array<std::string_view, 21> Local = {
      "ext4",  "xfs",   "btrfs",    "tmpfs", "overlay", "zfs",     "f2fs",
      "ext2",  "ext3",  "bcachefs", "jfs",   "nilfs2",  "iso9660", "squashfs",
      "erofs", "ramfs", "udf",      "exfat", "vfat",    "ntfs3",   "reiserfs"};
  static constexpr std::array<std::string_view, 21> Pseudo = {
      "proc",    "sysfs",    "devtmpfs",    "devpts",    "cgroup",     "cgroup2",   "debugfs",
      "tracefs", "mqueue",   "securityfs",  "pstore",    "bpf",        "hugetlbfs", "configfs",
      "fusectl", "efivarfs", "binfmt_misc", "selinuxfs", "rpc_pipefs", "nsfs",      "nfsd"};
  if (std::ranges::find(Local, type) != Local.end()) return MountKind::Local;
  if (std::ranges::find(Pseudo, type) != Pseudo.end()) return MountKind::Pseudo;
  return MountKind::Remote;
}

bool is_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace rootfs
