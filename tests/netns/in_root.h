// SPDX-License-Identifier: MIT
// For the tests of rootfs/: a container's first process without the rest of a container.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"
#include "rootfs/root.h"

namespace in_root {

/// A directory of its own for one test, gone afterwards.
class Directory {
 public:
  Directory() {
    char name[] = "/tmp/rootfs-test-XXXXXX";
    path_ = ::mkdtemp(name);
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

/// The file's text, or the error's name.
inline std::string read(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  if (std::filesystem::is_directory(path)) return "a directory";
  if (!file) return std::string("cannot: ") + std::strerror(errno);
  return {std::istreambuf_iterator<char>(file), {}};
}

using Work = std::function<std::string()>;

/// The host's files cannot be changed from this mount namespace from now on, except below /tmp: an
/// escape that a test provokes must do no harm where the code under test is broken. Needs: a mount
/// namespace of one's own, private.
inline void protect_host() {
  base::check(::mount("/tmp", "/tmp", nullptr, MS_BIND | MS_REC, nullptr), "bind /tmp");
  base::check(::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
              "read-only /");
  if (::access("/etc", W_OK) == 0 || errno != EROFS) throw base::Error("the host is not protected");
}

/// Makes new mount, pid, net and ipc namespaces; there HOST changes the host's mounts, then the
/// first process enters ROOT and does INSIDE. What INSIDE returns is returned, notes before it,
/// each "note: LINE\n"; or "error: LINE" of what was thrown.
inline std::string run(const rootfs::Root& root, const Work& inside,
                       const std::function<void()>& host = {}, const Work& after = {}) {
  int ends[2];
  base::check(::pipe(ends), "pipe");
  const pid_t outer = ::fork();
  if (outer == 0) {
    ::close(ends[0]);
    std::string answer;
    const auto send = [&] {
      for (std::size_t done = 0; done < answer.size();) {
        const ssize_t put = ::write(ends[1], answer.data() + done, answer.size() - done);
        if (put <= 0) break;
        done += static_cast<std::size_t>(put);
      }
      ::_exit(0);
    };
    try {
      base::check(
          ::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS),
          "unshare (needs root)");
      base::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "private");
      protect_host();
      if (host) host();
      const pid_t first = ::fork();
      if (first != 0) {
        // A test that hangs is red, not endless. alarm(2) would not end the first process of a pid
        // namespace.
        int status = 0;
        for (int waited = 0; ::waitpid(first, &status, WNOHANG) == 0; ++waited) {
          ::usleep(1000);
          if (waited == 20000) ::kill(first, SIGKILL);
        }
        if (after) answer = after();
        send();
      }
      // pivot_root(2) moves every process of the mount namespace: the host's keeps its own.
      base::check(::unshare(CLONE_NEWNS), "unshare");
      rootfs::Root known = root;
      if (root.directory.empty()) rootfs::check(known);
      for (const std::string& note : rootfs::enter(known)) answer += "note: " + note + "\n";
      answer += inside();
    } catch (const std::exception& error) {
      answer += std::string("error: ") + error.what();
    }
    send();
  }
  ::close(ends[1]);
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  ::waitpid(outer, nullptr, 0);
  return answer;
}

inline rootfs::Root plain_root(const std::string& directory) {
  rootfs::Root root;
  root.directory = directory;
  root.scratch_bytes = 64U << 20U;
  return root;
}

inline std::string yes(bool value) { return value ? "yes" : "no"; }

inline void tmpfs(const std::string& path) {
  std::filesystem::create_directories(path);
  base::check(::mount("tmpfs", path.c_str(), "tmpfs", 0, "mode=755"), path);
}

inline std::string names(const std::string& path) {
  std::set<std::string> sorted;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error))
    sorted.insert(entry.path().filename());
  std::string out;
  for (const auto& name : sorted) out += name + " ";
  return out;
}

}  // namespace in_root
