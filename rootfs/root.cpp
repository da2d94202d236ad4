// SPDX-License-Identifier: MIT
// Makes a container's root and enters it.
//
// Theory of operation, in the order of enter():
//
//     host's / ──── lower ───┐                        /proc /sys /dev   new, masked
//     (or --rootfs DIR)      ├── overlay = new root ◄─ -v, --tmpfs       mounted on descriptors
//     scratch ───── upper ───┘        │
//     (one bounded tmpfs)             └── pivot_root: the new root becomes /, the old one is let go
//
//   1. Propagation off: nothing that we mount shows on the host, nothing that it mounts shows here.
//   2. The volumes are cloned from the host's tree while that is still as the user knows it.
//   3. The scratch is mounted, the upper layers are written, the overlays mounted over them.
//   4. /proc, /sys, /dev, /etc files, volumes: each on a descriptor that was looked up *inside* the
//   new
//      root. Whoever made the root directory cannot lead a mount or a write of ours outside of it.
//   5. pivot_root(2), and the old tree, scratch and all, is detached. chroot(2) would only hide it.
#include "rootfs/root.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "rootfs/inside.h"
#include "rootfs/mount_calls.h"
#include "rootfs/system_mounts.h"
#include "rootfs/upper.h"

namespace rootfs {

namespace {

// No device of the root can be opened. And nosuid: without new privileges set-user-ID bits do
// nothing anyhow, but a program with file capabilities that are not to be had here (Debian's ping)
// could not be executed at all.
constexpr unsigned Restricted = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;

constexpr std::array EtcFiles = {"hosts", "hostname", "resolv.conf"};

// Modes are as they are written here, not as the caller's umask(2) leaves them.
class NoUmask {
 public:
  NoUmask() : before_(::umask(0)) {}
  ~NoUmask() { ::umask(before_); }
  NoUmask(const NoUmask&) = delete;
  NoUmask& operator=(const NoUmask&) = delete;

 private:
  mode_t before_;
};

// Something to mount inside, made before the host's tree changes.
struct Attachment {
  std::string target;
  base::UniqueFd mount;
  unsigned attributes = 0;
  std::string purpose;
};

std::vector<Attachment> clone_volumes(const Root& root) {
  std::vector<Attachment> clones;
  for (const Volume& volume : root.volumes) {
    std::string purpose =
        base::cat("-v ", base::printable(volume.source), ":", base::printable(volume.target));
    base::UniqueFd mount = clone_mount(AT_FDCWD, volume.source, true, purpose);
    const unsigned attributes =
        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (volume.read_only ? MOUNT_ATTR_RDONLY : 0U);
    clones.push_back({volume.target, std::move(mount), attributes, std::move(purpose)});
  }
  return clones;
}

// Overlay on overlay works once, not twice (FILESYSTEM_MAX_STACK_DEPTH): the kernel says only
// EINVAL.
[[noreturn]] void explain_overlay(const base::Error& error, int lower, const std::string& path) {
  struct statfs status {};
  if (error.code().value() == EINVAL && ::fstatfs(lower, &status) == 0 &&
      status.f_type == OVERLAYFS_SUPER_MAGIC)
    throw base::Error(
        base::cat(base::printable(path),
                  " is itself an overlay on an overlay, and Linux stacks no third one: "
                  "give a --rootfs on a plain file system"));
  throw base::Error(error);
}

// mount -t overlay -o lowerdir=PATH,upperdir=...,workdir=...
base::UniqueFd mount_layer(const Layer& layer, int lower, const std::string& path, bool read_only) {
  try {
    return create_mount("overlay",
                        {{"lowerdir", base::cat("/proc/self/fd/", lower)},
                         {"upperdir", layer.upper},
                         {"workdir", layer.work},
                         {"redirect_dir", "follow"}},
                        Restricted | (read_only ? MOUNT_ATTR_RDONLY : 0U),
                        base::cat("show ", base::printable(path), " copy-on-write"));
  } catch (const base::Error& error) {
    explain_overlay(error, lower, path);
  }
}

// The text of the /etc file NAME, or nothing where the caller gave none.
std::optional<std::string> etc_text(const Root& root, const char* name) {
  if (root.etc_files < 0) return std::nullopt;
  return base::read_file(name, root.etc_files);
}

// Writes the /etc files into DIRECTORY, a descriptor. What has the name there goes: a link would
// lead us away, a FIFO would hang us.
void write_etc_files(const Root& root, const Wait& wait, int directory) {
  if (wait) wait();
  for (const char* name : EtcFiles) {
    const auto text = etc_text(root, name);
    if (!text) continue;
    const std::string attempt = base::cat("write the container's /etc/", name);
    if (::unlinkat(directory, name, 0) < 0 && errno != ENOENT) throw base::Error(errno, attempt);
    const base::UniqueFd file(
        ::openat(directory, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644));
    base::check(file.get(), attempt);
    base::write_all(file.get(), *text, attempt);
  }
}

// A directory's files are the user's own: ours are mounted over them.
void mount_etc_files(const Root& root, const Wait& wait, int inside, int scratch,
                     std::vector<std::string>& notes) {
  base::check(::mkdirat(scratch, "etc", 0755), "prepare /etc");
  const base::UniqueFd directory = base::open_or_throw("etc", O_PATH | O_DIRECTORY, scratch);
  write_etc_files(root, wait, directory.get());
  for (const char* name : EtcFiles) {
    if (::faccessat(directory.get(), name, F_OK, 0) < 0) continue;
    const std::string purpose = base::cat("mount the container's /etc/", name);
    try {
      const base::UniqueFd target = file_inside(inside, base::cat("/etc/", name));
      attach(clone_mount(directory.get(), name, false, purpose).get(), target.get(), purpose);
    } catch (const base::Error& error) {
      // A link to nothing, say into a /run that systemd would fill. Not ours to change in the
      // user's tree.
      notes.push_back(base::cat("/etc/", name, " is left as the root has it: ", error.what()));
    }
  }
}

// The root as a mount, attached below the scratch; its descriptor is its root directory.
base::UniqueFd host_root(const Root& root, const Wait& wait, std::vector<std::string>& notes) {
  const std::vector<Layer> layers = build_layers(*root.host_view);
  notes = root.host_view->notes;
  // Into the upper layer, before the overlay is there: 3 microseconds a file instead of 30.
  const auto own = std::ranges::find(layers, "/etc", &Layer::path);
  const std::string etc_name =
      own != layers.end() ? own->content : base::cat(layers.front().content, "/etc");
  const base::UniqueFd etc(::open(etc_name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (etc.valid()) write_etc_files(root, wait, etc.get());

  const char* purpose = "make the container's root";
  base::check(::mkdir("overlay", 0755), purpose);
  const base::UniqueFd whole_target = base::open_or_throw("overlay", O_PATH | O_DIRECTORY);
  const base::UniqueFd host = base::open_or_throw("/", O_PATH | O_DIRECTORY);
  const base::UniqueFd whole = mount_layer(layers.front(), host.get(), "/", false);
  attach(whole.get(), whole_target.get(), purpose);
  base::UniqueFd inside = clone_mount(whole.get(), ContainerRoot, false, purpose);
  attach(inside.get(), whole_target.get(), purpose);

  for (std::size_t i = 1; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    const base::UniqueFd lower = base::open_or_throw(layer.path, O_PATH | O_DIRECTORY);
    try {
      const base::UniqueFd mount = mount_layer(layer, lower.get(), layer.path, root.read_only);
      attach(mount.get(), directory_inside(inside.get(), layer.path).get(), purpose);
    } catch (const base::Error& error) {
      // Without this file system most programs still run; some types cannot be below an overlay
      // (vfat).
      notes.push_back(base::cat("not shown inside: ", error.what(), "; to see it, add -v ",
                                base::shell_quote(base::cat(layer.path, ":", layer.path))));
    }
  }
  return inside;
}

base::UniqueFd directory_root(const Root& root, const Wait& wait, int scratch,
                              std::vector<std::string>& notes) {
  const base::UniqueFd lower = base::open_or_throw(root.directory, O_PATH | O_DIRECTORY);
  const std::string purpose = base::cat("--rootfs ", base::printable(root.directory));
  base::check(::mkdir("overlay", 0755), purpose);
  const base::UniqueFd target = base::open_or_throw("overlay", O_PATH | O_DIRECTORY);
  if (root.writable) {
    base::UniqueFd inside = clone_mount(lower.get(), "", false, purpose);
    attach(inside.get(), target.get(), purpose);
    restrict_mount(inside.get(), Restricted, false, purpose);
    mount_etc_files(root, wait, inside.get(), scratch, notes);
    return inside;
  }
  const Layer layer = build_plain_layer(lower.get());
  base::UniqueFd inside = mount_layer(layer, lower.get(), root.directory, false);
  attach(inside.get(), target.get(), purpose);
  write_etc_files(root, wait, directory_inside(inside.get(), "/etc").get());
  return inside;
}

void attach_inside(int inside, const Attachment& attachment) {
  struct stat status {};
  base::check(::fstat(attachment.mount.get(), &status), attachment.purpose);
  const bool directory = S_ISDIR(status.st_mode);
  base::UniqueFd target = open_inside(inside, attachment.target, O_PATH);
  struct stat there {};
  if (target.valid() && ::fstat(target.get(), &there) == 0 && S_ISDIR(there.st_mode) != directory)
    throw base::Error(base::cat(attachment.purpose, ": inside, ",
                                directory ? "there is no directory but a file"
                                          : "there is a directory; name the file in it"));
  if (!target.valid())
    target = directory ? directory_inside(inside, attachment.target)
                       : file_inside(inside, attachment.target);
  // A link of the root may lead there, whatever the target is called (CVE-2019-16884).
  struct statfs system {};
  base::check(::fstatfs(target.get(), &system), attachment.purpose);
  if (system.f_type == PROC_SUPER_MAGIC || system.f_type == SYSFS_MAGIC)
    throw base::Error(
        base::cat(attachment.purpose, ": inside, this leads to /proc or /sys: refused"));
  attach(attachment.mount.get(), target.get(), attachment.purpose);
  if (attachment.attributes != 0)
    restrict_mount(attachment.mount.get(), attachment.attributes, true, attachment.purpose);
}

// Directories of the scratch: so that all of them together stay within its bound.
void clone_tmpfs(const Root& root, int scratch, std::vector<Attachment>& attachments) {
  for (std::size_t i = 0; i < root.tmpfs.size(); ++i) {
    const std::string name = base::cat("tmpfs", i);
    std::string purpose = base::cat("--tmpfs ", base::printable(root.tmpfs[i].target));
    base::check(::mkdir(name.c_str(), 01777), purpose);
    attachments.push_back(
        {root.tmpfs[i].target, clone_mount(scratch, name, false, purpose), 0, std::move(purpose)});
  }
}

void pivot(int inside) {
  base::check(::fchdir(inside), "enter the new root");
  // pivot_root(2), "pivot_root(".", ".")": the old root is put over the new one, and detached
  // there.
  if (::syscall(SYS_pivot_root, ".", ".") < 0) {
    if (errno == EINVAL)
      throw base::Error(
          "pivot_root: the host's root cannot be left; is it the kernel's initramfs?");
    throw base::Error(errno, "pivot_root");
  }
  // umount2(2) takes the topmost of what is stacked on ".". Should the host have had more than its
  // root on /, that comes off first; so look each time whether it is the new root that is on top.
  struct stat wanted {};
  base::check(::fstat(inside, &wanted), "enter the new root");
  constexpr int MaxStacked = 64;
  for (int i = 0; i < MaxStacked; ++i) {
    struct stat top {};
    // ".." of / is /, and the kernel then climbs to the top of its stack.
    base::check(::stat("/..", &top), "enter the new root");
    if (top.st_dev == wanted.st_dev && top.st_ino == wanted.st_ino)
      return (void)base::check(::chdir("/"), "enter the new root");
    base::check(::umount2(".", MNT_DETACH), "leave the host's root");
  }
  throw base::Error("leave the host's root: too many mounts are stacked on /");
}

}  // namespace

std::vector<std::string> enter(const Root& root, const Wait& wait) {
  const NoUmask no_umask;
  std::vector<std::string> notes;
  base::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr),
              "make mounts private (mount --make-rprivate /)");
  std::vector<Attachment> attachments = clone_volumes(root);
  const base::UniqueFd scratch = enter_scratch(root.scratch_bytes);
  prepare_system_mounts();
  clone_tmpfs(root, scratch.get(), attachments);

  const base::UniqueFd inside = root.directory.empty()
                                    ? host_root(root, wait, notes)
                                    : directory_root(root, wait, scratch.get(), notes);
  mount_system(inside.get(), scratch.get());
  // As docker: by name, so that /a is there before /a/b is mounted in it.
  std::ranges::stable_sort(attachments, {}, &Attachment::target);
  for (const Attachment& attachment : attachments) attach_inside(inside.get(), attachment);
  if (root.read_only) restrict_mount(inside.get(), MOUNT_ATTR_RDONLY, false, "--read-only");
  pivot(inside.get());
  return notes;
}

}  // namespace rootfs
