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
// The result is all that the building of the layers (upper.cpp) needs to know: the host is looked
// at before there is a child, which then finds it in its memory.
#include "rootfs/host_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace rootfs {

namespace {

constexpr int MaxLinks = 40;  // path_resolution(7): as the kernel
constexpr int TreeDepth = 2;  // /run/lock/apache2, /var/log/samba/cores
constexpr std::size_t MaxTreeDirectories = 256;

HostPath host_path(std::string path, const struct stat& status) {
  return {std::move(path), status.st_mode, status.st_uid, status.st_gid};
}

// lstat(2) that starts no automounter.
bool look(const std::string& path, struct stat& status) {
  return ::fstatat(AT_FDCWD, path.c_str(), &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0;
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
  for (const Name& entry : list_directory(top)) {
    if (entry.type != S_IFDIR && entry.type != 0) continue;
    std::string path = base::cat(top, "/", entry.name);
    if (std::ranges::find(hidden, path, &HostPath::path) != hidden.end()) continue;
    struct stat status {};
    if (!look(path, status) || !S_ISDIR(status.st_mode)) continue;
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

void add_parents(const std::vector<HostPath>& entries, RealPaths& paths,
                 std::set<std::string>& seen, std::vector<HostPath>& parents) {
  for (const HostPath& entry : entries) {
    for (std::string path = parent_of(entry.path);
         path.rfind('/') != 0 && !path.empty() && seen.insert(path).second;
         path = parent_of(path)) {
      if (const auto directory = paths.directory(path)) parents.push_back(*directory);
    }
  }
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
    if (kind != MountKind::Local || paths.is_absent(mount.path) || !look(mount.path, status) ||
        !S_ISDIR(status.st_mode))
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

std::vector<Name> list_directory(const std::string& path) {
  std::vector<Name> names;
  const base::UniqueFd fd(::open(path.empty() ? "/" : path.c_str(),
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return names;
  alignas(dirent64) std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = ::getdents64(fd.get(), buffer.data(), buffer.size());
    if (got <= 0) return names;
    for (ssize_t at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      at += entry->d_reclen;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..")
        names.push_back({std::string(name), static_cast<mode_t>(DTTOIF(entry->d_type))});
    }
  }
}

bool matches(std::string_view pattern, std::string_view name) {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;  // the last "*" of the pattern
  std::size_t resume = 0;  // where that star's text ends, should the rest not match
  std::size_t next = 0;
  while (next < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      resume = next;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == name[next])) {
      ++at;
      ++next;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      next = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

void RealPaths::resolve(const std::string& path, int links, Directory& result) {
  if (links > MaxLinks) return;
  Directory& parent = find(parent_of(path), links);
  const std::string name = name_of(path);
  if (!parent.real || name.empty() || name == ".") {
    result.real = parent.real;
  } else if (name == "..") {
    result.real = find(parent_of(parent.real->path), links).real;
  } else if (auto found = entry_of(parent, name); found && !is_absent(found->path)) {
    if (S_ISDIR(found->mode)) {
      result.real = std::move(found);
    } else if (S_ISLNK(found->mode)) {
      const auto target = target_of(found->path, parent.real->path);
      if (target) result.real = find(*target, links + 1).real;
    }
  }
}

RealPaths::Directory& RealPaths::find(const std::string& path, int links) {
  if (last_found_ != nullptr && last_ == path) return *last_found_;
  const auto [known, is_new] = known_.try_emplace(path);
  Directory& directory = known->second;
  // A loop of links finds its own unfinished entry, which is nothing.
  if (path.empty())
    directory.real = HostPath{"", S_IFDIR | 0755, 0, 0};
  else if (is_new)
    resolve(path, links, directory);
  last_ = path;
  last_found_ = &directory;
  return directory;
}

std::optional<HostPath> RealPaths::directory(const std::string& path) { return find(path, 0).real; }

void RealPaths::list(Directory& directory) {
  if (directory.listed || !directory.real) return;
  directory.names = list_directory(directory.real->path);
  std::ranges::sort(directory.names, {}, &Name::name);
  directory.listed = true;
}

const std::vector<Name>& RealPaths::names(const std::string& path) {
  Directory& directory = find(path, 0);
  list(directory);
  return directory.names;
}

std::optional<HostPath> RealPaths::entry(const std::string& path) {
  const std::string name = name_of(path);
  if (name.empty() || name == "." || name == "..") return directory(path);
  return entry_of(find(parent_of(path), 0), name);
}

std::optional<HostPath> RealPaths::entry_of(Directory& parent, const std::string& name) const {
  if (!parent.real) return std::nullopt;
  // Of /etc and /var/lib a hundred names are asked for: to list them once is quicker.
  constexpr int WorthListing = 4;
  if (++parent.questions > WorthListing) list(parent);
  std::string real = base::cat(parent.real->path, "/", name);
  // Not looked at, but a name like /home must be there: as an empty directory of root's.
  if (is_absent(real)) return HostPath{std::move(real), S_IFDIR | 0755, 0, 0};
  if (parent.listed) {
    const auto found = std::ranges::lower_bound(parent.names, name, {}, &Name::name);
    if (found == parent.names.end() || found->name != name) return std::nullopt;
    if (found->type != 0 && found->type != S_IFDIR)
      return HostPath{std::move(real), found->type, 0, 0};
  }
  struct stat status {};
  if (!look(real, status)) return std::nullopt;
  return host_path(std::move(real), status);
}

void expand(const std::string& pattern, RealPaths& paths, std::vector<std::string>& found) {
  const std::size_t wild = pattern.find_first_of("*?");
  if (wild == std::string::npos) {
    found.push_back(pattern);
    return;
  }
  const std::size_t slash = pattern.rfind('/', wild);
  const std::size_t end = std::min(pattern.find('/', wild), pattern.size());
  const std::string parent = pattern.substr(0, slash);
  const std::string name = pattern.substr(slash + 1, end - slash - 1);
  const std::string rest = pattern.substr(end);
  for (const Name& entry : paths.names(parent)) {
    if (!rest.empty() && entry.type == S_IFREG) continue;
    if (matches(name, entry.name)) expand(base::cat(parent, "/", entry.name, rest), paths, found);
  }
}

HostView look_at_host(const HostRoot& configuration) {
  std::vector<MountPoint> mounts = mounts_below_root();
  std::vector<std::string> absent;
  for (const MountPoint& mount : mounts)
    if (kind_of(mount.type) == MountKind::Remote) absent.push_back(mount.path);
  RealPaths paths(std::move(absent));

  HostView view;
  for (const std::string& path : configuration.visible)
    if (const auto found = paths.entry(path)) view.visible.push_back(*found);
  std::vector<std::string> hidden;
  hidden.reserve(configuration.hidden.size());
  for (const std::string& pattern : configuration.hidden) expand(pattern, paths, hidden);
  for (const std::string& path : hidden) hide(path, paths, view.hidden);
  for (const std::string& path : configuration.empty_trees) {
    const auto top = paths.directory(path);
    if (!top || top->path.empty()) continue;
    view.empty_trees.push_back(*top);
    if (paths.is_absent(top->path)) continue;
    read_tree(view.empty_trees, view.empty_trees.size() + MaxTreeDirectories, TreeDepth,
              view.hidden);
  }
  std::set<std::string> seen;
  add_parents(view.hidden, paths, seen, view.parents);
  add_parents(view.empty_trees, paths, seen, view.parents);
  add_separate_mounts(std::move(mounts), paths, view);
  return view;
}

}  // namespace rootfs
