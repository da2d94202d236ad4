// SPDX-License-Identifier: MIT
// From the name of a system call to its number in each ABI of this machine.
//
// libseccomp knows the numbers, with two gaps that the tables here close. A distribution's library
// is as old as the distribution, and does not know the calls that came after it (those have the
// same number on every architecture). And for i386 it gives socket, shmget and their kin
// pseudo-numbers that stand for the old entries socketcall(2) and ipc(2), while Linux 4.3 and 5.1
// gave them real numbers, which current libraries use.
#include "runtime/syscalls.h"

#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <span>

namespace runtime {
namespace {

struct Number {
  std::string_view name;
  std::uint32_t number;
};

// Source: scripts/syscall.tbl of the kernel ("common" entries).
constexpr std::array<Number, 19> Newest = {{
    {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
    {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
    {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
    {"file_setattr", 469},
}};

#if defined(__x86_64__)
constexpr std::uint32_t X32Bit = 0x40000000;  // __X32_SYSCALL_BIT, asm/unistd.h
constexpr std::array<Abi, 3> Abis = {{
    {"SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0},
    {"SCMP_ARCH_X32", AUDIT_ARCH_X86_64, SCMP_ARCH_X32, X32Bit},
    {"SCMP_ARCH_X86", AUDIT_ARCH_I386, SCMP_ARCH_X86, 0},
}};
constexpr std::string_view Architecture = "amd64";

// x86-64 only: linux/arch/x86/entry/syscalls/syscall_64.tbl.
constexpr std::array<Number, 2> Native = {{{"uretprobe", 335}, {"uprobe", 336}}};

// linux/arch/x86/entry/syscalls/syscall_32.tbl.
constexpr std::array<Number, 27> Direct = {{
    {"socket", 359},      {"socketpair", 360},  {"bind", 361},       {"connect", 362},
    {"listen", 363},      {"accept4", 364},     {"getsockopt", 365}, {"setsockopt", 366},
    {"getsockname", 367}, {"getpeername", 368}, {"sendto", 369},     {"sendmsg", 370},
    {"recvfrom", 371},    {"recvmsg", 372},     {"shutdown", 373},   {"semget", 393},
    {"semctl", 394},      {"shmget", 395},      {"shmctl", 396},     {"shmat", 397},
    {"shmdt", 398},       {"msgget", 399},      {"msgsnd", 400},     {"msgrcv", 401},
    {"msgctl", 402},      {"recvmmsg", 337},    {"sendmmsg", 345},
}};
constexpr std::uint32_t DirectAudit = AUDIT_ARCH_I386;
#elif defined(__aarch64__)
constexpr std::array<Abi, 2> Abis = {{
    {"SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64, 0},
    {"SCMP_ARCH_ARM", AUDIT_ARCH_ARM, SCMP_ARCH_ARM, 0},
}};
constexpr std::string_view Architecture = "arm64";
constexpr std::array<Number, 0> Native = {};
constexpr std::array<Number, 0> Direct = {};
constexpr std::uint32_t DirectAudit = 0;
#else
#error "the table of ABIs has no entry for this architecture"
#endif

std::optional<std::uint32_t> find(std::span<const Number> table, std::string_view name) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Number& n) { return n.name == name; });
  if (found == table.end()) return std::nullopt;
  return found->number;
}

}  // namespace

std::optional<Abi> find_abi(std::string_view name) {
  const auto found =
      std::find_if(Abis.begin(), Abis.end(), [&](const Abi& abi) { return abi.name == name; });
  if (found == Abis.end()) return std::nullopt;
  return *found;
}

std::span<const Abi> all_abis() { return Abis; }

std::string_view native_architecture() { return Architecture; }

std::optional<std::uint32_t> syscall_number(const Abi& abi, const std::string& name) {
  if (abi.audit == DirectAudit)
    if (const auto number = find(Direct, name)) return number;
  const int number = ::seccomp_syscall_resolve_name_arch(abi.library, name.c_str());
  if (number >= 0) return static_cast<std::uint32_t>(number);
  // Pseudo-numbers and __NR_SCMP_ERROR are negative.
  if (const auto newest = find(Newest, name)) return *newest + abi.first;
  if (abi.name == Abis.front().name) return find(Native, name);
  return std::nullopt;
}

}  // namespace runtime
