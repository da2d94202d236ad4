// SPDX-License-Identifier: MIT
// Ports held by a process of our own, in every way one can hold a port.
#include "netsetup/port_owner.h"

#include <sys/socket.h>

#include <cstring>

#include "fresh.h"
#include "hold_port.h"

using namespace netsetup;
using hold_port::Hold;
using hold_port::hold;

namespace {

PublishedPort published(std::uint16_t port, Protocol protocol = Protocol::Tcp,
                        std::optional<Ip> address = std::nullopt) {
  return {address, port, 80, protocol};
}

const Ip Loopback = Ip::v4(0x7f000001);
const Ip Other = Ip::v4(0xc0000201);

}  // namespace

TEST_CASE("the process that listens is named") {
  const fresh::Host host;
  CHECK_FALSE(port_owner(published(8080)));
  const auto listener = hold(SOCK_STREAM, "0.0.0.0", 8080, Hold::Listening);
  const auto owner = port_owner(published(8080));
  REQUIRE(owner);
  CHECK(owner->ends_with(base::cat(" (pid ", ::getpid(), ")")));
  CHECK(port_owner(published(8080, Protocol::Tcp, Loopback)) == owner);
  CHECK_FALSE(port_owner(published(8080, Protocol::Udp)));
  CHECK_FALSE(port_owner(published(8081)));
}

TEST_CASE("a port on one address is in the way of that address only") {
  const fresh::Host host;
  const auto listener = hold(SOCK_STREAM, "127.0.0.1", 8080, Hold::Listening);
  CHECK(port_owner(published(8080)));
  CHECK(port_owner(published(8080, Protocol::Tcp, Loopback)));
  CHECK_FALSE(port_owner(published(8080, Protocol::Tcp, Other)));
}

TEST_CASE("IPv6 sockets: dual-stack ones hold IPv4 too, others do not") {
  const fresh::Host host;
  const auto dual = hold(SOCK_STREAM, "::", 8080, Hold::Listening);
  const auto only = hold(SOCK_STREAM, "::", 8081, Hold::Listening, true);
  const auto mapped = hold(SOCK_STREAM, "::ffff:127.0.0.1", 8082, Hold::Listening);
  const auto local = hold(SOCK_STREAM, "::1", 8083, Hold::Listening);
  const auto mapped_any = hold(SOCK_STREAM, "::ffff:0.0.0.0", 8084, Hold::Listening);
  CHECK(port_owner(published(8080, Protocol::Tcp, Other)));
  CHECK_FALSE(port_owner(published(8081, Protocol::Tcp, Other)));
  CHECK(port_owner(published(8081)));
  CHECK(port_owner(published(8082, Protocol::Tcp, Loopback)));
  CHECK_FALSE(port_owner(published(8082, Protocol::Tcp, Other)));
  CHECK_FALSE(port_owner(published(8083, Protocol::Tcp, Loopback)));
  CHECK(port_owner(published(8084, Protocol::Tcp, Other)));
  const auto six = [](const char* address) { return *Ip::parse(address); };
  CHECK(port_owner(published(8080, Protocol::Tcp, six("2001:db8::1"))));
  CHECK(port_owner(published(8081, Protocol::Tcp, six("::"))));
  CHECK_FALSE(port_owner(published(8082, Protocol::Tcp, six("::1"))));
  CHECK(port_owner(published(8083, Protocol::Tcp, six("::1"))));
  CHECK(port_owner(published(8083, Protocol::Tcp, six("::"))));
  CHECK_FALSE(port_owner(published(8083, Protocol::Tcp, six("2001:db8::1"))));
}

TEST_CASE("UDP: bound and connected") {
  const fresh::Host host;
  const auto bound = hold(SOCK_DGRAM, "0.0.0.0", 53, Hold::Bound);
  const auto dual = hold(SOCK_DGRAM, "::", 54, Hold::Bound);
  CHECK(port_owner(published(53, Protocol::Udp)));
  CHECK(port_owner(published(54, Protocol::Udp, Loopback)));
  CHECK_FALSE(port_owner(published(53, Protocol::Tcp)));
}

TEST_CASE("one question for many ports") {
  const fresh::Host host;
  const auto tcp = hold(SOCK_STREAM, "0.0.0.0", 8080, Hold::Listening);
  const auto udp = hold(SOCK_DGRAM, "127.0.0.1", 8081, Hold::Bound);
  const std::vector<PublishedPort> asked = {published(8080),
                                            published(8080, Protocol::Udp),
                                            published(8081),
                                            published(8081, Protocol::Udp),
                                            published(8081, Protocol::Udp, Other),
                                            published(0)};
  const std::vector<PublishedPort> expected = {published(8080), published(8081, Protocol::Udp)};
  CHECK(taken_ports(asked) == expected);
  CHECK(taken_ports({}).empty());
  // Of a range, the one that is taken.
  const auto range = taken_ports({{std::nullopt, 8000, 8000, Protocol::Tcp, 1000}});
  REQUIRE(range.size() == 1);
  CHECK(range.front().text() == "8080->8080/tcp");
  CHECK(taken_ports({{std::nullopt, 8000, 8000, Protocol::Tcp, 80}}).empty());
}

TEST_CASE("a socket that nobody shows") {
  const fresh::Host host;
  int ends[2];
  base::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
  const base::UniqueFd keeper(ends[0]);
  const base::UniqueFd other(ends[1]);
  {
    const auto listener = hold(SOCK_STREAM, "0.0.0.0", 8080, Hold::Listening);
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    char byte = 0;
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = listener.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    base::check(static_cast<int>(::sendmsg(keeper.get(), &message, 0)), "sendmsg");
  }
  CHECK(port_owner(published(8080)) == "a process that cannot be seen");
}
