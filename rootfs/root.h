// SPDX-License-Identifier: MIT
// What the container sees as /.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
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
  std::vector<std::string> visible;  // top-level entries: allow-list
  std::vector<std::string>
      hidden;  // patterns (* and ?) below them, made absent (files) or empty (directories)
  std::vector<std::string>
      empty_trees;  // shown as the host's directories and owners without the files
};

struct HostView;  // host_view.h

struct Root {
  std::string directory;   // --rootfs; empty: the host's own root, by HOST_ROOT
  bool writable = false;   // --writable-root: changes go to the directory itself
  bool read_only = false;  // --read-only
  std::uint64_t scratch_bytes =
      0;  // bound of the copy-on-write layer; 0: 1 GiB or a tenth of the memory
  std::vector<Volume> volumes;
  std::vector<Tmpfs> tmpfs;
  HostRoot host_root;
  std::shared_ptr<const HostView> host_view;  // what check() found of it
  // Contents of /etc/hosts, /etc/hostname and /etc/resolv.conf as seen inside: files of those names
  // in this directory (ours, on the host; an O_PATH descriptor, opened before or after the clone).
  // They are copied into the copy-on-write layer, where the container may change them; over a
  // writable root they are mounted. A name that is not there is left as the root has it.
  int etc_files = -1;
};

/// Called by enter() before it reads the files of /etc, where somebody writes them meanwhile.
/// Throws Error where they will not come.
using Wait = std::function<void()>;

/// Everything that can be known before the first change: the directory is there, is a directory and
/// no loop; volumes' sources exist; targets are absolute, without "..", unlike each other, not
/// /dev, and not on or below /proc or /sys. Looks the host's root up, where that is the root.
/// Throws Error with the line for the user.
void check(Root& root);

/// Makes the root and enters it. On return the working directory is /, the host's root is gone
/// from the mount namespace. Returns lines for the user: what of the host could not be shown, and
/// the option that helps. Throws Error. Needs: to be process 1 of new mount, pid, net, ipc
/// namespaces, with CAP_SYS_ADMIN; check(); the host's /proc at /proc. One thread: umask and
/// working directory change meanwhile. Must not: be called with a descriptor of the host's file
/// system open that the program inherits.
std::vector<std::string> enter(const Root& root, const Wait& wait = {});

/// The mounts that enter() makes, as the mount(8) commands that do the same, for --explain. Run by
/// sh in new namespaces they make the same root, but for the names that configs/host-root.json
/// hides.
std::vector<std::string> describe(const Root& root);

/// For a program that failed right after its start, with the host's root: one line for each hidden
/// path that COMMAND, or a file of the directory in /etc named as the program is, speaks of; the
/// line has the -v that shows it. Looks at the host's files only. Needs: to be called outside of
/// the container.
std::vector<std::string> hidden_needs(const Root& root, const std::vector<std::string>& command);

}  // namespace rootfs
