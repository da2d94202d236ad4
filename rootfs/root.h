// SPDX-License-Identifier: MIT
// What the container sees as /.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace rootfs {

/// -v SOURCE:TARGET[:ro]; both absolute.
struct Volume {
  std::string source;
  std::string target;
  bool read_only = false;
};

/// --tmpfs TARGET; bounded by the scratch size.
struct Tmpfs {
  std::string target;
};

/// What of the host's root the container may see (configs/host-root.json says each key's why).
struct HostRoot {
  std::vector<std::string> visible;      // top-level entries: allow-list
  std::vector<std::string> hidden;       // glob patterns below them, made absent (files) or empty (directories)
  std::vector<std::string> empty_trees;  // shown as the host's directories and owners without the files
};

struct Root {
  std::string directory;       // --rootfs; empty: the host's own root, by HOST_ROOT
  bool writable = false;       // --writable-root: changes go to the directory itself
  bool read_only = false;      // --read-only
  std::uint64_t scratch_bytes = 0;  // bound of the copy-on-write layer
  std::vector<Volume> volumes;
  std::vector<Tmpfs> tmpfs;
  HostRoot host_root;
  // Contents of /etc/hosts, /etc/hostname and /etc/resolv.conf as seen inside. They are files in
  // this directory (ours, of the host; an O_PATH descriptor) under those names, bound over the
  // container's.
  int etc_files = -1;
};

/// Everything that can be known before the first change: the directory is there, is a directory and no
/// loop; volumes' sources exist; targets are absolute and not on or below /proc, /sys or /dev.
/// Throws Error with the line for the user.
void check(const Root& root);

/// Makes the root and enters it. On return the working directory is /, the host's root is gone
/// from the mount namespace. Throws Error.
/// Needs: to be process 1 of new mount, pid, net, ipc namespaces, with CAP_SYS_ADMIN.
/// Must not: be called with a descriptor of the host's file system open that the program inherits.
void enter(const Root& root);

/// The mounts that enter() makes, as the mount(8) commands that do the same, for --explain.
std::vector<std::string> describe(const Root& root);

}  // namespace rootfs
