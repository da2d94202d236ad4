// SPDX-License-Identifier: MIT
// The floor that mini-run is measured against: what the kernel asks for a container, and no more.
//
//   bare [-n BRIDGE ADDRESS/LENGTH GATEWAY] PROGRAM [ARG...]
//
// clone(2) with six new namespaces, exec, wait; with -n also a veth pair whose peer is born in the
// container's namespace (one message), and inside lo up, address, eth0 up, default route (one
// sendmsg). No root file system of its own, no capabilities, no seccomp, no rules, no undo. The
// child prepares its socket while the parent makes the pair, as anyone in a hurry would.
// Sources: clone(2), rtnetlink(7), linux/if_link.h, linux/veth.h.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char* what) {
  perror(what);
  _exit(125);
}

static void die_if(int failed, const char* what) {
  if (failed) die(what);
}

// A buffer of netlink messages, sent at once.
struct batch {
  char bytes[1024];
  size_t length;
  struct nlmsghdr* message;
  int count;
};

static void* put(struct batch* batch, const void* data, size_t length) {
  void* at = batch->bytes + batch->length;
  if (data) memcpy(at, data, length);
  batch->length += NLMSG_ALIGN(length);
  return at;
}

static void begin(struct batch* batch, uint16_t type, uint16_t flags, const void* body,
                  size_t length) {
  struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags};
  batch->message = put(batch, &header, sizeof header);
  put(batch, body, length);
  batch->count++;
}

static void end(struct batch* batch) {
  batch->message->nlmsg_len = (uint32_t)(batch->bytes + batch->length - (char*)batch->message);
}

static struct rtattr* attribute(struct batch* batch, uint16_t type, const void* data,
                                size_t length) {
  struct rtattr header = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(length)};
  struct rtattr* at = put(batch, &header, sizeof header);
  if (length) put(batch, data, length);
  return at;
}

static void close_nest(struct batch* batch, struct rtattr* nest) {
  nest->rta_len = (uint16_t)(batch->bytes + batch->length - (char*)nest);
}

static int open_route_socket(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  die_if(fd < 0, "socket");
  return fd;
}

static void send_batch(int fd, struct batch* batch) {
  die_if(send(fd, batch->bytes, batch->length, 0) < 0, "send");
  while (batch->count > 0) {
    char reply[4096] __attribute__((aligned(4)));
    ssize_t got = recv(fd, reply, sizeof reply, 0);
    die_if(got < 0, "recv");
    const struct nlmsghdr* m;
    for (char* at = reply; at < reply + got; at += NLMSG_ALIGN(m->nlmsg_len)) {
      m = (const struct nlmsghdr*)at;
      if (m->nlmsg_type != NLMSG_ERROR) continue;
      const struct nlmsgerr* ack = NLMSG_DATA(m);
      errno = -ack->error;
      die_if(ack->error != 0, "netlink");
      batch->count--;
    }
  }
}

// ip link add bare-PID master BRIDGE up type veth peer name eth0 netns PID
static void make_veth(pid_t child, unsigned bridge) {
  struct batch batch __attribute__((aligned(4))) = {0};
  struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct ifinfomsg peer = {0};
  char name[IFNAMSIZ];
  int length = snprintf(name, sizeof name, "bare-%d", child) + 1;
  begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
  attribute(&batch, IFLA_IFNAME, name, (size_t)length);
  attribute(&batch, IFLA_MASTER, &bridge, sizeof bridge);
  struct rtattr* info = attribute(&batch, IFLA_LINKINFO, NULL, 0);
  attribute(&batch, IFLA_INFO_KIND, "veth", 4);
  struct rtattr* data = attribute(&batch, IFLA_INFO_DATA, NULL, 0);
  struct rtattr* veth = attribute(&batch, VETH_INFO_PEER, NULL, 0);
  put(&batch, &peer, sizeof peer);
  attribute(&batch, IFLA_IFNAME, "eth0", 5);
  attribute(&batch, IFLA_NET_NS_PID, &child, sizeof child);
  close_nest(&batch, veth);
  close_nest(&batch, data);
  close_nest(&batch, info);
  end(&batch);
  int fd = open_route_socket();
  send_batch(fd, &batch);
  close(fd);
}

static void set_up(struct batch* batch, int index) {
  struct ifinfomsg up = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  begin(batch, RTM_NEWLINK, 0, &up, sizeof up);
  end(batch);
}

// Inside: lo up; address on eth0; eth0 up; default route.
static void configure(int fd, struct in_addr address, unsigned char prefix,
                      struct in_addr gateway) {
  struct batch batch __attribute__((aligned(4))) = {0};
  int eth0 = (int)if_nametoindex("eth0");
  die_if(eth0 == 0, "eth0");
  set_up(&batch, 1);
  struct ifaddrmsg on = {
      .ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = (uint32_t)eth0};
  begin(&batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &on, sizeof on);
  attribute(&batch, IFA_LOCAL, &address, sizeof address);
  attribute(&batch, IFA_ADDRESS, &address, sizeof address);
  end(&batch);
  set_up(&batch, eth0);
  struct rtmsg route = {.rtm_family = AF_INET,
                        .rtm_table = RT_TABLE_MAIN,
                        .rtm_protocol = RTPROT_BOOT,
                        .rtm_scope = RT_SCOPE_UNIVERSE,
                        .rtm_type = RTN_UNICAST};
  begin(&batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
  attribute(&batch, RTA_GATEWAY, &gateway, sizeof gateway);
  attribute(&batch, RTA_OIF, &eth0, sizeof eth0);
  end(&batch);
  send_batch(fd, &batch);
}

static int usage(void) {
  fprintf(stderr, "usage: bare [-n BRIDGE ADDRESS/LENGTH GATEWAY] PROGRAM [ARG...]\n");
  return 125;
}

int main(int argc, char** argv) {
  struct in_addr address = {0};
  struct in_addr gateway = {0};
  unsigned char prefix = 0;
  unsigned bridge = 0;
  char** program = argv + 1;
  if (argc > 5 && strcmp(argv[1], "-n") == 0) {
    char* slash = strchr(argv[3], '/');
    if (!slash) return usage();
    *slash = '\0';
    prefix = (unsigned char)atoi(slash + 1);
    bridge = if_nametoindex(argv[2]);
    die_if(bridge == 0, argv[2]);
    if (!inet_aton(argv[3], &address) || !inet_aton(argv[4], &gateway)) return usage();
    program = argv + 5;
  }
  if (!*program) return usage();

  int veth_made = eventfd(0, EFD_CLOEXEC);
  die_if(veth_made < 0, "eventfd");
  const unsigned long flags = CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWPID |
                              CLONE_NEWIPC | CLONE_NEWCGROUP | SIGCHLD;
  pid_t child = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
  die_if(child < 0, "clone");
  uint64_t one = 1;
  if (child == 0) {
    // A parent that fails ends without a word to us: do not wait for it for ever.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (bridge != 0) {
      int fd = open_route_socket();
      die_if(read(veth_made, &one, sizeof one) < 0, "read");
      configure(fd, address, prefix, gateway);
    }
    execvp(*program, program);
    die(*program);
  }
  if (bridge != 0) {
    make_veth(child, bridge);
    die_if(write(veth_made, &one, sizeof one) < 0, "write");
  }
  int status = 0;
  die_if(waitpid(child, &status, 0) < 0, "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
