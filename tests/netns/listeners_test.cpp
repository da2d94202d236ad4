// SPDX-License-Identifier: MIT
// Ports listened to in every way one can listen, and in the ways that only look like it.
#include "netsetup/listeners.h"

#include <cerrno>

#include "fresh.h"
#include "hold_port.h"

using namespace netsetup;
using fresh::sh;
using hold_port::Hold;
using hold_port::hold;

TEST_CASE("one of a range is enough") {
  const fresh::Host host;
  Listeners listeners;
  const auto server = hold(SOCK_STREAM, "0.0.0.0", 8050, Hold::Listening);
  CHECK(listeners.listening(Protocol::Tcp, {8000, 8099}, Family::V4) == Listening::Yes);
  CHECK(listeners.listening(Protocol::Tcp, {8051, 8099}, Family::V4) == Listening::No);
  CHECK(listeners.listening(Protocol::Tcp, {8000, 8049}, Family::V4) == Listening::No);
}

TEST_CASE("a TCP port is listened to from listen(2) to close(2)") {
  const fresh::Host host;
  Listeners listeners;
  CHECK(listeners.listening(Protocol::Tcp, {80, 80}, Family::V4) == Listening::No);
  {
    const auto socket = hold(SOCK_STREAM, "0.0.0.0", 80, Hold::Bound);
    CHECK(listeners.listening(Protocol::Tcp, {80, 80}, Family::V4) == Listening::No);
    base::check(::listen(socket.get(), 1), "listen");
    CHECK(listeners.listening(Protocol::Tcp, {80, 80}, Family::V4) == Listening::Yes);
    CHECK(listeners.listening(Protocol::Tcp, {81, 81}, Family::V4) == Listening::No);
    CHECK(listeners.listening(Protocol::Udp, {80, 80}, Family::V4) == Listening::No);
  }
  CHECK(listeners.listening(Protocol::Tcp, {80, 80}, Family::V4) == Listening::No);
}

TEST_CASE("who hears: the address and the device of the listener") {
  const fresh::Host host;
  sh("ip link add d0 type bridge && ip addr add 192.0.2.7/24 dev d0");
  Listeners listeners;
  const auto loopback = hold(SOCK_STREAM, "127.0.0.1", 81, Hold::Listening);
  CHECK(listeners.listening(Protocol::Tcp, {81, 81}, Family::V4) == Listening::LoopbackOnly);
  const auto also = hold(SOCK_STREAM, "192.0.2.7", 81, Hold::Listening);
  CHECK(listeners.listening(Protocol::Tcp, {81, 81}, Family::V4) == Listening::Yes);

  const auto own = hold(SOCK_STREAM, "192.0.2.7", 82, Hold::Listening);
  CHECK(listeners.listening(Protocol::Tcp, {82, 82}, Family::V4) == Listening::Yes);

  const auto tied = hold(SOCK_STREAM, "0.0.0.0", 83, Hold::Listening);
  const auto tie = [&](const char* device) {
    const auto size = static_cast<socklen_t>(std::strlen(device));
    base::check(::setsockopt(tied.get(), SOL_SOCKET, SO_BINDTODEVICE, device, size), device);
  };
  tie("lo");
  CHECK(listeners.listening(Protocol::Tcp, {83, 83}, Family::V4) == Listening::LoopbackOnly);
  tie("d0");
  CHECK(listeners.listening(Protocol::Tcp, {83, 83}, Family::V4) == Listening::Yes);
}

TEST_CASE("IPv6 listeners count where they serve IPv4 too") {
  const fresh::Host host;
  Listeners listeners;
  const struct {
    const char* address;
    bool only_ipv6;
    Listening expected;
  } cases[] = {{"::", false, Listening::Yes},
               {"::", true, Listening::OtherFamily},
               {"::1", false, Listening::OtherFamily},
               {"::ffff:127.0.0.1", false, Listening::LoopbackOnly},
               {"::ffff:0.0.0.0", false, Listening::Yes}};
  std::uint16_t port = 80;
  for (const auto& [address, only_ipv6, expected] : cases) {
    CAPTURE(address);
    const auto tcp = hold(SOCK_STREAM, address, ++port, Hold::Listening, only_ipv6);
    const auto udp = hold(SOCK_DGRAM, address, port, Hold::Bound, only_ipv6);
    CHECK(listeners.listening(Protocol::Tcp, {port, port}, Family::V4) == expected);
    CHECK(listeners.listening(Protocol::Udp, {port, port}, Family::V4) == expected);
  }
}

TEST_CASE("a UDP socket hears everyone until it is connected") {
  const fresh::Host host;
  Listeners listeners;
  CHECK(listeners.listening(Protocol::Udp, {53, 53}, Family::V4) == Listening::No);
  const auto socket = hold(SOCK_DGRAM, "0.0.0.0", 53, Hold::Bound);
  CHECK(listeners.listening(Protocol::Udp, {53, 53}, Family::V4) == Listening::Yes);
  CHECK(listeners.listening(Protocol::Tcp, {53, 53}, Family::V4) == Listening::No);
  const auto loopback = hold(SOCK_DGRAM, "127.0.0.1", 54, Hold::Bound);
  CHECK(listeners.listening(Protocol::Udp, {54, 54}, Family::V4) == Listening::LoopbackOnly);

  sockaddr_in other{};
  other.sin_family = AF_INET;
  other.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  other.sin_port = htons(5353);
  const auto* name = reinterpret_cast<const sockaddr*>(&other);
  base::check(::connect(socket.get(), name, sizeof other), "connect");
  CHECK(listeners.listening(Protocol::Udp, {53, 53}, Family::V4) == Listening::No);
}

TEST_CASE("the namespace is that of the construction; its neighbours' listeners do not count") {
  const fresh::Host host;
  const fresh::Namespace container;
  Listeners inside = container.in([] { return Listeners(); });
  const auto outside = hold(SOCK_STREAM, "0.0.0.0", 80, Hold::Listening);
  CHECK(inside.listening(Protocol::Tcp, {80, 80}, Family::V4) == Listening::No);
  const auto there = container.in([] { return hold(SOCK_STREAM, "0.0.0.0", 81, Hold::Listening); });
  CHECK(inside.listening(Protocol::Tcp, {81, 81}, Family::V4) == Listening::Yes);
  CHECK(Listeners().listening(Protocol::Tcp, {81, 81}, Family::V4) == Listening::No);
}

TEST_CASE("connections of a listener do not hide it, nor stand for it") {
  const fresh::Host host;
  Listeners listeners;
  auto listener = hold(SOCK_STREAM, "0.0.0.0", 80, Hold::Listening);
  const base::UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server.sin_port = htons(80);
  const auto* name = reinterpret_cast<const sockaddr*>(&server);
  base::check(::connect(client.get(), name, sizeof server), "connect");
  const base::UniqueFd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  CHECK(listeners.listening(Protocol::Tcp, {80, 80}, Family::V4) == Listening::Yes);
  listener.reset();
  CHECK(listeners.listening(Protocol::Tcp, {80, 80}, Family::V4) == Listening::No);
}
