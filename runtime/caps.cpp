// SPDX-License-Identifier: MIT
// Capabilities: the names, the default set, and taking away all that is not in the set.
//
// Theory of operation. The kernel keeps five sets for each thread (capabilities(7)). "Bounding" is
// the ceiling of what execve(2) can ever give back, "permitted" is what the thread holds, and
// "effective" is what counts at this moment. A root user's program gets at execve(2) what bounding
// and permitted have in common. "Inheritable" and "ambient" hand capabilities to programs of other
// users; nothing of ours needs that, and a non-empty inheritable set was CVE-2022-24769 and its
// kin, so both are always emptied. The order matters: bounding can only be lowered with
// CAP_SETPCAP, so it goes first and the permitted set last.
#include "runtime/caps.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace runtime {
namespace {

using base::cat;
using base::Error;

constexpr CapabilitySet bit(unsigned number) { return CapabilitySet{1} << number; }

// The index is the kernel's number; the assertions below tie the table to linux/capability.h.
constexpr std::array<std::string_view, 41> Names = {"CHOWN",
                                                    "DAC_OVERRIDE",
                                                    "DAC_READ_SEARCH",
                                                    "FOWNER",
                                                    "FSETID",
                                                    "KILL",
                                                    "SETGID",
                                                    "SETUID",
                                                    "SETPCAP",
                                                    "LINUX_IMMUTABLE",
                                                    "NET_BIND_SERVICE",
                                                    "NET_BROADCAST",
                                                    "NET_ADMIN",
                                                    "NET_RAW",
                                                    "IPC_LOCK",
                                                    "IPC_OWNER",
                                                    "SYS_MODULE",
                                                    "SYS_RAWIO",
                                                    "SYS_CHROOT",
                                                    "SYS_PTRACE",
                                                    "SYS_PACCT",
                                                    "SYS_ADMIN",
                                                    "SYS_BOOT",
                                                    "SYS_NICE",
                                                    "SYS_RESOURCE",
                                                    "SYS_TIME",
                                                    "SYS_TTY_CONFIG",
                                                    "MKNOD",
                                                    "LEASE",
                                                    "AUDIT_WRITE",
                                                    "AUDIT_CONTROL",
                                                    "SETFCAP",
                                                    "MAC_OVERRIDE",
                                                    "MAC_ADMIN",
                                                    "SYSLOG",
                                                    "WAKE_ALARM",
                                                    "BLOCK_SUSPEND",
                                                    "AUDIT_READ",
                                                    "PERFMON",
                                                    "BPF",
                                                    "CHECKPOINT_RESTORE"};
static_assert(Names[CAP_NET_BIND_SERVICE] == "NET_BIND_SERVICE");
static_assert(Names[CAP_SYS_CHROOT] == "SYS_CHROOT");
static_assert(Names[CAP_SETFCAP] == "SETFCAP");
static_assert(Names[CAP_CHECKPOINT_RESTORE] == "CHECKPOINT_RESTORE");

constexpr CapabilitySet All = bit(Names.size()) - 1;

// The same as configs/capabilities.json, which says why; a unit test compares the two, so that no
// start of a container has to parse JSON.
constexpr CapabilitySet Default = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER) |
                                  bit(CAP_FSETID) | bit(CAP_KILL) | bit(CAP_NET_BIND_SERVICE) |
                                  bit(CAP_SETFCAP) | bit(CAP_SETGID) | bit(CAP_SETPCAP) |
                                  bit(CAP_SETUID) | bit(CAP_SYS_CHROOT);

// The kernel takes a set as two words of 32 bits (capset(2), version 3).
struct ThreadCapabilities {
  CapabilitySet permitted = 0;
  CapabilitySet effective = 0;
};

ThreadCapabilities held() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> words{};
  base::check(static_cast<int>(::syscall(SYS_capget, &header, words.data())),
              "read the capabilities");
  return {words[0].permitted | CapabilitySet{words[1].permitted} << 32U,
          words[0].effective | CapabilitySet{words[1].effective} << 32U};
}

// Every call empties inheritable, and by that ambient, which is never more than inheritable.
void hold(const ThreadCapabilities& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> words{};
  for (unsigned i = 0; i < words.size(); ++i) {
    words[i].permitted = static_cast<std::uint32_t>(sets.permitted >> (32U * i));
    words[i].effective = static_cast<std::uint32_t>(sets.effective >> (32U * i));
  }
  base::check(static_cast<int>(::syscall(SYS_capset, &header, words.data())),
              "set the capabilities");
}

std::string upper_case(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

bool is_all(std::string_view name) { return upper_case(name) == "ALL"; }

}  // namespace

CapabilitySet default_capabilities() { return Default; }

CapabilitySet capability(std::string_view name) {
  const std::string upper = upper_case(name);
  std::string_view key = upper;
  if (key.starts_with("CAP_")) key.remove_prefix(4);
  const auto found = std::find(Names.begin(), Names.end(), key);
  if (found == Names.end())
    throw Error(cat("no capability is called \"", base::printable(name),
                    "\" (capabilities(7) lists them, e.g. NET_RAW)"));
  return bit(static_cast<unsigned>(found - Names.begin()));
}

CapabilitySet resolve_capabilities(CapabilitySet start, const std::vector<std::string>& add,
                                   const std::vector<std::string>& drop) {
  CapabilitySet set = start;
  if (std::any_of(add.begin(), add.end(), is_all)) set = All;
  if (std::any_of(drop.begin(), drop.end(), is_all)) set = 0;
  for (const auto& name : add)
    if (!is_all(name)) set |= capability(name);
  for (const auto& name : drop)
    if (!is_all(name)) set &= ~capability(name);
  return set;
}

CapabilitySet held_capabilities() { return held().effective; }

std::vector<std::string> capability_names(CapabilitySet set) {
  std::vector<std::string> names;
  for (unsigned number = 0; number < Names.size(); ++number)
    if ((set & bit(number)) != 0) names.push_back(cat("CAP_", Names[number]));
  return names;
}

void limit_bounding_set(CapabilitySet set) {
  hold(held());
  // Up to the first number that the kernel does not know, so that those newer than our table go
  // too.
  for (unsigned number = 0; number < 64; ++number) {
    if ((set & bit(number)) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
    if (errno == EINVAL && number > CAP_AUDIT_READ) break;
    throw Error(errno, "limit the bounding set of capabilities");
  }
}

void limit_permitted(CapabilitySet set) {
  const CapabilitySet kept = held().permitted & set;
  hold({kept, kept});
}

}  // namespace runtime
