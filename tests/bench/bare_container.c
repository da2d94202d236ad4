// SPDX-License-Identifier: MIT
// What else the kernel is asked for on a start of `mini-run --publish 8080:80 true`: the system
// calls that the contract cannot do without, in a straight line, for this one case. Nothing is
// looked up, checked, explained, watched or undone after a failure.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bare.h"

// What configs/host-root.json hides of a small Debian: directories to make, half of them opaque,
// and files.
enum { Directories = 40, HiddenFiles = 12, Looks = 110 };

static const char* const RecordFiles[] = {"hosts", "hostname", "resolv.conf", "container.json"};

static void mount_or_die(const char* source, const char* target, const char* type,
                         unsigned long flags, const char* options) {
  die_if(mount(source, target, type, flags, options) != 0, target);
}

static void make_directory(const char* path) { die_if(mkdir(path, 0755) != 0, path); }

static void write_file(int directory, const char* name, const char* text) {
  int fd = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  die_if(fd < 0 || write(fd, text, strlen(text)) < 0, name);
  close(fd);
}

void look_at_host(void) {
  static const char* const listed[] = {"/",    "/etc",     "/etc/ssh", "/etc/nginx", "/etc/apache2",
                                       "/var", "/var/lib", "/var/log"};
  char buffer[16384];
  for (size_t i = 0; i < sizeof listed / sizeof *listed; ++i) {
    int fd = open(listed[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) continue;
    while (syscall(SYS_getdents64, fd, buffer, sizeof buffer) > 0) {
    }
    close(fd);
  }
  struct stat status;
  for (int i = 0; i < Looks; ++i) lstat(i % 2 == 0 ? "/etc/ssl/private" : "/var/lib/dbus", &status);
  int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  die_if(mounts < 0, "mountinfo");
  while (read(mounts, buffer, sizeof buffer) > 0) {
  }
  close(mounts);
}

static void prepare_upper(int record) {
  char path[64];
  make_directory("upper");
  make_directory("work");
  make_directory("root");
  for (const char* const* at = (const char* const[]){"proc", "sys", "dev", "usr", "etc", NULL}; *at;
       ++at) {
    snprintf(path, sizeof path, "upper/%s", *at);
    make_directory(path);
  }
  for (int i = 0; i < Directories; ++i) {
    snprintf(path, sizeof path, "upper/etc/d%d", i);
    make_directory(path);
    if (i % 2 == 0) die_if(lsetxattr(path, "trusted.overlay.opaque", "y", 1, 0) != 0, "lsetxattr");
  }
  for (int i = 0; i < HiddenFiles; ++i) {
    snprintf(path, sizeof path, "upper/etc/f%d", i);
    die_if(mknod(path, S_IFCHR, makedev(0, 0)) != 0, path);
  }
  for (size_t i = 0; i < 3; ++i) {  // hosts, hostname, resolv.conf
    char text[256] = {0};
    int fd = openat(record, RecordFiles[i], O_RDONLY | O_CLOEXEC);
    die_if(fd < 0 || read(fd, text, sizeof text - 1) < 0, RecordFiles[i]);
    close(fd);
    snprintf(path, sizeof path, "upper/etc/%s", RecordFiles[i]);
    write_file(AT_FDCWD, path, text);
  }
}

static void mount_proc_and_sys(void) {
  const unsigned long harmless = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  mount_or_die("proc", "root/proc", "proc", harmless | MS_RDONLY, NULL);
  die_if(chdir("root/proc") != 0, "proc");
  for (const char* const* at = (const char* const[]){"bus", "fs", "irq", "sys", NULL}; *at; ++at)
    mount_or_die(*at, *at, NULL, MS_BIND, NULL);
  for (const char* const* at = (const char* const[]){"interrupts", "keys", "timer_list", NULL}; *at;
       ++at)
    mount_or_die("/dev/null", *at, NULL, MS_BIND, NULL);
  mount_or_die(NULL, ".", NULL, MS_REMOUNT | MS_BIND | harmless, NULL);
  die_if(chdir("../..") != 0, "chdir");
  mount_or_die("sysfs", "root/sys", "sysfs", harmless | MS_RDONLY, NULL);
}

static void mount_dev(void) {
  static const char* const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};
  char source[32];
  char target[32];
  mount_or_die("tmpfs", "root/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755");
  for (size_t i = 0; i < sizeof devices / sizeof *devices; ++i) {
    snprintf(source, sizeof source, "/dev/%s", devices[i]);
    snprintf(target, sizeof target, "root/dev/%s", devices[i]);
    die_if(mknod(target, S_IFREG | 0666, 0) != 0, target);
    mount_or_die(source, target, NULL, MS_BIND, NULL);
  }
  for (const char* const* at = (const char* const[]){"pts", "shm", "mqueue", NULL}; *at; ++at) {
    snprintf(target, sizeof target, "root/dev/%s", *at);
    make_directory(target);
  }
  mount_or_die("devpts", "root/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
               "newinstance,ptmxmode=666");
  mount_or_die("tmpfs", "root/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m");
  mount_or_die("mqueue", "root/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV, NULL);
}

void enter_root(int record) {
  die_if(setsid() < 0 || sethostname("bare", 4) != 0, "sethostname");
  mount_or_die(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mount_or_die("tmpfs", "/sys", "tmpfs", MS_NOSUID | MS_NODEV, "size=1g");
  die_if(chdir("/sys") != 0, "/sys");
  prepare_upper(record);
  mount_or_die("overlay", "root", "overlay", MS_NODEV,
               "lowerdir=/,upperdir=upper,workdir=work,redirect_dir=follow");
  mount_proc_and_sys();
  mount_dev();
  die_if(chdir("root") != 0 || syscall(SYS_pivot_root, ".", ".") != 0, "pivot_root");
  die_if(umount2(".", MNT_DETACH) != 0 || chdir("/") != 0, "umount");
}

// As many instructions as the default profile has; whatever the call, a dozen of them are executed.
static void load_filter(void) {
  enum { Length = 275, Executed = 12 };
  static struct sock_filter code[Length];
  for (int i = 0; i < Length; ++i) code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
  code[Executed] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, Length - Executed - 2);
  code[Length - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_fprog program = {Length, code};
  die_if(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) != 0,
      "seccomp");
}

static void keep_capabilities(unsigned kept) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2] = {{kept, kept, 0}, {0, 0, 0}};
  die_if(syscall(SYS_capset, &header, sets) != 0, "capset");
}

noreturn void run_as_init(char** program, int go) {
  const unsigned docker_default = 0x800425fb & ~(1U << CAP_NET_RAW);
  pid_t pid = vfork();
  if (pid == 0) {
    setsid();
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    for (unsigned long capability = 0; capability <= CAP_LAST_CAP; ++capability)
      if (capability > 31 || (docker_default & 1U << capability) == 0)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    keep_capabilities(docker_default);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    uint64_t one;
    die_if(read(go, &one, sizeof one) < 0, "read");
    close_range(3, ~0U, 0);
    load_filter();
    execvp(*program, program);
    die(*program);
  }
  die_if(pid < 0, "vfork");
  keep_capabilities(1U << CAP_KILL);
  int status = 0;
  die_if(waitpid(pid, &status, 0) < 0, "waitpid");
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int make_record(void) {
  die_if(mkdir("/run/bare", 0700) != 0, "/run/bare");
  int record = open("/run/bare", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  die_if(record < 0 || flock(record, LOCK_EX | LOCK_NB) != 0, "/run/bare");
  for (size_t i = 0; i < sizeof RecordFiles / sizeof *RecordFiles; ++i)
    write_file(record, RecordFiles[i], "some words of the container\n");
  write_file(record, "journal", "the undo of every step, four lines\n");
  return record;
}

void remove_record(int record) {
  for (size_t i = 0; i < sizeof RecordFiles / sizeof *RecordFiles; ++i)
    unlinkat(record, RecordFiles[i], 0);
  unlinkat(record, "journal", 0);
  rmdir("/run/bare");
}
