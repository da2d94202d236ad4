// SPDX-License-Identifier: MIT
// The floor that mini-run is measured against: what the kernel asks for a container, and no more.
//
//   bare [-n BRIDGE ADDRESS/LENGTH GATEWAY [-c]] PROGRAM [ARG...]
//
// clone(2) with six new namespaces, exec, wait.
// -n  also a veth pair whose peer is born in the container's namespace (one message), and inside lo
//     up, address, eth0 up, default route (one sendmsg). The child prepares its socket while the
//     parent makes the pair, as anyone in a hurry would.
// -c  also all else that mini-run promises: a copy-on-write root, /proc, /sys and /dev, an init,
//     capabilities, no_new_privs, seccomp, a port held and published by a map element (in
//     table ip bare), a record. What this takes, no program that keeps the promises can go below.
#define _GNU_SOURCE
#include "bare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

noreturn void die(const char* what) {
  perror(what);
  _exit(125);
}

void die_if(int failed, const char* what) {
  if (failed) die(what);
}

struct network {
  struct in_addr address, gateway;
  unsigned char prefix;
  unsigned bridge;  // its index; 0: no network
};

static pid_t clone_child(void) {
  const unsigned long flags = CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWPID |
                              CLONE_NEWIPC | CLONE_NEWCGROUP | SIGCHLD;
  pid_t child = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
  die_if(child < 0, "clone");
  // A parent that fails ends without a word to us: do not wait for it for ever.
  if (child == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
  return child;
}

static int status_of(pid_t child) {
  int status = 0;
  die_if(waitpid(child, &status, 0) < 0, "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_bare(const struct network* network, char** program, int ready) {
  uint64_t one = 1;
  pid_t child = clone_child();
  if (child == 0) {
    if (network->bridge != 0) {
      int fd = open_route_socket();
      die_if(read(ready, &one, sizeof one) < 0, "read");
      configure(fd, network->address, network->prefix, network->gateway);
    }
    execvp(*program, program);
    die(*program);
  }
  if (network->bridge != 0) {
    make_veth(child, network->bridge);
    die_if(write(ready, &one, sizeof one) < 0, "write");
  }
  return status_of(child);
}

static int hold_port(void) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(8080)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  die_if(fd < 0 || bind(fd, (struct sockaddr*)&any, sizeof any) != 0, "bind");
  return fd;
}

static int open_namespace(const char* of, const char* which) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%s/ns/%s", of, which);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  die_if(fd < 0, path);
  return fd;
}

// A mount namespace takes longer to die than its container to start, and so does what was deleted
// through an nf_tables socket: somebody keeps both, and all that is open, until we are gone.
static void die_first(void) {
  int alive[2];
  die_if(pipe2(alive, O_CLOEXEC) != 0, "pipe");
  pid_t keeper = fork();
  die_if(keeper < 0, "fork");
  if (keeper > 0) return;
  close(alive[1]);
  char end;
  ssize_t nothing = read(alive[0], &end, 1);
  (void)nothing;
  _exit(0);
}

static int run_container(const struct network* network, char** program, int ready) {
  uint64_t one = 1;
  char pid[16];
  look_at_host();
  hold_port();
  int record = make_record();
  pid_t child = clone_child();
  if (child == 0) {
    enter_root(record);
    run_as_init(program, ready);
  }
  // The child is busy with its root: its network is ours to configure.
  snprintf(pid, sizeof pid, "%d", child);
  open_namespace(pid, "mnt");
  int home = open_namespace("self", "net");
  die_if(setns(open_namespace(pid, "net"), CLONE_NEWNET) != 0, "setns");
  int inside = open_route_socket();
  die_if(setns(home, CLONE_NEWNET) != 0, "setns");
  make_veth(child, network->bridge);
  configure(inside, network->address, network->prefix, network->gateway);
  int netfilter = open_netfilter_socket();
  publish(netfilter, network->address, 1);
  die_if(write(ready, &one, sizeof one) < 0, "write");
  int status = status_of(child);
  publish(netfilter, network->address, 0);
  remove_record(record);
  die_first();
  return status;
}

static int usage(void) {
  fprintf(stderr, "usage: bare [-n BRIDGE ADDRESS/LENGTH GATEWAY [-c]] PROGRAM [ARG...]\n");
  return 125;
}

int main(int argc, char** argv) {
  struct network network = {0};
  char** program = argv + 1;
  int whole = 0;
  if (argc > 5 && strcmp(argv[1], "-n") == 0) {
    char* slash = strchr(argv[3], '/');
    if (!slash) return usage();
    *slash = '\0';
    network.prefix = (unsigned char)atoi(slash + 1);
    network.bridge = if_nametoindex(argv[2]);
    die_if(network.bridge == 0, argv[2]);
    if (!inet_aton(argv[3], &network.address) || !inet_aton(argv[4], &network.gateway))
      return usage();
    whole = strcmp(argv[5], "-c") == 0;
    program = argv + 5 + whole;
  }
  if (!*program) return usage();
  int ready = eventfd(0, EFD_CLOEXEC);
  die_if(ready < 0, "eventfd");
  return whole ? run_container(&network, program, ready) : run_bare(&network, program, ready);
}
