// SPDX-License-Identifier: MIT
// Who holds a port: sock_diag(7) names the socket, /proc the process that has it open.
#include "netsetup/port_owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "netsetup/socket_table.h"

namespace netsetup {

namespace {

/// What holds PORT (0: any) already. A kernel without the diag module has nothing to say.
std::vector<PortSocket> holders(netlink::Socket& diag, Protocol protocol, std::uint16_t port) {
  try {
    return port_sockets(diag, protocol, PortUse::Holds, port);
  } catch (const base::Error& error) {
    if (error.code().value() != ENOENT) throw;
    return {};
  }
}

/// Whether SOCKET stands in the way of PORT.
bool conflicts(const PortSocket& socket, const PublishedPort& port) {
  if (!port.host_ports().contains(socket.port)) return false;
  if (!port.host_address) return true;
  if (port.host_address->family == Family::V4 ? !socket.ipv4 : !socket.ipv6) return false;
  return !socket.address || port.host_address->is_any() || socket.address == port.host_address;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory list_directory(const std::string& path) {
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return nullptr;
  Directory directory(::fdopendir(fd.get()));
  if (directory) static_cast<void>(fd.release());
  return directory;
}

bool has_open(const std::string& process, std::string_view link) {
  const Directory directory = list_directory("/proc/" + process + "/fd");
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
  const Directory proc = list_directory("/proc");
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
  for (const PortSocket& socket : holders(diag, port.protocol, port.host_port))
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
    const auto held = holders(diag, protocol, 0);
    for (const PublishedPort& port : ports) {
      if (!wanted(port) || port.host_port == 0) continue;
      const auto in_the_way = [&](const PortSocket& socket) { return conflicts(socket, port); };
      const auto found = std::ranges::find_if(held, in_the_way);
      if (found == held.end()) continue;
      taken.push_back(port);
      if (port.count == 1) continue;
      taken.back().host_port = taken.back().container_port = found->port;
      taken.back().count = 1;
    }
  }
  return taken;
}

}  // namespace netsetup
