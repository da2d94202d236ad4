// SPDX-License-Identifier: MIT
// --rootfs on the real kernel: however the directory was prepared, no link leads us out of it.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <sstream>

#include "base/text.h"
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

// The mounts of a mountinfo text: what is mounted, where, how; sorted.
std::string mounts(const std::string& mountinfo) {
  std::istringstream lines(mountinfo);
  std::set<std::string> sorted;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string skip;
    std::string root;
    std::string target;
    std::string options;
    words >> skip >> skip >> skip >> root >> target >> options;
    sorted.insert(root + " " + target + " " + options + "\n");
  }
  std::string out;
  for (const std::string& each : sorted) out += each;
  return out;
}

}  // namespace

TEST_CASE("rootfs: a link as /proc, /sys or /dev is refused by name, and nothing is made outside") {
  for (const char* name : {"proc", "sys", "dev"}) {
    for (const bool writable : {false, true}) {
      Directory root;
      Directory outside;
      fs::create_directory(root / "real");
      fs::create_symlink(std::string(name) == "dev" ? outside.path() : "real", root / name);
      rootfs::Root given = plain_root(root.path());
      given.writable = writable;
      const std::string out = run(given, [] { return "entered"; });
      CHECK_MESSAGE(out == std::string("error: the root's /") + name +
                               " is a symbolic link: refused, it must be a directory to mount on",
                    out);
      CHECK(names(outside.path()).empty());
      CHECK(names(root / "real").empty());
    }
  }
}

TEST_CASE("rootfs: an empty directory becomes a root, and is left empty") {
  Directory root;
  const std::string out = run(plain_root(root.path()), [] { return names("/") + names("/etc"); });
  CHECK(out == "dev etc proc sys ");
  CHECK(names(root.path()).empty());
}

TEST_CASE("rootfs: /etc and its files as links, FIFOs, directories") {
  Directory outside;
  write(outside / "victim", "as it was");
  Directory etc;
  for (const char* name : {"hosts", "hostname", "resolv.conf"}) write(etc / name, "ours");
  for (const bool writable : {false, true}) {
    Directory root;
    fs::create_directory(root / "etc");
    fs::create_symlink(outside / "victim", root / "etc/hosts");
    fs::create_symlink("../../../../../../.." + (outside / "victim"), root / "etc/hostname");
    base::check(::mkfifo((root / "etc/resolv.conf").c_str(), 0644), "mkfifo");
    rootfs::Root given = plain_root(root.path());
    given.writable = writable;
    given.etc_files = ::open(etc.path().c_str(), O_PATH | O_CLOEXEC);
    const std::string out = run(given, [] {
      const std::string said = read("/etc/resolv.conf") + "|" + names("/etc");
      write("/etc/hosts", "written inside");
      return said;
    });
    ::close(given.etc_files);
    CHECK_MESSAGE(out.find("ours|hostname hosts resolv.conf ") != std::string::npos, out);
    CHECK(read(outside / "victim") == "as it was");
    CHECK(names(outside.path()) == "victim ");
  }
  Directory root;  // the directory itself is the link
  fs::create_symlink(outside.path(), root / "etc");
  rootfs::Root given = plain_root(root.path());
  given.etc_files = ::open(etc.path().c_str(), O_PATH | O_CLOEXEC);
  const std::string out = run(given, [] { return std::string("entered"); });
  ::close(given.etc_files);
  CHECK_MESSAGE(out == "error: inside the root: /etc is a link to nothing in there", out);
  CHECK(names(outside.path()) == "victim ");
}

TEST_CASE(
    "volumes: targets through links stay inside, sources are shown, ro is ro for the whole tree") {
  Directory outside;
  Directory source;
  fs::create_directory(source / "below");
  write(source / "file", "source");
  Directory root;
  fs::create_symlink(outside.path(), root / "absolute");
  fs::create_symlink("/data", root / "link");
  fs::create_directory(root / "data");
  rootfs::Root given = plain_root(root.path());
  given.volumes = {{source.path(), "/link/v", true}, {source / "file", "/data/one", false}};
  given.tmpfs = {{"/data/tmp"}};
  const std::string out = run(
      given,
      [] {
        std::string said = names("/data") + "|" + names("/data/v") + "|" + read("/data/one") + "|";
        said += yes(::mkdir("/data/v/x", 0755) == 0) + yes(::mkdir("/data/v/below/x", 0755) == 0);
        write("/data/one", "from inside");
        struct stat status {};
        ::stat("/data/tmp", &status);
        return said + "|" + std::to_string(status.st_mode & 07777U) +
               yes(::mkdir("/data/tmp/x", 0755) == 0);
      },
      [&source] { tmpfs(source / "below"); });
  CHECK_MESSAGE(out == "one tmp v |below file |source|nono|1023yes", out);
  CHECK(read(source / "file") == "from inside");

  // The link leads out of the root: there is nothing of that name inside, and nothing is made
  // outside.
  given.volumes = {{source.path(), "/absolute/v", false}};
  CHECK(run(given, [] { return std::string("entered"); }).find("error: ") == 0);
  CHECK(names(outside.path()).empty());

  // It leads to the container's own /proc.
  fs::create_symlink("/proc/sys", root / "tricky");
  given.volumes = {{source.path(), "/tricky", false}};
  CHECK(run(given, [] { return std::string("entered"); }).find("leads to /proc or /sys: refused") !=
        std::string::npos);
}

TEST_CASE("volumes: before mount_setattr(2) (Linux 5.12) ro and nodev hold too") {
  Directory source;
  Directory root;
  rootfs::Root given = plain_root(root.path());
  given.volumes = {{source.path(), "/v", true}};
  const std::string out = run(
      given, [] { return yes(::mkdir("/v/x", 0755) == 0) + read("/proc/self/mountinfo"); },
      [] {
        std::array<sock_filter, 4> code = {
            sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
            sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_mount_setattr},
            sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS},
            sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
        const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        base::check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
        base::check(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
      });
  CHECK_MESSAGE(out.find("no") == 0, out);
  CHECK_MESSAGE(out.find("/v ro,nosuid,nodev") != std::string::npos, out);
}

TEST_CASE("writable root: writes reach the directory, device nodes do not open") {
  Directory root;
  rootfs::Root given = plain_root(root.path());
  given.writable = true;
  const std::string out = run(given, [] {
    write("/new", "text");
    base::check(::mknod("/node", S_IFCHR | 0666, ::makedev(1, 5)), "mknod");
    return yes(base::UniqueFd(::open("/node", O_RDONLY | O_CLOEXEC)).valid());
  });
  CHECK_MESSAGE(out == "no", out);
  CHECK(read(root / "new") == "text");
}

TEST_CASE("the scratch layer is bounded, in bytes and in files, and a too small one says so") {
  Directory root;
  rootfs::Root given = plain_root(root.path());
  given.scratch_bytes = 4U << 20U;
  const std::string out = run(given, [] {
    const base::UniqueFd fd(::open("/big", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    const std::string said =
        ::posix_fallocate(fd.get(), 0, 8 << 20) == ENOSPC ? "full" : "not full";
    ::unlink("/big");
    int made = 0;
    while (made < 100000 && ::mkdir(("/d" + std::to_string(made)).c_str(), 0755) == 0) ++made;
    return said + yes(made < 5000);
  });
  CHECK_MESSAGE(out == "fullyes", out);
}

TEST_CASE("an overlay on an overlay works, a third one is refused in words") {
  const auto overlay = [](const std::string& at, const std::string& lower) {
    tmpfs(at);
    for (const char* name : {"/u", "/w", "/m"}) fs::create_directory(at + name);
    const std::string options = "lowerdir=" + lower + ",upperdir=" + at + "/u,workdir=" + at + "/w";
    base::check(::mount("overlay", (at + "/m").c_str(), "overlay", 0, options.c_str()), "overlay");
  };
  Directory place;
  rootfs::Root given = plain_root(place / "one/m");
  CHECK(run(
            given, [] { return std::string("entered"); },
            [&] { overlay(place / "one", "/opt"); }) == "entered");
  given.directory = place / "two/m";
  const std::string out = run(
      given, [] { return std::string("entered"); },
      [&] {
        overlay(place / "one", "/opt");
        overlay(place / "two", place / "one/m");
      });
  CHECK_MESSAGE(out.find("Linux stacks no third one") != std::string::npos, out);
}

TEST_CASE("describe: run by sh, the commands make the mounts that enter() makes") {
  Directory source;
  rootfs::Root given = plain_root("/");  // copy-on-write: it has a sh
  given.read_only = true;
  given.tmpfs = {{"/opt/t"}};
  given.volumes = {{source.path(), "/opt/v", true}};
  // The host is protected here as in run().
  const std::string script =
      "mount --make-rprivate /\nmount --bind /tmp /tmp\nmount -o remount,bind,ro /\n" +
      base::join(rootfs::describe(given), "\n") + "\ncat /proc/self/mountinfo";
  const std::string command =
      "unshare -m -p -n -i -u --fork sh -e -c " + base::shell_quote(script) + " 2>&1";
  FILE* output = ::popen(command.c_str(), "re");
  REQUIRE(output != nullptr);
  std::string described;
  char buffer[4096];
  for (std::size_t got = 0; (got = ::fread(buffer, 1, sizeof buffer, output)) > 0;)
    described.append(buffer, got);
  CHECK_MESSAGE(::pclose(output) == 0, described);
  const std::string done = mounts(run(given, [] { return read("/proc/self/mountinfo"); }));
  CHECK(mounts(described) == done);
  CHECK(done.find("/ / ro,nosuid,nodev,relatime") != std::string::npos);
}

TEST_CASE("check: what is wrong is said before anything is made") {
  const auto said = [](rootfs::Root root) -> std::string {
    try {
      rootfs::check(root);
      return "fine";
    } catch (const base::Error& error) {
      return error.what();
    }
  };
  Directory place;
  fs::create_symlink("loop", place / "loop");
  write(place / "file", "");
  CHECK(said(plain_root(place.path())) == "fine");
  CHECK(said(plain_root(place / "no")) ==
        "--rootfs " + (place / "no") + ": No such file or directory");
  CHECK(said(plain_root(place / "loop")) ==
        "--rootfs " + (place / "loop") + ": Too many levels of symbolic links");
  CHECK(said(plain_root(place / "file")) == "--rootfs " + (place / "file") + ": Not a directory");
  rootfs::Root root;
  root.writable = true;
  CHECK(said(root).find("--writable-root needs --rootfs") == 0);
  root.directory = "/usr/..";
  CHECK(said(root).find("is the host's own root") != std::string::npos);
  for (const char* target :
       {"/proc", "/proc/sys", "//sys/", "/dev", "/", "relative", "/a/../proc", "/a/."}) {
    root = {};
    root.tmpfs = {{target}};
    CHECK_MESSAGE(said(root) != "fine", target);
  }
  root.tmpfs = {{"/process"}, {"/dev/shm"}};
  CHECK(said(root) == "fine");
  root.volumes = {{place.path(), "/process/", false}};
  CHECK(said(root).find("is given twice") != std::string::npos);
  root.volumes = {{place / "no", "/v", false}};
  CHECK(said(root) == "-v: source " + (place / "no") + ": No such file or directory");
}
