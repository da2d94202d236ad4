// SPDX-License-Identifier: MIT
// The mount system calls with their errors in words.
#include "rootfs/mount_calls.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace rootfs {

namespace {

// What the file system says about the failure, as fsopen(2)'s descriptor keeps it: lines that begin
// with "e " for an error, "w " for a warning. Empty where it keeps quiet.
std::string kernel_message(int context) {
  std::array<char, 512> buffer{};
  std::string words;
  for (;;) {
    const ssize_t got = ::read(context, buffer.data(), buffer.size());
    if (got <= 2) return words;
    std::string_view line(buffer.data(), static_cast<std::size_t>(got));
    line.remove_prefix(2);
    while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    words += base::cat(words.empty() ? " (" : "; ", base::printable(line));
  }
}

[[noreturn]] void fail(int context, const char* type, std::string_view purpose) {
  const int error = errno;
  std::string words = context < 0 ? std::string() : kernel_message(context);
  if (!words.empty()) words += ')';
  throw base::Error(error, base::cat(purpose, ": mount ", type, words));
}

}  // namespace

base::UniqueFd create_mount(const char* type, std::initializer_list<MountOption> options,
                            unsigned attributes, std::string_view purpose) {
  const base::UniqueFd context(::fsopen(type, FSOPEN_CLOEXEC));
  if (!context.valid() && errno == ENODEV)
    throw base::Error(base::cat(purpose, ": this kernel has no file system \"", type,
                                "\" (see /proc/filesystems; overlay is CONFIG_OVERLAY_FS)"));
  if (!context.valid()) fail(-1, type, purpose);
  // What df(1) shows in its first column.
  if (::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", type, 0) < 0)
    fail(context.get(), type, purpose);
  for (const auto& [key, value] : options) {
    const bool flag = value.empty();
    if (::fsconfig(context.get(), flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key,
                   flag ? nullptr : value.c_str(), 0) < 0)
      fail(context.get(), type, purpose);
  }
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0)
    fail(context.get(), type, purpose);
  base::UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
  if (!mount.valid()) fail(context.get(), type, purpose);
  return mount;
}

base::UniqueFd clone_mount(int dir, const std::string& path, bool recursive,
                           std::string_view purpose) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  if (recursive) flags |= AT_RECURSIVE;
  if (path.empty()) flags |= AT_EMPTY_PATH;
  base::UniqueFd mount(::open_tree(dir, path.c_str(), flags));
  if (!mount.valid()) throw base::Error(errno, purpose);
  return mount;
}

void attach(int mount, int target, std::string_view purpose) {
  base::check(
      ::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
      purpose);
}

void restrict_mount(int mount, unsigned attributes, bool recursive, std::string_view purpose) {
  struct mount_attr change {};
  change.attr_set = attributes;
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  if (::mount_setattr(mount, "", flags, &change, sizeof change) == 0) return;
  if (errno != ENOSYS) throw base::Error(errno, purpose);

  // MS_REMOUNT replaces all flags: those that the mount has must be said again. statvfs(3)'s ST_
  // and mount(2)'s MS_ and MOUNT_ATTR_ have the same values for these four.
  static_assert(MOUNT_ATTR_RDONLY == MS_RDONLY && MOUNT_ATTR_NOSUID == MS_NOSUID &&
                MOUNT_ATTR_NODEV == MS_NODEV && MOUNT_ATTR_NOEXEC == MS_NOEXEC);
  struct statvfs now {};
  base::check(::fstatvfs(mount, &now), purpose);
  const unsigned long kept = now.f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
  const std::string target = base::cat("/proc/self/fd/", mount);
  base::check(
      ::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_BIND | kept | attributes, nullptr),
      purpose);
}

}  // namespace rootfs
