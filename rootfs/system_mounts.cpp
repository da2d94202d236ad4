// SPDX-License-Identifier: MIT
// Mounts /proc, /sys and /dev for a container.
//
// Each is mounted by descriptor on a directory that is known to be one (CVE-2019-19921: a link
// there would lead the masks elsewhere). Then it is made the working directory: below it are only
// names of the kernel's or ours, so plain mount(2) is safe there, and one call instead of three.
#include "rootfs/system_mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "rootfs/inside.h"
#include "rootfs/mount_calls.h"

namespace rootfs {

namespace {

constexpr unsigned Harmless = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// mount --bind SOURCE TARGET. False where this kernel has no TARGET.
bool bind(const std::string& source, const char* target) {
  if (::mount(source.c_str(), target, nullptr, MS_BIND, nullptr) == 0) return true;
  if (errno == ENOENT) return false;
  throw base::Error(errno, base::cat("mount ", source, " on the container's ", target));
}

// Binds the host's /dev/NAME, and looks at what arrived: a link or a file there would be a trap
// (CVE-2025-31133).
bool bind_device(const Device& device, const char* target) {
  const std::string source = base::cat("/dev/", device.name);
  if (!bind(source, target)) return false;
  struct stat status {};
  base::check(::stat(target, &status), source);
  if (!S_ISCHR(status.st_mode) || status.st_rdev != ::makedev(device.major, device.minor))
    throw base::Error(base::cat(source, " of the host is not character device ", device.major, ":",
                                device.minor, ": refused"));
  // It is the host's own inode: read-only, its mode and owner cannot be changed from in here.
  // Writing to the device is another matter, and works.
  base::check(::mount(nullptr, target, nullptr,
                      MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, nullptr),
              base::cat("mount ", source, " read-only"));
  return true;
}

void mount_proc(int root, const std::string& empty) {
  const base::UniqueFd target = system_directory(root, "proc");
  // Read-only at first: a bind takes over the flags of what it binds, which saves a call for each.
  const base::UniqueFd proc = create_mount("proc", {}, Harmless | MOUNT_ATTR_RDONLY, "mount /proc");
  attach(proc.get(), target.get(), "mount /proc");
  base::check(::fchdir(proc.get()), "enter /proc");
  for (const char* name : ReadOnlyProc) bind(name, name);
  for (const char* name : MaskedProcDirectories) bind(empty, name);
  for (const char* name : MaskedProcFiles) bind_device(Devices[0], name);
  base::check(::mount(nullptr, ".", nullptr,
                      MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr),
              "mount /proc");
}

void mount_sys(int root, const std::string& empty) {
  const base::UniqueFd target = system_directory(root, "sys");
  const base::UniqueFd sys = create_mount("sysfs", {}, Harmless | MOUNT_ATTR_RDONLY, "mount /sys");
  attach(sys.get(), target.get(), "mount /sys");
  base::check(::fchdir(sys.get()), "enter /sys");
  for (const char* name : MaskedSys) bind(empty, name);
}

void mount_below_dev(const char* name, const base::UniqueFd& mount) {
  const base::UniqueFd target(::open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  attach(mount.get(), target.get(), base::cat("mount /dev/", name));
}

void mount_dev(int root, int scratch) {
  const base::UniqueFd target = system_directory(root, "dev");
  // nodev and noexec as the scratch is. Device nodes work all the same: they are mounts of their
  // own.
  const base::UniqueFd dev = clone_mount(scratch, "dev", false, "mount /dev");
  attach(dev.get(), target.get(), "mount /dev");
  base::check(::fchdir(dev.get()), "enter /dev");
  for (const Device& device : Devices)
    if (!bind_device(device, device.name))
      throw base::Error(base::cat("the host has no /dev/", device.name));
  // gid 5 is tty wherever there is a group file: grantpt(3) expects it.
  mount_below_dev(
      "pts",
      create_mount("devpts",
                   {{"newinstance", ""}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}},
                   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "mount /dev/pts"));
  mount_below_dev("shm", create_mount("tmpfs", {{"size", "64m"}, {"mode", "1777"}}, Harmless,
                                      "mount /dev/shm"));
  mount_below_dev("mqueue", create_mount("mqueue", {}, Harmless, "mount /dev/mqueue"));
}

}  // namespace

void prepare_system_mounts() {
  const char* purpose = "prepare /dev";
  base::check(::mkdir("empty", 0555), purpose);
  for (const char* name : {"dev", "dev/pts", "dev/shm", "dev/mqueue"})
    base::check(::mkdir(name, 0755), purpose);
  for (const Device& device : Devices)
    base::check(::mknod(base::cat("dev/", device.name).c_str(), S_IFREG | 0666, 0), purpose);
  for (const Link& link : DeviceLinks)
    base::check(::symlink(link.target, base::cat("dev/", link.name).c_str()), purpose);
}

void mount_system(int root, int scratch) {
  const char* purpose = "prepare masks";
  const base::UniqueFd empty = clone_mount(scratch, "empty", false, purpose);
  const base::UniqueFd target(::openat(scratch, "empty", O_PATH | O_DIRECTORY | O_CLOEXEC));
  attach(empty.get(), target.get(), purpose);
  restrict_mount(empty.get(), MOUNT_ATTR_RDONLY, false, purpose);
  const std::string source = base::cat("/proc/self/fd/", empty.get());
  mount_proc(root, source);
  mount_sys(root, source);
  mount_dev(root, scratch);
}

}  // namespace rootfs
