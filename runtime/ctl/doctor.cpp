// SPDX-License-Identifier: MIT
// What is wrong with this host, as far as containers go, and the command that mends it.
#include <poll.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "netsetup/checkup.h"
#include "runtime/configs.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/table.h"
#include "runtime/description.h"
#include "runtime/name_servers.h"

namespace runtime::ctl {

using base::cat;
using netsetup::Check;
using nlohmann::json;

namespace {

/// Sends each of SERVERS a question (RFC 1035: the name servers of the root) and waits for any
/// answer, a second at most.
bool answers(const std::vector<ServerAddress>& servers) {
  constexpr std::array<std::uint8_t, 17> Question = {0x6d, 0x72, 1, 0, 0, 1, 0, 0, 0,
                                                     0,    0,    0, 0, 0, 2, 0, 1};
  constexpr int Second = 1000;
  std::vector<base::UniqueFd> sockets;
  std::vector<pollfd> waits;
  for (const auto& server : servers) {
    base::UniqueFd socket(::socket(server.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&server.socket), server.size) <
            0 ||
        ::send(socket.get(), Question.data(), Question.size(), 0) < 0)
      continue;
    waits.push_back({socket.get(), POLLIN, 0});
    sockets.push_back(std::move(socket));
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(Second);
  while (!waits.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 ||
        ::poll(waits.data(), waits.size(), static_cast<int>(left.count())) <= 0)
      return false;
    std::array<std::uint8_t, 512> answer{};
    for (auto& wait : waits) {
      if (wait.revents == 0) continue;
      if (::recv(wait.fd, answer.data(), answer.size(), MSG_DONTWAIT) > 0) return true;
      wait.fd = -1;  // refused: poll(2) passes it over
    }
    if (std::ranges::all_of(waits, [](const pollfd& wait) { return wait.fd < 0; })) return false;
  }
  return false;
}

Check check_resolver() {
  constexpr auto Remedy = "mini-run --dns ADDRESS PROGRAM";
  Check check{"resolver", "a name server that containers can ask answers"};
  std::vector<ServerAddress> servers;
  try {
    servers = name_servers("", {});
  } catch (const base::Error& error) {
    check.troubles.push_back({error.what(), Remedy});
    return check;
  }
  if (servers.empty()) {
    check.troubles.push_back({"/etc/resolv.conf names no name server", Remedy});
    return check;
  }
  if (answers(servers)) return check;
  std::vector<std::string> texts;
  texts.reserve(servers.size());
  for (const auto& server : servers) texts.push_back(server.text);
  check.troubles.push_back(
      {cat("no name server answers within a second: ", base::join(texts, ", ")), Remedy});
  return check;
}

Check check_run() {
  constexpr fsblkcnt_t Part = 10;  // a tenth is left
  constexpr unsigned long Megabyte = 1UL << 20U;
  Check check{"run", "/run, where mini-run remembers, has room"};
  struct statvfs room {};
  base::check(::statvfs("/run", &room), "look at /run");
  const bool blocks = room.f_bavail < room.f_blocks / Part;
  const bool files = room.f_ffree < room.f_files / Part;
  if (!blocks && !files) return check;
  const auto doubled = room.f_blocks * room.f_frsize * 2 / Megabyte;
  check.troubles.push_back({cat("/run, where mini-run remembers, has less than a tenth of its ",
                                blocks ? "bytes" : "files", " left"),
                            blocks
                                ? cat("mount -o remount,size=", doubled, "m /run")
                                : cat("mount -o remount,nr_inodes=", room.f_files * 2, " /run")});
  return check;
}

std::vector<netsetup::Place> places_of(int directory) {
  std::vector<netsetup::Place> places;
  try {
    const auto description = read_description(directory);
    if (!description) return places;
    for (const auto& attached : description->networks) {
      netsetup::Place place{attached.network, attached.link, {}};
      for (const auto& address : attached.addresses) place.addresses.push_back(address.address);
      places.push_back(std::move(place));
    }
  } catch (const base::Error&) {
    // Damaged: `minictl ps` says so, and sets it aside.
  }
  return places;
}

json to_json(const std::vector<Check>& checks) {
  json all = json::array();
  const auto add = [&](const Check& check, bool ok, const std::string& finding,
                       const std::string& command) {
    all.push_back({{"check", check.name}, {"ok", ok}, {"finding", finding}, {"command", command}});
  };
  for (const auto& check : checks) {
    if (check.troubles.empty()) add(check, true, check.well, "");
    for (const auto& trouble : check.troubles) add(check, false, trouble.what, trouble.command);
  }
  return all;
}

std::string to_text(const std::vector<Check>& checks) {
  constexpr std::size_t Column = 12;
  std::string text;
  for (const auto& check : checks) {
    const std::string name = check.name + std::string(Column - check.name.size(), ' ');
    if (check.troubles.empty()) text += cat("ok     ", name, check.well, "\n");
    for (const auto& trouble : check.troubles) {
      text += cat("WRONG  ", name, trouble.what, "\n");
      if (!trouble.command.empty()) text += cat("       mend it:    ", trouble.command, "\n");
    }
  }
  return text;
}

}  // namespace

int doctor(bool as_json) {
  if (::geteuid() != 0) throw base::Error("doctor needs root: sudo minictl doctor");
  std::vector<Check> checks = {netsetup::check_kernel(configs::Ruleset)};
  for (auto& check : netsetup::check_network(configs::Ruleset, places_of))
    checks.push_back(std::move(check));
  checks.push_back(check_resolver());
  checks.push_back(check_run());
  if (as_json)
    print_json(to_json(checks));
  else
    print(to_text(checks));
  return std::ranges::all_of(checks, [](const Check& c) { return c.troubles.empty(); }) ? 0 : 1;
}

}  // namespace runtime::ctl
