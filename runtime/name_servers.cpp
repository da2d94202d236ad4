// SPDX-License-Identifier: MIT
// Most hosts of today name 127.0.0.53 in /etc/resolv.conf: a resolver of their own
// (systemd-resolved, dnsmasq), on the host's loopback, which knows what to ask where (split DNS).
// Since mini-run asks in the host's network, that works for a container as for the host itself; and
// since it reads the file anew for each question, so does whatever comes later, as a VPN.
#include "runtime/name_servers.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/step.h"

namespace runtime {

using base::cat;

namespace {

constexpr std::string_view Blanks = " \t\r";

std::string_view first_word(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(Blanks), text.size()));
  return text.substr(0, text.find_first_of(Blanks));
}

/// The rest of LINE where its first word is KEYWORD: at the line's begin, as the C library wants
/// it.
std::optional<std::string_view> value_of(std::string_view line, std::string_view keyword) {
  if (!line.starts_with(keyword) || line.size() == keyword.size()) return std::nullopt;
  if (Blanks.find(line[keyword.size()]) == std::string_view::npos) return std::nullopt;
  return line.substr(keyword.size());
}

template <class Socket>
ServerAddress server(std::string_view text, const Socket& socket) {
  ServerAddress made;
  made.text = text;
  std::memcpy(&made.socket, &socket, sizeof socket);
  made.size = sizeof socket;
  return made;
}

/// The text of the file that names the servers; empty where there is none.
std::string host_file(std::string_view container) {
  if (auto own = base::read_file(cat("/etc/netns/", container, "/resolv.conf"))) return *own;
  return base::read_file("/etc/resolv.conf").value_or("");
}

std::vector<ServerAddress> given(const std::vector<std::string>& dns) {
  std::vector<ServerAddress> servers;
  for (const auto& text : dns)
    if (const auto one = name_server(text)) servers.push_back(*one);
  return servers;
}

}  // namespace

std::optional<ServerAddress> name_server(std::string_view text) {
  const auto percent = std::min(text.find('%'), text.size());
  const auto zone = text.substr(percent);
  const auto address = netsetup::Ip::parse(text.substr(0, percent));
  if (!address) return std::nullopt;
  constexpr auto Port = netsetup::NameServer::Port;
  if (address->family == netsetup::Family::V4) {
    sockaddr_in socket{};
    socket.sin_family = AF_INET;
    socket.sin_port = htons(Port);
    std::memcpy(&socket.sin_addr, address->wire().data(), sizeof socket.sin_addr);
    return zone.empty() ? std::optional(server(text, socket)) : std::nullopt;
  }
  sockaddr_in6 socket{};
  socket.sin6_family = AF_INET6;
  socket.sin6_port = htons(Port);
  std::memcpy(&socket.sin6_addr, address->wire().data(), sizeof socket.sin6_addr);
  if (!zone.empty()) {
    socket.sin6_scope_id = ::if_nametoindex(std::string(zone.substr(1)).c_str());
    if (socket.sin6_scope_id == 0) return std::nullopt;
  }
  return server(text, socket);
}

ResolvConf parse_resolv_conf(std::string_view text) {
  constexpr std::size_t Most = 3;  // MAXNS of resolv.h
  ResolvConf found;
  for (const auto line : base::split(text, '\n')) {
    if (const auto value = value_of(line, "nameserver")) {
      const auto one = name_server(first_word(*value));
      if (one && found.servers.size() < Most) found.servers.push_back(*one);
    } else if (value_of(line, "search") || value_of(line, "domain") || value_of(line, "options") ||
               value_of(line, "sortlist")) {
      found.others += cat(line, '\n');
    }
  }
  return found;
}

std::vector<ServerAddress> name_servers(std::string_view container,
                                        const std::vector<std::string>& dns) {
  return dns.empty() ? parse_resolv_conf(host_file(container)).servers : given(dns);
}

std::string container_resolv_conf(std::string_view others) {
  return cat("nameserver ", netsetup::NameServer::address().text(), "\noptions ndots:0\n", others);
}

FirstLook read_host_resolv_conf(std::string_view container, const std::vector<std::string>& dns,
                                bool served) {
  constexpr std::string_view Remedy = "; --dns ADDRESS gives the container one";
  FirstLook look;
  std::string file;
  try {
    file = host_file(container);
  } catch (const base::Error& error) {
    look.note = cat(error.what(), ", which is to name a name server", Remedy);
  }
  const auto host = parse_resolv_conf(file);
  if (host.servers.empty() && look.note.empty())
    look.note =
        cat("the container can resolve no names but those of its network: "
            "/etc/resolv.conf names no name server",
            Remedy);
  if (!dns.empty()) look.note.clear();
  if (served) {
    look.text = container_resolv_conf(host.others);
  } else if (dns.empty()) {
    look.text = file;
  } else {
    for (const auto& server : dns) look.text += cat("nameserver ", server, '\n');
    look.text += host.others;
  }
  return look;
}

}  // namespace runtime
