// SPDX-License-Identifier: MIT
// The host as a container's root: what is hidden stays hidden, what is written stays inside.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <cstring>

#include "in_root.h"

namespace {

namespace fs = std::filesystem;
using in_root::Directory;
using in_root::names;
using in_root::plain_root;
using in_root::read;
using in_root::run;
using in_root::tmpfs;
using in_root::write;
using in_root::yes;

// The host's root as the tests see it: their own files lie below /opt/rootfs-test, a tmpfs that
// only the test's mount namespace has.
rootfs::Root host_root() {
  rootfs::Root root;
  root.scratch_bytes = 64U << 20U;
  root.host_root.visible = {"/usr",   "/bin", "/sbin", "/lib", "/lib32",
                            "/lib64", "/etc", "/opt",  "/var"};
  root.host_root.hidden = {"/home",       "/root",    "/tmp",
                           "/etc/shadow", "/var/tmp", "/opt/rootfs-test/*.key"};
  root.host_root.empty_trees = {"/run", "/var/log"};
  return root;
}

// What connect(2) to the unix socket PATH gives.
std::string connect_to(const std::string& path) {
  const base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(fd.get(), generic, sizeof address) == 0 ? "connected" : strerror(errno);
}

void listen_on(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  base::check(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), path);
  base::check(::listen(fd, 1), path);
}

}  // namespace

TEST_CASE("host root: / is an allow-list, the old root is gone") {
  const std::string out = run(host_root(), [] {
    return names("/") + "\n" + read("/proc/self/mountinfo") + "\n" + names("/../..");
  });
  CHECK_MESSAGE(
      out.find("bin dev etc home lib lib32 lib64 opt proc root run sbin sys tmp usr var ") == 0,
      out);
  // One mount at /, and none that is not ours.
  CHECK_MESSAGE(out.find(" - ext4 ") == std::string::npos, out);
  CHECK_MESSAGE(out.find(" /sys/fs/cgroup") == std::string::npos, out);
  CHECK(out.find(" / / ") == std::string::npos);
}

TEST_CASE("host root: names of / that are not listed do not exist") {
  const std::string out =
      run(host_root(), [] { return yes(fs::exists("/work")) + yes(fs::exists("/boot")); });
  CHECK(out == "nono");
}

TEST_CASE("host root: hidden files are absent and cannot be brought back") {
  const std::string out = run(
      host_root(),
      [] {
        const std::string key = "/opt/rootfs-test/a.key";
        std::string said =
            read(key) + "|" + read("/opt/rootfs-test/open.txt") + "|" + names("/opt/rootfs-test");
        said += "|unlink " + yes(::unlink(key.c_str()) == 0);
        write(key, "mine");
        said += "|" + read(key);
        said += "|unlink " + yes(::unlink(key.c_str()) == 0);
        said += "|" + read(key);
        said += "|mkdir " + yes(::mkdir(key.c_str(), 0755) == 0);
        said += names(key);
        said += "|rename " + yes(::rename(key.c_str(), "/opt/rootfs-test/x") == 0);
        said += "|" + read(key);
        said += "|link " + read("/opt/rootfs-test/link");
        said += "|" + read("/opt/rootfs-test/elsewhere/real");
        return said;
      },
      [] {
        tmpfs("/opt");
        fs::create_directory("/opt/rootfs-test");
        write("/opt/rootfs-test/a.key", "SECRET");
        write("/opt/rootfs-test/open.txt", "open");
        fs::create_directory("/opt/rootfs-test/elsewhere");
        write("/opt/rootfs-test/elsewhere/real", "SECRET");
        fs::create_symlink("elsewhere/real", "/opt/rootfs-test/b.key");
        fs::create_symlink("a.key", "/opt/rootfs-test/link");
      });
  CHECK_MESSAGE(out.find("SECRET") == std::string::npos, out);
  CHECK_MESSAGE(
      out ==
          "cannot: No such file or directory|open|elsewhere link open.txt |unlink no|mine|unlink "
          "yes|cannot: No such file or directory|mkdir yes|rename yes|cannot: No such file or "
          "directory|link cannot: No such file or directory|cannot: No such file or directory",
      out);
}

TEST_CASE("host root: the host's /etc/shadow is absent, and safe from who makes a new one") {
  const std::string before = read("/etc/shadow");
  REQUIRE(before.find("cannot") == std::string::npos);
  const std::string out = run(host_root(), [] {
    std::string said = read("/etc/shadow");
    write("/etc/shadow", "mine");
    said += "|" + read("/etc/shadow");
    ::unlink("/etc/shadow");
    ::rename("/etc", "/moved");
    said += "|" + read("/etc/shadow") + "|" + read("/moved/shadow");
    write("/etc/passwd", "changed");
    return said;
  });
  CHECK_MESSAGE(
      out ==
          "cannot: No such file or directory|mine|cannot: No such file or directory|cannot: "
          "No such file or directory",
      out);
  CHECK(read("/etc/shadow") == before);
  CHECK(read("/etc/passwd") != "changed");
}

TEST_CASE("host root: writes stay inside, hidden directories keep their owner, sockets refuse") {
  rootfs::Root root = host_root();
  root.host_root.hidden.emplace_back("/opt/rootfs-test/data");
  root.host_root.empty_trees.emplace_back("/opt/rootfs-test/log");
  const std::string out = run(
      root,
      [] {
        struct stat status {};
        ::stat("/opt/rootfs-test/data", &status);
        std::string said = names("/opt/rootfs-test/data") + std::to_string(status.st_uid) + " " +
                           std::to_string(status.st_mode & 07777U);
        ::stat("/opt/rootfs-test/log/web", &status);
        said += "|" + names("/opt/rootfs-test/log") + names("/opt/rootfs-test/log/web") +
                std::to_string(status.st_gid) + " " + std::to_string(status.st_mode & 07777U);
        said += "|" + connect_to("/opt/rootfs-test/socket");
        write("/opt/rootfs-test/file", "changed");
        said += "|" + read("/opt/rootfs-test/file");
        ::unlink("/opt/rootfs-test/gone");
        return said + "|" + names("/opt/rootfs-test");
      },
      [] {
        tmpfs("/opt");
        fs::create_directory("/opt/rootfs-test");
        fs::create_directory("/opt/rootfs-test/data");
        write("/opt/rootfs-test/data/table", "rows");
        base::check(::chown("/opt/rootfs-test/data", 33, 33), "chown");
        base::check(::chmod("/opt/rootfs-test/data", 0700), "chmod");
        fs::create_directories("/opt/rootfs-test/log/web");
        write("/opt/rootfs-test/log/big", "lines");
        write("/opt/rootfs-test/log/web/access.log", "lines");
        base::check(::chown("/opt/rootfs-test/log/web", 0, 4), "chown");
        base::check(::chmod("/opt/rootfs-test/log/web", 02750), "chmod");
        write("/opt/rootfs-test/file", "host's");
        write("/opt/rootfs-test/gone", "");
        listen_on("/opt/rootfs-test/socket");
      },
      [] {
        return "\nhost: " + connect_to("/opt/rootfs-test/socket") + "|" +
               read("/opt/rootfs-test/file") + "|" + names("/opt/rootfs-test");
      });
  CHECK_MESSAGE(out ==
                    "33 448|web 4 1512|Connection refused|changed|data file log socket "
                    "\nhost: connected|host's|data file gone log socket ",
                out);
}

TEST_CASE("host root: a mount of another kind is absent and named, below hidden ones nothing is") {
  rootfs::Root root = host_root();
  root.host_root.hidden.emplace_back("/opt/rootfs-test/hidden");
  const std::string out = run(
      root,
      [] {
        return names("/opt/rootfs-test") + names("/opt/rootfs-test/sub") +
               names("/opt/rootfs-test/kernel") + names("/opt/rootfs-test/hidden") +
               yes(fs::exists("/opt/rootfs-test/remote/x"));
      },
      [] {
        tmpfs("/opt");
        fs::create_directory("/opt/rootfs-test");
        tmpfs("/opt/rootfs-test/sub");
        write("/opt/rootfs-test/sub/here", "");
        tmpfs("/opt/rootfs-test/hidden");
        write("/opt/rootfs-test/hidden/secret", "");
        fs::create_directory("/opt/rootfs-test/kernel");
        base::check(::mount("proc", "/opt/rootfs-test/kernel", "proc", 0, nullptr), "proc");
        fs::create_directory("/opt/rootfs-test/remote");
        // An autofs needs a pipe to its daemon: nobody answers, so that a lookup below would hang.
        int daemon[2];
        base::check(::pipe(daemon), "pipe");
        const std::string options =
            "fd=" + std::to_string(daemon[1]) + ",pgrp=1,minproto=5,maxproto=5,indirect";
        if (::mount("autofs", "/opt/rootfs-test/remote", "autofs", 0, options.c_str()) < 0)
          base::check(::mount("ramfs", "/opt/rootfs-test/remote", "ramfs", 0, nullptr), "ramfs");
      });
  CHECK_MESSAGE(out.find("hidden kernel remote sub here no") != std::string::npos, out);
  CHECK_MESSAGE(
      (out.find("not shown inside: /opt/rootfs-test/remote (autofs)") != std::string::npos ||
       out.find("note:") == std::string::npos),
      out);
}

TEST_CASE("host root: a separate /var and /etc are copy-on-write as well, with the hidden list") {
  rootfs::Root root = host_root();
  Directory etc;
  write(etc / "hosts", "127.0.0.1 mine\n");
  root.etc_files = ::open(etc.path().c_str(), O_PATH | O_CLOEXEC);
  const std::string out = run(
      root,
      [] {
        write("/var/new", "x");
        return names("/var") + "|" + names("/var/log") + "|" + names("/var/tmp") + "|" +
               read("/etc/hosts") + "|" + read("/etc/shadow") + "|" + names("/etc");
      },
      [] {
        base::check(::mount("tmpfs", "/var", "tmpfs", 0, "mode=755"), "/var");
        fs::create_directories("/var/log/web");
        write("/var/log/syslog", "lines");
        fs::create_directories("/var/tmp/secret");
        base::check(::mount("tmpfs", "/etc", "tmpfs", 0, "mode=755"), "/etc");
        write("/etc/shadow", "SECRET");
        write("/etc/hosts", "host's");
      });
  ::close(root.etc_files);
  CHECK_MESSAGE(
      out == "log new tmp |web ||127.0.0.1 mine\n|cannot: No such file or directory|hosts ", out);
}

TEST_CASE("system mounts: /proc, /sys and /dev as they must be") {
  const std::string out = run(host_root(), [] {
    std::string said;
    const auto try_write = [&said](const char* path) {
      const base::UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
      said += std::string(path) + " " + (fd.valid() ? "writable" : strerror(errno)) + "\n";
    };
    for (const char* path : {"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                             "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper"})
      try_write(path);
    said += "keys[" + read("/proc/keys") + "] timer_list[" + read("/proc/timer_list") + "]\n";
    said += "firmware[" + names("/sys/firmware") + "]\n" + names("/dev") + "\n" +
            names("/dev/pts") + "\n";
    struct statvfs shm {};
    ::statvfs("/dev/shm", &shm);
    said += "shm " + std::to_string(shm.f_blocks * shm.f_frsize) + "\n";
    write("/dev/null", "x");
    const base::UniqueFd pty(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    said += "pty " + yes(pty.valid()) + names("/dev/pts") + "\n";
    // A node that was made inside opens nothing, wherever it lies.
    for (const char* path : {"/disk", "/dev/disk", "/tmp/disk"}) {
      base::check(::mknod(path, S_IFCHR | 0666, ::makedev(1, 5)), path);
      const base::UniqueFd node(::open(path, O_RDONLY | O_CLOEXEC));
      said += std::string(node.valid() ? "opened" : strerror(errno)) + "\n";
    }
    said += yes(::getpid() == 1) + yes(fs::exists("/proc/1/status")) + "\n";
    return said;
  });
  CHECK_MESSAGE(out.find("writable") == std::string::npos, out);
  CHECK_MESSAGE(out.find("core_pattern Read-only file system") != std::string::npos, out);
  CHECK(out.find("keys[] timer_list[]") != std::string::npos);
  CHECK(out.find("firmware[]") != std::string::npos);
  CHECK(out.find(
            "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ") !=
        std::string::npos);
  CHECK(out.find("shm 67108864") != std::string::npos);
  CHECK(out.find("pty yes0 ptmx ") != std::string::npos);
  CHECK_MESSAGE(out.find("Permission denied\nPermission denied\nPermission denied\nyesyes") !=
                    std::string::npos,
                out);
}

TEST_CASE("volumes: the host's whole root is the host's, not ours in the making") {
  rootfs::Root given = host_root();
  given.volumes = {{"/", "/opt/host", true}};
  const std::string out =
      run(given, [] { return names("/opt/host") + "|" + yes(fs::exists("/opt/host/sys/kernel")); });
  CHECK_MESSAGE(out.find("boot ") != std::string::npos, out);
  CHECK_MESSAGE(out.find("|yes") != std::string::npos, out);
}

TEST_CASE("read-only: the root is, volumes, --tmpfs and /dev/shm are not") {
  Directory source;
  rootfs::Root given = host_root();
  given.read_only = true;
  given.volumes = {{source.path(), "/opt/v", false}};
  given.tmpfs = {{"/scratch"}};
  const std::string out = run(given, [] {
    std::string said;
    for (const char* path : {"/x", "/usr/x", "/tmp/x", "/opt/v/x", "/scratch/x", "/dev/shm/x"})
      said += yes(::mkdir(path, 0755) == 0) + " ";
    return said;
  });
  CHECK_MESSAGE(out == "no no no yes yes yes ", out);
}
