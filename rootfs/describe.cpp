// SPDX-License-Identifier: MIT
// The commands that do what enter() does. They are for sh in new namespaces, see the test that runs
// them.
#include <string>
#include <vector>

#include "base/text.h"
#include "rootfs/root.h"
#include "rootfs/system_mounts.h"
#include "rootfs/upper.h"

namespace rootfs {

namespace {

using base::cat;
using Lines = std::vector<std::string>;

// A path below the new root, as one word: the scratch is the working directory.
std::string inside(const std::string& path) { return base::shell_quote(cat("overlay", path)); }

void describe_scratch(const Root& root, Lines& lines) {
  lines.emplace_back("mount --make-rprivate /");
  lines.push_back(cat("mount -t tmpfs -o size=", scratch_bound(root.scratch_bytes),
                      ",nr_inodes=", scratch_inodes(scratch_bound(root.scratch_bytes)),
                      ",mode=0700,nosuid,nodev,noexec tmpfs /sys"));
  lines.emplace_back("cd /sys");
  lines.emplace_back("mkdir -p overlay upper0 work0 empty dev/pts dev/shm dev/mqueue");
}

void describe_host_root(const Root& root, Lines& lines) {
  lines.push_back(cat("mkdir upper0/", ContainerRoot));
  lines.push_back(cat("setfattr -n trusted.overlay.opaque -v y upper0/", ContainerRoot));
  lines.push_back(cat("mkdir upper0/", ContainerRoot, "/proc upper0/", ContainerRoot,
                      "/sys upper0/", ContainerRoot, "/dev"));
  for (const std::string& path : root.host_root.visible) {
    const std::string upper = base::shell_quote(cat("upper0/", ContainerRoot, path));
    const std::string host = base::shell_quote(path);
    lines.push_back(cat("if [ -L ", host, " ]; then cp -P ", host, " ", upper, "; elif [ -d ", host,
                        " ]; then mkdir ", upper, " && setfattr -n trusted.overlay.redirect -v ",
                        host, " ", upper, "; fi"));
  }
  lines.emplace_back(
      "# here each path of configs/host-root.json is covered in upper0: a file by mknod PATH c 0 "
      "0,");
  lines.emplace_back("# a directory by an empty one with trusted.overlay.opaque=y");
  lines.emplace_back(
      "mount -t overlay -o "
      "lowerdir=/,upperdir=upper0,workdir=work0,redirect_dir=follow,nosuid,nodev "
      "overlay "
      "overlay");
  lines.push_back(cat("mount --bind overlay/", ContainerRoot, " overlay"));
  lines.emplace_back("# and an overlay over each other local file system below what is visible");
}

void describe_directory(const Root& root, Lines& lines) {
  const std::string directory = base::shell_quote(root.directory);
  if (root.writable) {
    lines.push_back(cat("mount --bind -o nosuid,nodev ", directory, " overlay"));
    return;
  }
  lines.push_back(
      cat("mount -t overlay -o lowerdir=", directory,
          ",upperdir=upper0,workdir=work0,redirect_dir=follow,nosuid,nodev overlay overlay"));
}

void describe_system(Lines& lines) {
  lines.emplace_back("mkdir -p overlay/proc overlay/sys overlay/dev");
  lines.emplace_back("mount -t proc -o nosuid,nodev,noexec proc overlay/proc");
  const auto masked = [&lines](const std::string& path, const char* test,
                               const std::string& command) {
    lines.push_back(cat("if [ ", test, " ", path, " ]; then ", command, "; fi"));
  };
  for (const char* name : ReadOnlyProc) {
    const std::string path = inside(cat("/proc/", name));
    masked(path, "-e", cat("mount --bind -o ro,nosuid,nodev,noexec ", path, " ", path));
  }
  for (const char* name : MaskedProcDirectories) {
    const std::string path = inside(cat("/proc/", name));
    masked(path, "-d", cat("mount --bind -o ro,nosuid,nodev,noexec empty ", path));
  }
  for (const char* name : MaskedProcFiles) {
    const std::string path = inside(cat("/proc/", name));
    masked(path, "-f", cat("mount --bind -o ro,nosuid,noexec /dev/null ", path));
  }
  lines.emplace_back("mount -t sysfs -o ro,nosuid,nodev,noexec sysfs overlay/sys");
  for (const char* name : MaskedSys) {
    const std::string path = inside(cat("/sys/", name));
    masked(path, "-d", cat("mount --bind -o ro,nosuid,nodev,noexec empty ", path));
  }
  lines.emplace_back("mount --bind dev overlay/dev");
  for (const Device& device : Devices) {
    const std::string path = inside(cat("/dev/", device.name));
    lines.push_back(
        cat("touch ", path, " && mount --bind -o ro,nosuid,noexec /dev/", device.name, " ", path));
  }
  for (const Link& link : DeviceLinks)
    lines.push_back(cat("ln -s ", link.target, " ", inside(cat("/dev/", link.name))));
  lines.emplace_back(
      "mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec devpts "
      "overlay/dev/pts");
  lines.emplace_back(
      "mount -t tmpfs -o size=64m,mode=1777,nosuid,nodev,noexec tmpfs overlay/dev/shm");
  lines.emplace_back("mount -t mqueue -o nosuid,nodev,noexec mqueue overlay/dev/mqueue");
}

void describe_targets(const Root& root, Lines& lines) {
  for (std::size_t i = 0; i < root.tmpfs.size(); ++i) {
    const std::string target = inside(root.tmpfs[i].target);
    lines.push_back(cat("mkdir -m 1777 tmpfs", i, " && mkdir -p ", target, " && mount --bind tmpfs",
                        i, " ", target));
  }
  for (const Volume& volume : root.volumes) {
    const std::string source = base::shell_quote(volume.source);
    const std::string target = inside(volume.target);
    lines.push_back(cat("if [ -d ", source, " ]; then mkdir -p ", target, "; else touch ", target,
                        "; fi && mount --rbind -o nosuid,nodev", volume.read_only ? ",ro " : " ",
                        source, " ", target));
  }
}

}  // namespace

std::vector<std::string> describe(const Root& root) {
  Lines lines;
  describe_scratch(root, lines);
  if (root.directory.empty())
    describe_host_root(root, lines);
  else
    describe_directory(root, lines);
  describe_system(lines);
  describe_targets(root, lines);
  if (root.read_only) lines.emplace_back("mount -o remount,bind,ro,nosuid,nodev overlay");
  lines.emplace_back("cd overlay && pivot_root . . && umount -l .");
  return lines;
}

}  // namespace rootfs
