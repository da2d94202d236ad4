// SPDX-License-Identifier: MIT
// Theory of operation. A legacy table is one block of memory that getsockopt(2) copies out: entries
// one after the other, each with what it compares, its matches and its target; a chain is where its
// hook begins (hook_entry), and its policy the entry at its underflow. A user's chain begins with
// an entry whose target is ERROR and has the chain's name as its text.
// Source: linux/netfilter_ipv4/ip_tables.h.
//
// Asking for a table makes it, with its hooks in the path of every packet. So /proc is asked first,
// which names those that are there.
#include "netsetup/legacy_tables.h"

#include <netinet/in.h>  // before the kernel's header, which leaves to it what both define

#include <linux/netfilter_ipv4/ip_tables.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace netsetup {

namespace {

constexpr std::string_view Table = "filter";

bool is_there() {
  const auto names = base::read_file("/proc/net/ip_tables_names").value_or("");
  const auto lines = base::split(names, '\n');
  return std::ranges::find(lines, Table) != lines.end();
}

/// A copy of a T at OFFSET, zeros where BLOCK ends before.
template <class T>
T at(const std::vector<char>& block, std::size_t offset) {
  T value{};
  if (offset <= block.size() && block.size() - offset >= sizeof value)
    std::memcpy(&value, block.data() + offset, sizeof value);
  return value;
}

std::string name_of(const xt_entry_target& target) {
  return {target.u.user.name, ::strnlen(target.u.user.name, sizeof target.u.user.name)};
}

}  // namespace

std::optional<std::string> legacy_chain_that_drops(const std::string& interface) {
  if (!is_there()) return std::nullopt;
  const base::UniqueFd socket(base::check(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW),
                                          "open a socket for iptables"));
  ipt_getinfo info{};
  Table.copy(info.name, sizeof info.name);
  socklen_t size = sizeof info;
  if (::getsockopt(socket.get(), IPPROTO_IP, IPT_SO_GET_INFO, &info, &size) < 0)
    return std::nullopt;  // it went meanwhile
  constexpr std::size_t Header = sizeof(ipt_get_entries);
  std::vector<char> block(Header + info.size);
  ipt_get_entries header{};
  Table.copy(header.name, sizeof header.name);
  header.size = info.size;
  std::memcpy(block.data(), &header, Header);
  size = static_cast<socklen_t>(block.size());
  if (::getsockopt(socket.get(), IPPROTO_IP, IPT_SO_GET_ENTRIES, block.data(), &size) < 0)
    return std::nullopt;  // it was changed meanwhile: the next look sees it
  block.erase(block.begin(), block.begin() + Header);

  const auto policy_at = info.underflow[NF_INET_FORWARD];
  const auto policy = at<ipt_entry>(block, policy_at);
  // Verdicts are written as -N-1, jumps as offsets.
  if (at<xt_standard_target>(block, policy_at + policy.target_offset).verdict != -NF_DROP - 1)
    return std::nullopt;
  std::string place = "FORWARD";
  for (std::size_t offset = 0; offset < block.size();) {
    const auto entry = at<ipt_entry>(block, offset);
    if (entry.next_offset < sizeof entry) break;
    if (interface == entry.ip.iniface || interface == entry.ip.outiface) return std::nullopt;
    const std::size_t target = offset + entry.target_offset;
    if (name_of(at<xt_entry_target>(block, target)) == XT_ERROR_TARGET &&
        std::string_view(at<xt_error_target>(block, target).errorname) == "DOCKER-USER")
      place = "DOCKER-USER";
    offset += entry.next_offset;
  }
  return place;
}

}  // namespace netsetup
