// SPDX-License-Identifier: MIT
// The kernel's mount interface by descriptors (Linux 5.2+), as four verbs. Inside rootfs/ only.
//
// A mount that is made by descriptor is first attached to nothing; it is put on a directory that we
// hold open. So no path is looked up twice, and no link can change what is mounted where.
#pragma once

#include <linux/mount.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace rootfs {

/// One mount option; without a value it is a flag ("newinstance").
struct MountOption {
  const char* key;
  std::string value;
};

/// A new file system of TYPE (mount -t TYPE -o OPTIONS), attached to nowhere, with the MOUNT_ATTR_*
/// of ATTRIBUTES. Throws Error naming PURPOSE, with the file system's own words where it has some.
/// fsopen(2), fsconfig(2), fsmount(2).
base::UniqueFd create_mount(const char* type, std::initializer_list<MountOption> options,
                            unsigned attributes, std::string_view purpose);

/// A second mount of what PATH below DIR is (mount --bind), attached to nowhere; RECURSIVE: with
/// all that is mounted below it (--rbind). An empty PATH is DIR itself. open_tree(2). Needs: the
/// path's mount to be in this mount namespace. A descriptor of before clone(CLONE_NEWNS) is not.
base::UniqueFd clone_mount(int dir, const std::string& path, bool recursive,
                           std::string_view purpose);

/// Puts MOUNT on TARGET, a descriptor. move_mount(2). MOUNT then is the mounted root.
void attach(int mount, int target, std::string_view purpose);

/// Adds the MOUNT_ATTR_* of ATTRIBUTES to the mount whose root MOUNT is, and to all below it when
/// RECURSIVE. mount_setattr(2), Linux 5.12+; before that mount(2) with MS_REMOUNT|MS_BIND, which
/// cannot be recursive: what is mounted below keeps the flags that it has on the host.
/// Needs: MOUNT to be attached, the host's /proc at /proc.
void restrict_mount(int mount, unsigned attributes, bool recursive, std::string_view purpose);

}  // namespace rootfs
