// SPDX-License-Identifier: MIT
// The container's /etc/hosts and /etc/resolv.conf.
//
// Theory of operation. Most hosts of today name 127.0.0.53 in /etc/resolv.conf: a resolver of
// their own (systemd-resolved), on the host's loopback. In the container's network namespace that
// address is the container's own loopback, where nobody answers. The servers which that resolver
// asks itself stand in /run/systemd/resolve/resolv.conf: the container asks them directly.
#include "runtime/etc_files.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

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

/// What the container can use of a resolv.conf(5), and why not the rest.
struct Resolvers {
  std::string servers;  // lines
  std::string others;   // the lines search, domain, options and sortlist
  bool loopback = false;
};

Resolvers read_resolvers(std::string_view text) {
  Resolvers found;
  for (const auto line : base::split(text, '\n')) {
    if (const auto value = value_of(line, "nameserver")) {
      const auto word = first_word(*value);
      const auto address = netsetup::Ip::parse(word);
      if (address && address->is_loopback())
        found.loopback = true;
      else if (address)
        found.servers += cat("nameserver ", word, '\n');
    } else if (value_of(line, "search") || value_of(line, "domain") || value_of(line, "options") ||
               value_of(line, "sortlist")) {
      found.others += cat(line, '\n');
    }
  }
  return found;
}

std::string note_without_servers(const Resolvers& host) {
  std::string_view names = "names no name server";
  if (host.loopback) names = "names only servers on the host's loopback";
  return cat("the container cannot resolve names: /etc/resolv.conf ", names,
             "; --dns ADDRESS gives it one");
}

}  // namespace

std::string hosts(std::string_view hostname, const std::vector<netsetup::Ip>& addresses,
                  const std::vector<netsetup::Ip>& gateways,
                  const std::vector<std::pair<std::string, netsetup::Ip>>& add_host) {
  std::string text =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n";
  for (const auto& [name, other] : add_host) text += cat(other.text(), '\t', name, '\n');
  for (const auto& address : addresses) {
    text += cat(address.text(), '\t', hostname);
    if (const auto dot = hostname.find('.'); dot != std::string_view::npos)
      text += cat(' ', hostname.substr(0, dot));
    text += '\n';
  }
  for (const std::string_view host : {"host.mini.internal", "host.docker.internal"}) {
    if (std::ranges::find(add_host, host, &std::pair<std::string, netsetup::Ip>::first) !=
        add_host.end())
      continue;
    for (const auto& gateway : gateways) text += cat(gateway.text(), '\t', host, '\n');
  }
  return text;
}

ResolvConf resolv_conf(std::string_view host, std::string_view upstream,
                       const std::vector<std::string>& dns) {
  const auto own = read_resolvers(host);
  ResolvConf result{own.others, {}};
  if (!dns.empty()) {
    for (const auto& server : dns) result.text += cat("nameserver ", server, '\n');
    return result;
  }
  const auto servers = own.servers.empty() ? read_resolvers(upstream).servers : own.servers;
  result.text += servers;
  if (servers.empty()) result.note = note_without_servers(own);
  return result;
}

ResolvConf read_host_resolv_conf(std::string_view container, const std::vector<std::string>& dns) {
  std::string trouble;
  const auto read = [&trouble](const std::string& path) -> std::optional<std::string> {
    try {
      return base::read_file(path);
    } catch (const base::Error& error) {
      trouble = cat(error.what(), "; --dns ADDRESS gives the container a name server");
      return std::nullopt;
    }
  };
  auto host = read(cat("/etc/netns/", container, "/resolv.conf"));
  if (host && dns.empty()) return {*host, {}};
  if (!host) host = read("/etc/resolv.conf");
  std::optional<std::string> upstream;
  // Read only where it is asked for: most starts then open one file less.
  if (dns.empty() && (!host || read_resolvers(*host).servers.empty()))
    upstream = read("/run/systemd/resolve/resolv.conf");
  auto result = resolv_conf(host.value_or(""), upstream.value_or(""), dns);
  if (!trouble.empty() && !result.note.empty()) result.note = trouble;
  return result;
}

}  // namespace runtime
