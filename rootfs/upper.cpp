// SPDX-License-Identifier: MIT
// Builds the upper layers before their overlays are mounted.
//
// Theory of operation. An overlay shows a lower tree (the host's files, never written) under an
// upper tree (the container's changes). What we want hidden we write into the upper tree as if the
// container had removed it already:
//     a file          a whiteout: a character device 0:0 of that name
//     a directory     an empty directory with trusted.overlay.opaque=y: nothing of the lower shows
// That is a few microseconds a path and no mount. Neither can be undone from inside: whatever is
// created or removed there lands in the upper tree, and the lower name stays covered.
//
// The root itself is an allow-list, and a list of whiteouts is none: what appears on the host later
// would show. So the container's root is an opaque directory *inside* the overlay, without
// lower counterpart, and each visible directory in it has trusted.overlay.redirect=/NAME, which
// makes the overlay merge it with the host's. Nothing else of / has a name in there.
//     https://docs.kernel.org/filesystems/overlayfs.html, "whiteouts and opaque directories",
//     "redirect_dir"
#include "rootfs/upper.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "rootfs/mount_calls.h"

namespace rootfs {

namespace {

[[noreturn]] void fail(const std::string& name) {
  const int error = errno;
  if (error == ENOSPC)
    throw base::Error(base::cat("the scratch layer is too small to begin with (", name,
                                "): raise --scratch-size"));
  throw base::Error(error, base::cat("prepare the copy-on-write layer: ", base::printable(name)));
}

void mark(const std::string& name, const char* key, const std::string& value) {
  if (::lsetxattr(name.c_str(), key, value.data(), value.size(), 0) == 0) return;
  if (errno == EOPNOTSUPP)
    throw base::Error(
        "this kernel's tmpfs cannot hold an overlay's marks: it lacks CONFIG_TMPFS_XATTR");
  fail(name);
}

void make_plain(const std::string& name, mode_t mode = 0755) {
  if (::mkdir(name.c_str(), mode) < 0) fail(name);
}

// All of build_layers(): the layers, and which of the host's directories are in them already.
class Builder {
 public:
  explicit Builder(const HostView& view) : view_(view) {
    for (const HostPath& parent : view.parents) parents_.emplace(parent.path, &parent);
  }

  std::vector<Layer> build() {
    add_layer({"", 0755, 0, 0});
    layers_.front().content += base::cat("/", ContainerRoot);
    make_plain(layers_.front().content);
    mark(layers_.front().content, "trusted.overlay.opaque", "y");
    for (const char* name : {"proc", "sys", "dev"})
      make_plain(base::cat(layers_.front().content, "/", name));
    for (const HostPath& mount : view_.separate_mounts) add_layer(mount);
    for (const HostPath& entry : view_.visible) show(entry);
    for (const HostPath& directory : view_.empty_trees) add_empty(directory);
    for (const HostPath& entry : view_.hidden) hide(entry);
    return std::move(layers_);
  }

 private:
  void add_layer(const HostPath& top) {
    const std::size_t number = layers_.size();
    Layer layer{top.path, base::cat("upper", number), base::cat("work", number), {}};
    layer.content = layer.upper;
    make_directory(layer.upper, top);
    make_plain(layer.work);
    made_.insert(top.path);
    layers_.push_back(std::move(layer));
  }

  // The layer that PATH lies in: of those above it the deepest, which was added last.
  [[nodiscard]] const Layer& layer_of(const std::string& path) const {
    return *std::find_if(layers_.rbegin(), layers_.rend(),
                         [&](const Layer& each) { return is_below(path, each.path); });
  }

  [[nodiscard]] std::string upper_name(const std::string& path) const {
    const Layer& layer = layer_of(path);
    return base::cat(layer.content, path.substr(layer.path.size()));
  }

  // A visible entry of /. A link shows as it is: /bin -> usr/bin.
  void show(const HostPath& entry) {
    const std::string name = base::cat(layers_.front().content, entry.path);
    if (S_ISLNK(entry.mode)) {
      std::array<char, PATH_MAX> target{};
      const ssize_t length = ::readlink(entry.path.c_str(), target.data(), target.size() - 1);
      if (length <= 0 || ::symlink(target.data(), name.c_str()) < 0) fail(name);
    } else if (S_ISDIR(entry.mode)) {
      make_directory(name, entry);
      tops_.insert(entry.path);
      // A file system mounted there has its own layer, which is mounted on this directory.
      if (made_.insert(entry.path).second) mark(name, "trusted.overlay.redirect", entry.path);
    }
  }

  // Whether the directory that ENTRY lies in can be seen inside, and it is in the upper tree now,
  // with the host's owner and mode (a merged directory shows the upper's).
  bool ensure_parent(const std::string& path) {
    const std::string parent = path.substr(0, path.rfind('/'));
    if (made_.contains(parent)) return true;
    const auto directory = parents_.find(parent);
    if (!tops_.contains(parent.substr(0, parent.find('/', 1))) || directory == parents_.end() ||
        !ensure_parent(parent))
      return false;
    make_directory(upper_name(parent), *directory->second);
    made_.insert(parent);
    return true;
  }

  [[nodiscard]] bool in_empty(const std::string& path) const {
    return std::ranges::any_of(empty_,
                               [&](const std::string& each) { return is_below(path, each); });
  }

  void add_empty(const HostPath& directory) {
    if (!ensure_parent(directory.path)) return;
    const std::string name = upper_name(directory.path);
    make_directory(name, directory);
    made_.insert(directory.path);
    if (in_empty(directory.path)) return;
    // A new name in the root has nothing of the host below it: nothing to cover.
    const bool is_new_top = directory.path.rfind('/') == 0 && tops_.insert(directory.path).second;
    if (!is_new_top) mark(name, "trusted.overlay.opaque", "y");
    empty_.push_back(directory.path);
  }

  void hide(const HostPath& entry) {
    if (S_ISDIR(entry.mode)) return add_empty(entry);
    const bool top = entry.path.rfind('/') == 0;
    if (top || in_empty(entry.path) || !ensure_parent(entry.path)) return;
    // A name that is free now as well: the file may come back (shadow- is rewritten by each
    // passwd(1)).
    const std::string name = upper_name(entry.path);
    if (::mknod(name.c_str(), S_IFCHR, ::makedev(0, 0)) < 0 && errno != EEXIST) fail(name);
  }

  const HostView& view_;
  std::unordered_map<std::string_view, const HostPath*> parents_;
  std::vector<Layer> layers_;
  std::set<std::string> made_;      // directories that are in their layer
  std::set<std::string> tops_;      // of these, the visible entries of /
  std::vector<std::string> empty_;  // shown without the host's content
};

}  // namespace

std::uint64_t scratch_bound(std::uint64_t bytes) {
  if (bytes != 0) return bytes;
  struct sysinfo memory {};
  base::check(::sysinfo(&memory), "ask for the memory size");
  return std::min(std::uint64_t{1} << 30U, std::uint64_t{memory.totalram} * memory.mem_unit / 10);
}

std::uint64_t scratch_inodes(std::uint64_t bound) {
  constexpr std::uint64_t BytesPerInode = 16384;  // as mke2fs(8)
  constexpr std::uint64_t Least = 4096;
  return std::max(Least, bound / BytesPerInode);
}

base::UniqueFd enter_scratch(std::uint64_t bytes) {
  const std::uint64_t bound = scratch_bound(bytes);
  const char* purpose = "make the scratch layer";
  base::UniqueFd scratch =
      create_mount("tmpfs",
                   {{"size", std::to_string(bound)},
                    {"nr_inodes", std::to_string(scratch_inodes(bound))},
                    {"mode", "0700"}},
                   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, purpose);
  // An overlay wants its upper layer mounted somewhere. The host's /sys is a directory that every
  // host has and that nothing from here on looks into; on / it would cost a second umount2(2).
  base::UniqueFd host(::open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!host.valid()) host = base::open_or_throw("/", O_PATH | O_DIRECTORY);
  attach(scratch.get(), host.get(), purpose);
  base::check(::fchdir(scratch.get()), purpose);
  return scratch;
}

void make_directory(const std::string& name, const HostPath& like) {
  if (::mkdir(name.c_str(), like.mode & 01777U) < 0) {
    if (errno == EEXIST) return;
    fail(name);
  }
  if ((like.uid != 0 || like.gid != 0) && ::lchown(name.c_str(), like.uid, like.gid) < 0)
    fail(name);
  if ((like.mode & 06000U) != 0 && ::chmod(name.c_str(), like.mode & 07777U) < 0) fail(name);
}

std::vector<Layer> build_layers(const HostView& view) { return Builder(view).build(); }

Layer build_plain_layer(int lower) {
  struct stat status {};
  base::check(::fstat(lower, &status), "look at --rootfs");
  make_directory("upper0", {{}, status.st_mode, status.st_uid, status.st_gid});
  make_plain("work0");
  return {"", "upper0", "work0", "upper0"};
}

}  // namespace rootfs
