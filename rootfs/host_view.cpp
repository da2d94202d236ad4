// SPDX-License-Identifier: MIT
// Looks up configs/host-root.json on this host.
//
// Theory of operation. The configuration speaks names; the host has links (/var/lib may lie on
// /usr/data/lib), other file systems mounted anywhere, and directories that it lacks. Here names
// become facts, before anything is built:
//   1. /proc/self/mountinfo says where network file systems are: never looked at, they may hang.
//   2. Each hidden name is found by its real path. A link is hidden, and so is what it leads to.
//   3. Each empty tree is read two levels deep: directories and their owners, never a file.
//   4. Local file systems below what is visible and not hidden are listed for overlays of their
//   own.
#include "rootfs/host_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace rootfs {

namespace {

constexpr int MaxLinks = 40;  // path_resolution(7): as the kernel
constexpr int TreeDepth = 2;  // /run/lock/apache2, /var/log/samba/cores
constexpr std::size_t MaxTreeDirectories = 256;

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory open_directory(const std::string& path) {
  base::UniqueFd fd(::open(path.empty() ? "/" : path.c_str(),
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return nullptr;
  Directory directory(::fdopendir(fd.get()));
  if (directory) (void)fd.release();  // closedir(3) closes it
  return directory;
}

bool is_dots(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

HostPath host_path(std::string path, const struct stat& status) {
  return {std::move(path), status.st_mode, status.st_uid, status.st_gid};
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Where the link LINK, whose directory has the real name PARENT, leads: a path, not yet a real
// name.
std::optional<std::string> target_of(const std::string& link, const std::string& parent) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t length = ::readlink(link.c_str(), buffer.data(), buffer.size());
  if (length <= 0) return std::nullopt;
  std::string target(buffer.data(), static_cast<std::size_t>(length));
  if (target.front() != '/') target = base::cat(parent, "/", target);
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  return target == "/" ? std::string() : target;
}

// Hides PATH, and what it leads to when it is a link.
void hide(const std::string& path, RealPaths& paths, std::vector<HostPath>& hidden) {
  std::string next = path;
  for (int links = 0; links < MaxLinks; ++links) {
    const auto found = paths.entry(next);
    if (!found || found->path.empty()) return;
    hidden.push_back(*found);
    if (!S_ISLNK(found->mode)) return;
    const auto target = target_of(found->path, parent_of(found->path));
    if (!target) return;
    next = *target;
  }
}

// The directories below TREE.back(), DEPTH levels deep, without what is HIDDEN.
void read_tree(std::vector<HostPath>& tree, std::size_t limit, int depth,
               const std::vector<HostPath>& hidden) {
  const std::string top = tree.back().path;
  const Directory directory = open_directory(top);
  if (!directory) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    if ((entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) || is_dots(entry->d_name))
      continue;
    std::string path = base::cat(top, "/", entry->d_name);
    if (std::ranges::find(hidden, path, &HostPath::path) != hidden.end()) continue;
    struct stat status {};
    if (::fstatat(::dirfd(directory.get()), entry->d_name, &status,
                  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
        !S_ISDIR(status.st_mode))
      continue;
    if (tree.size() >= limit) return;
    tree.push_back(host_path(std::move(path), status));
    // Two links: "." and the name; each directory in it would add its "..".
    if (depth > 1 && status.st_nlink != 2) read_tree(tree, limit, depth - 1, hidden);
  }
}

std::vector<MountPoint> mounts_below_root() {
  const base::UniqueFd fd = base::open_or_throw("/proc/self/mountinfo", O_RDONLY);
  constexpr std::size_t Limit = std::size_t{64} << 20U;  // 100 000 mounts are some 20 MB
  std::vector<MountPoint> mounts = parse_mountinfo(base::read_all(fd.get(), Limit));
  std::erase_if(mounts, [](const MountPoint& mount) { return mount.path == "/"; });
  return mounts;
}

bool below_any(const std::string& path, const std::vector<HostPath>& directories) {
  return std::ranges::any_of(directories,
                             [&](const HostPath& each) { return is_below(path, each.path); });
}

void add_separate_mounts(std::vector<MountPoint> mounts, const RealPaths& paths, HostView& view) {
  std::ranges::sort(mounts, {}, &MountPoint::path);  // a parent sorts before what is below it
  std::vector<HostPath> directories;
  std::ranges::copy_if(view.visible, std::back_inserter(directories),
                       [](const HostPath& each) { return S_ISDIR(each.mode); });
  std::string absent;
  std::string example;
  for (const MountPoint& mount : mounts) {
    if (!below_any(mount.path, directories) || below_any(mount.path, view.hidden) ||
        below_any(mount.path, view.empty_trees))
      continue;
    const MountKind kind = kind_of(mount.type);
    if (kind == MountKind::Remote) {
      absent += base::cat(absent.empty() ? "" : ", ", base::printable(mount.path), " (",
                          base::printable(mount.type), ")");
      if (example.empty()) example = base::shell_quote(base::cat(mount.path, ":", mount.path));
    }
    struct stat status {};
    if (kind != MountKind::Local || paths.is_absent(mount.path) ||
        ::lstat(mount.path.c_str(), &status) < 0 || !S_ISDIR(status.st_mode))
      continue;  // a file mounted over a file: the one below it shows
    if (view.separate_mounts.empty() || view.separate_mounts.back().path != mount.path)
      view.separate_mounts.push_back(host_path(mount.path, status));
  }
  if (!absent.empty())
    view.notes.push_back(base::cat("not shown inside: ", absent, "; to see it, add -v ", example));
}

}  // namespace

bool RealPaths::is_absent(const std::string& path) const {
  return std::ranges::any_of(absent_,
                             [&](const std::string& each) { return is_below(path, each); });
}

std::optional<HostPath> RealPaths::directory(const std::string& path, int links) {
  if (path.empty()) return HostPath{"", S_IFDIR | 0755, 0, 0};
  if (const auto known = known_.find(path); known != known_.end()) return known->second;
  std::optional<HostPath>& result = known_[path];
  if (links > MaxLinks) return result;
  const auto parent = directory(parent_of(path), links);
  const std::string name = name_of(path);
  if (!parent) return result;
  if (name.empty() || name == ".") return result = parent;
  if (name == "..") return result = directory(parent_of(parent->path), links);

  const std::string real = base::cat(parent->path, "/", name);
  struct stat status {};
  if (is_absent(real) ||
      ::fstatat(AT_FDCWD, real.c_str(), &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
    return result;
  if (S_ISDIR(status.st_mode)) return result = host_path(real, status);
  if (!S_ISLNK(status.st_mode)) return result;
  const auto target = target_of(real, parent->path);
  return target ? result = directory(*target, links + 1) : result;
}

std::optional<HostPath> RealPaths::entry(const std::string& path) {
  const std::string name = name_of(path);
  if (name.empty() || name == "." || name == "..") return directory(path);
  const auto parent = directory(parent_of(path));
  if (!parent) return std::nullopt;
  std::string real = base::cat(parent->path, "/", name);
  // Not looked at, but a name like /home must be there: as an empty directory of root's.
  if (is_absent(real)) return HostPath{std::move(real), S_IFDIR | 0755, 0, 0};
  struct stat status {};
  if (::fstatat(AT_FDCWD, real.c_str(), &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
    status.st_mode = 0;
  return host_path(std::move(real), status);
}

std::vector<std::string> expand(const std::string& pattern, RealPaths& paths) {
  const std::size_t wild = pattern.find_first_of("*?[");
  if (wild == std::string::npos) return {pattern};
  const std::size_t slash = pattern.rfind('/', wild);
  const std::size_t end = std::min(pattern.find('/', wild), pattern.size());
  const std::string name = pattern.substr(slash + 1, end - slash - 1);
  const std::string rest = pattern.substr(end);
  std::vector<std::string> found;
  const auto parent = paths.directory(pattern.substr(0, slash));
  const Directory directory = parent ? open_directory(parent->path) : nullptr;
  if (!directory) return found;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (is_dots(entry->d_name) || ::fnmatch(name.c_str(), entry->d_name, 0) != 0) continue;
    if (!rest.empty() && entry->d_type == DT_REG) continue;
    std::ranges::move(expand(base::cat(parent->path, "/", entry->d_name, rest), paths),
                      std::back_inserter(found));
  }
  return found;
}

HostView look_at_host(const HostRoot& configuration, std::optional<RealPaths>& paths) {
  std::vector<MountPoint> mounts = mounts_below_root();
  std::vector<std::string> absent;
  for (const MountPoint& mount : mounts)
    if (kind_of(mount.type) == MountKind::Remote) absent.push_back(mount.path);
  paths.emplace(std::move(absent));

  HostView view;
  for (const std::string& path : configuration.visible)
    if (auto found = paths->entry(path); found && found->mode != 0) view.visible.push_back(*found);
  for (const std::string& pattern : configuration.hidden)
    for (const std::string& path : expand(pattern, *paths)) hide(path, *paths, view.hidden);
  for (const std::string& path : configuration.empty_trees) {
    const auto top = paths->directory(path);
    if (!top || top->path.empty()) continue;
    view.empty_trees.push_back(*top);
    if (paths->is_absent(top->path)) continue;
    read_tree(view.empty_trees, view.empty_trees.size() + MaxTreeDirectories, TreeDepth,
              view.hidden);
  }
  add_separate_mounts(std::move(mounts), *paths, view);
  return view;
}

}  // namespace rootfs
