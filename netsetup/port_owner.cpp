// SPDX-License-Identifier: MIT
// Who holds a port: sock_diag(7) names the socket, /proc the process that has it open.
#include "netsetup/port_owner.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "netsetup/netlink.h"

namespace netsetup {

namespace {

// States of a socket, as bits of a request (include/net/tcp_states.h). A TCP socket that is bound
// and neither listens nor is connected is listed under a state of its own since Linux 6.8.
constexpr std::uint32_t Established = 1U << 1U;
constexpr std::uint32_t Closed = 1U << 7U;  // a UDP socket that is not connected
constexpr std::uint32_t Listening = 1U << 10U;
constexpr std::uint32_t BoundInactive = 1U << 13U;

struct PortSocket {
  bool ipv6 = false;
  std::optional<Ipv4> address;  // nothing: any address
  bool only_ipv6 = false;       // of an IPv6 socket: does not serve IPv4
  std::uint16_t port = 0;
  unsigned inode = 0;
};

std::optional<PortSocket> parse_socket(const nlmsghdr* header) {
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
  const auto& diag = *static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(header));
  PortSocket socket;
  socket.ipv6 = diag.idiag_family == AF_INET6;
  socket.port = ntohs(diag.id.idiag_sport);
  socket.inode = diag.idiag_inode;
  const auto& source = diag.id.idiag_src;
  const auto is_zero = [](std::uint32_t word) { return word == 0; };
  if (!socket.ipv6) {
    if (source[0] != 0) socket.address = Ipv4{ntohl(source[0])};
    return socket;
  }
  if (const auto* only = netlink::Attributes(header, sizeof diag).find(INET_DIAG_SKV6ONLY))
    socket.only_ipv6 = netlink::value_u8(only) != 0;
  const bool mapped = source[0] == 0 && source[1] == 0 && source[2] == htonl(0xffff);
  if (mapped)
    socket.address = Ipv4{ntohl(source[3])};
  else if (!std::all_of(std::begin(source), std::end(source), is_zero))
    socket.only_ipv6 = true;  // an IPv6 address of its own
  return socket;
}

std::vector<PortSocket> sockets(netlink::Socket& diag, int family, Protocol protocol) {
  netlink::Message message(SOCK_DIAG_BY_FAMILY, 0);
  auto& request = message.extra_header<inet_diag_req_v2>();
  request.sdiag_family = static_cast<std::uint8_t>(family);
  request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
  request.idiag_states =
      protocol == Protocol::Tcp ? Listening | BoundInactive : Established | Closed;
  return diag.dump<PortSocket>(message, parse_socket);
}

/// Every socket of PROTOCOL that holds a port. A kernel without the diag module has nothing to say.
std::vector<PortSocket> all_sockets(netlink::Socket& diag, Protocol protocol) {
  std::vector<PortSocket> all;
  for (const int family : {AF_INET, AF_INET6}) {
    try {
      const auto some = sockets(diag, family, protocol);
      all.insert(all.end(), some.begin(), some.end());
    } catch (const base::Error& error) {
      if (error.code().value() != ENOENT) throw;
    }
  }
  return all;
}

/// Whether SOCKET stands in the way of PORT. A port on every address is reserved for IPv6 too.
bool conflicts(const PortSocket& socket, const PublishedPort& port) {
  if (socket.port != port.host_port) return false;
  if (!port.host_address) return true;
  if (socket.only_ipv6) return false;
  return !socket.address || socket.address == port.host_address;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory open_directory(const std::string& path) {
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return nullptr;
  Directory directory(::fdopendir(fd.get()));
  if (directory) static_cast<void>(fd.release());
  return directory;
}

bool has_open(const std::string& process, std::string_view link) {
  const Directory directory = open_directory("/proc/" + process + "/fd");
  if (!directory) return false;  // has ended, or is not ours to look at
  std::array<char, 64> target;
  while (const dirent* entry = ::readdir(directory.get())) {
    const ssize_t length =
        ::readlinkat(::dirfd(directory.get()), entry->d_name, target.data(), target.size());
    if (length > 0 && std::string_view(target.data(), static_cast<std::size_t>(length)) == link)
      return true;
  }
  return false;
}

std::string process_with(unsigned inode) {
  const std::string link = base::cat("socket:[", inode, "]");
  const Directory proc = open_directory("/proc");
  while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    const std::string process = entry->d_name;
    if (!base::parse_number<unsigned>(process) || !has_open(process, link)) continue;
    std::string name = base::read_file("/proc/" + process + "/comm").value_or("a process");
    if (name.ends_with('\n')) name.pop_back();
    return base::cat(base::printable(name), " (pid ", process, ")");
  }
  return "a process that cannot be seen";
}

}  // namespace

std::optional<std::string> port_owner(const PublishedPort& port) {
  netlink::Socket diag(NETLINK_SOCK_DIAG);
  for (const PortSocket& socket : all_sockets(diag, port.protocol))
    if (conflicts(socket, port)) return process_with(socket.inode);
  return std::nullopt;
}

std::vector<PublishedPort> taken_ports(const std::vector<PublishedPort>& ports) {
  std::vector<PublishedPort> taken;
  if (ports.empty()) return taken;
  netlink::Socket diag(NETLINK_SOCK_DIAG);
  for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp}) {
    const auto wanted = [&](const PublishedPort& port) { return port.protocol == protocol; };
    if (std::ranges::none_of(ports, wanted)) continue;
    const auto held = all_sockets(diag, protocol);
    for (const PublishedPort& port : ports) {
      const auto in_the_way = [&](const PortSocket& socket) { return conflicts(socket, port); };
      if (wanted(port) && port.host_port != 0 && std::ranges::any_of(held, in_the_way))
        taken.push_back(port);
    }
  }
  return taken;
}

}  // namespace netsetup
