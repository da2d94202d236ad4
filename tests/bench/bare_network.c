// SPDX-License-Identifier: MIT
// What the network of a container costs in messages to the kernel, and no more.
// Sources: rtnetlink(7), linux/if_link.h, linux/veth.h, linux/netfilter/nf_tables.h.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare.h"

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

int open_route_socket(void) {
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

void make_veth(pid_t child, unsigned bridge) {
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

void configure(int fd, struct in_addr address, unsigned char prefix, struct in_addr gateway) {
  struct batch batch __attribute__((aligned(4))) = {0};
  struct ifreq request = {.ifr_name = "eth0"};  // of the socket's namespace, not of ours
  die_if(ioctl(fd, SIOCGIFINDEX, &request) != 0, "eth0");
  int eth0 = request.ifr_ifindex;
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

static void batch_mark(struct batch* batch, uint16_t type) {
  struct nfgenmsg header = {.nfgen_family = AF_UNSPEC, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
  begin(batch, type, 0, &header, sizeof header);
  batch->message->nlmsg_flags = NLM_F_REQUEST;
  batch->count--;  // it is not acknowledged
  end(batch);
}

static void data_value(struct batch* batch, uint16_t type, const void* data, size_t length) {
  struct rtattr* nest = attribute(batch, NLA_F_NESTED | type, NULL, 0);
  attribute(batch, NFTA_DATA_VALUE, data, length);
  close_nest(batch, nest);
}

int open_netfilter_socket(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  die_if(fd < 0, "socket");
  return fd;
}

void publish(int fd, struct in_addr address, int add) {
  struct batch batch __attribute__((aligned(4))) = {0};
  struct nfgenmsg family = {.nfgen_family = NFPROTO_IPV4};
  const uint16_t operation = add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM;
  // A concatenation holds each part in four bytes.
  uint32_t host_port = htons(8080);
  uint32_t destination[2] = {address.s_addr, htons(80)};
  batch_mark(&batch, NFNL_MSG_BATCH_BEGIN);
  begin(&batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | operation), add ? NLM_F_CREATE : 0, &family,
        sizeof family);
  attribute(&batch, NFTA_SET_ELEM_LIST_TABLE, "bare", 5);
  attribute(&batch, NFTA_SET_ELEM_LIST_SET, "ports", 6);
  struct rtattr* list = attribute(&batch, NLA_F_NESTED | NFTA_SET_ELEM_LIST_ELEMENTS, NULL, 0);
  struct rtattr* element = attribute(&batch, NLA_F_NESTED | NFTA_LIST_ELEM, NULL, 0);
  data_value(&batch, NFTA_SET_ELEM_KEY, &host_port, 2);
  data_value(&batch, NFTA_SET_ELEM_DATA, destination, sizeof destination);
  close_nest(&batch, element);
  close_nest(&batch, list);
  end(&batch);
  batch_mark(&batch, NFNL_MSG_BATCH_END);
  send_batch(fd, &batch);
}
