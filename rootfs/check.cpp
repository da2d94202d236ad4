// SPDX-License-Identifier: MIT
// What can be said about a root before anything is made.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "rootfs/host_view.h"
#include "rootfs/mountinfo.h"
#include "rootfs/root.h"

namespace rootfs {

namespace {

void check_directory(const Root& root) {
  if (root.directory.empty()) {
    if (root.writable)
      throw base::Error(
          "--writable-root needs --rootfs DIR: the host's own root is never written to");
    return;
  }
  const std::string option = base::cat("--rootfs ", base::printable(root.directory));
  const base::UniqueFd fd(::open(root.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  base::check(fd.get(), option);
  struct stat here {};
  struct stat host {};
  base::check(::fstat(fd.get(), &here), option);
  base::check(::stat("/", &host), "/");
  if (root.writable && here.st_dev == host.st_dev && here.st_ino == host.st_ino)
    throw base::Error(base::cat("--writable-root: ", base::printable(root.directory),
                                " is the host's own root, which is never written to"));
}

void check_target(std::string_view option, std::string_view target, std::set<std::string>& seen) {
  const std::string where = base::cat(option, ": target ", base::printable(target));
  if (!target.starts_with('/')) throw base::Error(base::cat(where, " must be absolute"));
  std::string plain;  // without "//" and a slash at the end
  for (const std::string_view name : base::split(target, '/')) {
    if (name == "." || name == "..")
      throw base::Error(base::cat(where, " must not contain \".\" or \"..\""));
    if (!name.empty()) plain += base::cat("/", name);
  }
  if (plain.empty()) throw base::Error(base::cat(where, ": the root is given by --rootfs"));
  if (plain == "/dev" || is_below(plain, "/proc") || is_below(plain, "/sys"))
    throw base::Error(base::cat(where, ": /dev, /proc and /sys are the container's own"));
  if (!seen.insert(plain).second) throw base::Error(base::cat(where, " is given twice"));
}

}  // namespace

void check(Root& root) {
  check_directory(root);
  std::set<std::string> seen;
  for (const Volume& volume : root.volumes) {
    check_target("-v", volume.target, seen);
    struct stat status {};
    if (::stat(volume.source.c_str(), &status) < 0)
      throw base::Error(errno, base::cat("-v: source ", base::printable(volume.source)));
  }
  for (const Tmpfs& tmpfs : root.tmpfs) check_target("--tmpfs", tmpfs.target, seen);
  if (root.directory.empty())
    root.host_view = std::make_shared<const HostView>(look_at_host(root.host_root));
}

}  // namespace rootfs
