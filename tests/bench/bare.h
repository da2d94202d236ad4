// SPDX-License-Identifier: MIT
// The parts of bare.c: all end the program with 125 and the reason when the kernel refuses.
#ifndef BARE_H
#define BARE_H

#include <netinet/in.h>
#include <stdnoreturn.h>
#include <sys/types.h>

noreturn void die(const char* what);
void die_if(int failed, const char* what);

// bare_network.c
int open_route_socket(void);
// ip link add bare-PID master BRIDGE up type veth peer name eth0 netns PID
void make_veth(pid_t child, unsigned bridge);
// Inside: lo up; address on eth0; eth0 up; default route. One sendmsg.
void configure(int route_socket, struct in_addr address, unsigned char prefix,
               struct in_addr gateway);
// Closing it waits for what was deleted through it to be freed: some 10 ms.
int open_netfilter_socket(void);
// nft add element ip bare ports { 8080 : ADDRESS . 80 }, or delete
void publish(int netfilter_socket, struct in_addr address, int add);

// bare_container.c
// The host's root, copy-on-write: overlay, proc, sys, dev, pivot_root.
void enter_root(int record);
// Like mini-run's init: forks the program, confined, waits for it. Does not return.
noreturn void run_as_init(char** program, int go);
// What the host has of what is to be hidden: directories and files asked for, mounts listed.
void look_at_host(void);
// A directory with lock, journal, the three files of /etc, the state; its descriptor.
int make_record(void);
void remove_record(int record);

#endif
