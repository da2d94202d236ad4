// SPDX-License-Identifier: MIT
// Paths inside a root that its owner may have filled with links to anywhere.
#include "rootfs/inside.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace rootfs {

base::UniqueFd open_inside(int root, const std::string& path, int flags, unsigned extra,
                           unsigned mode) {
  struct open_how how {};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | extra;
  // EAGAIN: something was renamed or mounted meanwhile, anywhere on the host, and the kernel cannot
  // be sure that ".." stayed inside.
  constexpr int Tries = 100;
  for (int i = 0;; ++i) {
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN || i == Tries) return base::UniqueFd(static_cast<int>(fd));
  }
}

namespace {

[[noreturn]] void fail(const std::string& path) {
  throw base::Error(errno, base::cat("inside the root: ", base::printable(path)));
}

}  // namespace

base::UniqueFd directory_inside(int root, const std::string& path) {
  constexpr int Flags = O_PATH | O_DIRECTORY;
  base::UniqueFd found = open_inside(root, path, Flags);
  if (found.valid()) return found;
  if (errno != ENOENT) fail(path);

  // Every prefix is looked up from the root: "absolute" in a link means the container's root.
  base::UniqueFd parent = open_inside(root, "/", Flags);
  std::size_t begin = path.find_first_not_of('/');
  while (begin != std::string::npos) {
    const std::size_t end = path.find('/', begin);
    const std::string prefix = path.substr(0, end);
    found = open_inside(root, prefix, Flags);
    if (!found.valid() && errno == ENOENT) {
      if (::mkdirat(parent.get(), prefix.c_str() + begin, 0755) < 0) {
        if (errno == EEXIST)
          throw base::Error(base::cat("inside the root: ", base::printable(prefix),
                                      " is a link to nothing in there"));
        fail(prefix);
      }
      found = open_inside(root, prefix, Flags);
    }
    if (!found.valid()) fail(prefix);
    parent = std::move(found);
    begin = path.find_first_not_of('/', end);
  }
  return parent;
}

base::UniqueFd file_inside(int root, const std::string& path) {
  base::UniqueFd found = open_inside(root, path, O_PATH);
  if (found.valid()) return found;
  if (errno != ENOENT) fail(path);
  const std::size_t slash = path.rfind('/');
  if (slash != 0 && slash != std::string::npos) directory_inside(root, path.substr(0, slash));
  // O_CREAT without O_EXCL: a link to nothing makes the file where it points, inside the root.
  if (!open_inside(root, path, O_CREAT | O_WRONLY | O_NONBLOCK | O_NOCTTY, 0, 0644).valid())
    fail(path);
  found = open_inside(root, path, O_PATH);
  if (!found.valid()) fail(path);
  return found;
}

base::UniqueFd system_directory(int root, const char* name) {
  constexpr int Flags = O_PATH | O_DIRECTORY;
  base::UniqueFd found = open_inside(root, name, Flags, RESOLVE_NO_SYMLINKS);
  if (!found.valid() && errno == ENOENT) {
    if (::mkdirat(root, name, 0755) < 0) fail(name);
    found = open_inside(root, name, Flags, RESOLVE_NO_SYMLINKS);
  }
  if (!found.valid() && (errno == ELOOP || errno == ENOTDIR))
    throw base::Error(base::cat("the root's /", name, " is ",
                                errno == ELOOP ? "a symbolic link" : "no directory",
                                ": refused, it must be a directory to mount on"));
  if (!found.valid()) fail(name);
  return found;
}

}  // namespace rootfs
