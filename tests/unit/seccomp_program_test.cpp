// SPDX-License-Identifier: MIT
// The seccomp program by simulation, against a plain reading of the rules, for every number.
#include "runtime/seccomp.h"

#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/text.h"
#include "runtime/configs.h"
#include "runtime/seccomp_policy.h"

using base::cat;
using runtime::compile_seccomp;
using runtime::default_capabilities;

namespace {

// ---- the program, simulated ---------------------------------------------------------------------

/// What PROGRAM answers to CALL: the few instructions that ours has, by linux/filter.h.
std::uint32_t simulate(std::span<const sock_filter> program, const seccomp_data& call) {
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const auto& step = program[at];
    bool holds = false;
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (step.k + sizeof accumulator > sizeof call) FAIL("a load beyond the call's data");
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + step.k,
                    sizeof accumulator);
        continue;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= step.k;
        continue;
      case BPF_RET | BPF_K:
        return step.k;
      case BPF_JMP | BPF_JA:
        at += step.k;
        continue;
      case BPF_JMP | BPF_JEQ | BPF_K:
        holds = accumulator == step.k;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        holds = accumulator >= step.k;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        holds = accumulator > step.k;
        break;
      default:
        FAIL("an instruction that ours does not use: " << step.code);
    }
    at += holds ? step.jt : step.jf;
  }
  FAIL("the program runs off its end");
  return 0;
}

// ---- the rules, read plainly --------------------------------------------------------------------

bool matches(const runtime::SyscallRule& rule, const seccomp_data& call) {
  for (const auto& condition : rule.conditions) {
    const std::uint64_t argument = call.args[condition.argument];
    bool holds = false;
    switch (condition.compare) {
      case runtime::Compare::Equal:
        holds = argument == condition.value;
        break;
      case runtime::Compare::NotEqual:
        holds = argument != condition.value;
        break;
      case runtime::Compare::Less:
        holds = argument < condition.value;
        break;
      case runtime::Compare::LessOrEqual:
        holds = argument <= condition.value;
        break;
      case runtime::Compare::Greater:
        holds = argument > condition.value;
        break;
      case runtime::Compare::GreaterOrEqual:
        holds = argument >= condition.value;
        break;
      case runtime::Compare::MaskedEqual:
        holds = (argument & condition.mask) == condition.value;
        break;
    }
    if (!holds) return false;
  }
  return true;
}

/// The rules that name one number, and what counts where none of them matches.
struct Wanted {
  std::vector<const runtime::SyscallRule*> rules;
  std::uint32_t otherwise;
};

/// What POLICY wants for every number below LIMIT of ABI.
std::vector<Wanted> wanted_by(const runtime::SeccompPolicy& policy, const runtime::Abi& abi,
                              std::uint32_t limit) {
  std::vector<Wanted> wanted(limit, {{}, policy.default_action});
  std::uint32_t newest = 0;
  const auto number_of = [&](const std::string& name) {
    const auto number = runtime::syscall_number(abi, name);
    if (number) newest = std::max(newest, *number - abi.first);
    return number;
  };
  for (const auto& name : policy.left_out) number_of(name);
  for (const auto& rule : policy.rules)
    for (const auto& name : rule.names)
      if (const auto number = number_of(name))
        wanted.at(*number - abi.first).rules.push_back(&rule);
  if (policy.default_action != SECCOMP_RET_ALLOW)
    for (std::uint32_t number = newest + 1; number < limit; ++number)
      wanted[number].otherwise = SECCOMP_RET_ERRNO | ENOSYS;
  return wanted;
}

/// Every rule looked at, no order but strictness.
std::uint32_t answer_to(const Wanted& wanted, const seccomp_data& call) {
  const auto strictness = [](std::uint32_t action) {
    return static_cast<std::int32_t>(action & SECCOMP_RET_ACTION_FULL);
  };
  std::optional<std::uint32_t> answer;
  for (const auto* rule : wanted.rules)
    if (matches(*rule, call) && (!answer || strictness(rule->action) < strictness(*answer)))
      answer = rule->action;
  return answer.value_or(wanted.otherwise);
}

/// All values that a rule mentions, their neighbours, and both with a high bit more.
std::vector<std::uint64_t> interesting_values(const runtime::SeccompPolicy& policy) {
  std::vector<std::uint64_t> values = {0, 1, ~0ULL, 1ULL << 32U, 1ULL << 63U};
  for (const auto& rule : policy.rules)
    for (const auto& condition : rule.conditions)
      for (const std::uint64_t value : {condition.value, condition.mask})
        for (const std::uint64_t high : {0ULL, 1ULL << 32U, 1ULL << 63U})
          for (const std::uint64_t around : {value - 1, value, value + 1})
            values.push_back(around ^ high);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

/// Compares program and rules for every number of every named ABI, and for arguments around all
/// values that a rule mentions. Returns the first difference, or nothing.
std::string first_difference(std::string_view profile, runtime::CapabilitySet set) {
  constexpr std::uint32_t Limit = 700;
  const auto policy = runtime::parse_seccomp_profile(profile, set);
  const auto program = compile_seccomp(profile, set);
  const auto values = interesting_values(policy);
  for (const auto& abi : policy.abis) {
    const auto wanted = wanted_by(policy, abi, Limit);
    for (std::uint32_t number = 0; number < Limit; ++number)
      for (const std::uint64_t value : values)
        for (unsigned argument = 0; argument < 3; ++argument) {
          seccomp_data call{};
          call.nr = static_cast<int>(number + abi.first);
          call.arch = abi.audit;
          std::fill(std::begin(call.args), std::end(call.args), value);
          call.args[argument] = 7;
          const auto want = answer_to(wanted[number], call);
          const auto got = simulate(program, call);
          if (want != got)
            return cat(abi.name, " call ", number, " argument ", value, ": ", got, " instead of ",
                       want);
        }
  }
  return "";
}

seccomp_data call_of(std::uint32_t audit, std::uint32_t number, std::uint64_t first = 0,
                     std::uint64_t second = 0) {
  seccomp_data call{};
  call.arch = audit;
  call.nr = static_cast<int>(number);
  call.args[0] = first;
  call.args[1] = second;
  return call;
}

constexpr std::uint32_t Allow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t Eperm = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t Enosys = SECCOMP_RET_ERRNO | ENOSYS;

/// A profile that lets everything pass but TEXT's rules: what a weakened run is tried under.
std::string open_profile(std::string_view rules = "") {
  return cat(R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures":
    ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"], "syscalls": [)",
             rules, "]}");
}

}  // namespace

TEST_CASE("the program answers as the rules read: default profile, several sets of capabilities") {
  using runtime::capability;
  for (const auto set :
       {default_capabilities(), runtime::CapabilitySet{0}, ~runtime::CapabilitySet{0},
        capability("SYS_ADMIN"), default_capabilities() | capability("SYS_PTRACE")})
    CHECK(first_difference(configs::Seccomp, set) == "");
}

TEST_CASE("the program answers as the rules read: every comparison, several conditions") {
  std::string rules;
  for (const auto* compare : {"EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"})
    for (const auto* value : {"0", "7", "4294967295", "4294967296", "1311768467463790320"}) {
      const auto condition = cat(R"({"index": 0, "op": "SCMP_CMP_)", compare, R"(", "value": )",
                                 value, R"(, "valueTwo": 4})");
      for (const auto& args :
           {condition, cat(condition, R"(, {"index": 2, "op": "SCMP_CMP_LT", "value": 8})")}) {
        rules = cat(R"({"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 9, "args": [)",
                    args, "]}");
        for (const auto* other :
             {"", R"(, {"names": ["read"], "action": "SCMP_ACT_ALLOW"})",
              R"(, {"names": ["read", "write"], "action": "SCMP_ACT_KILL_PROCESS",
                    "args": [{"index": 1, "op": "SCMP_CMP_EQ", "value": 7}]})"}) {
          const auto profile = open_profile(cat(rules, other));
          CHECK_MESSAGE(first_difference(profile, 0) == "", profile);
        }
      }
    }
}

TEST_CASE("the program answers as the rules read: around the reach of a conditional jump") {
  std::vector<std::string> names;
  const auto policy = runtime::parse_seccomp_profile(configs::Seccomp, default_capabilities());
  for (const auto& rule : policy.rules)
    if (rule.conditions.empty()) names.insert(names.end(), rule.names.begin(), rule.names.end());
  std::string rules;  // each call is answered in a way of its own: halves of every length
  for (std::size_t count = 0; count < names.size(); ++count) {
    rules += cat(count == 0 ? "" : ",", R"({"names": [")", names[count],
                 R"("], "action": "SCMP_ACT_ERRNO", "errnoRet": )", count + 100, "}");
    if (count < 150) continue;
    const auto profile = cat(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [)", rules, "]}");
    CHECK(first_difference(profile, 0) == "");
  }
  CHECK(names.size() > 350);
}

TEST_CASE("a list of conditions on one argument is a choice") {
  const auto program = compile_seccomp(configs::Seccomp, default_capabilities());
  const auto socket = *runtime::syscall_number(runtime::all_abis()[0], "socket");
  const auto audit = runtime::all_abis()[0].audit;
  for (std::uint32_t family = 0; family < 64; ++family) {
    const bool refused = family == 12 || family == 19 || family == 20 || family == 23 ||
                         family == 25 || family == 34 || family == 37 || family == AF_ALG ||
                         family == AF_VSOCK || family > AF_MCTP;
    CHECK(simulate(program, call_of(audit, socket, family)) == (refused ? Eperm : Allow));
  }
  CHECK(simulate(program, call_of(audit, socket, AF_INET | 1ULL << 32U)) == Eperm);
}

TEST_CASE("the filter that was made at build time is the one of the profile") {
  const auto built = runtime::default_seccomp();
  const auto now = compile_seccomp(configs::Seccomp, default_capabilities());
  REQUIRE(built.size() == now.size());
  CHECK(std::memcmp(built.data(), now.data(), built.size_bytes()) == 0);
  CHECK(built.size() < 400);  // it is loaded at every start
}

#if defined(__x86_64__)
TEST_CASE("no numbering of the calls is left open") {
  const auto filter = runtime::default_seccomp();
  const auto answer = [&](std::uint32_t audit, std::uint32_t number, std::uint64_t first = 0,
                          std::uint64_t second = 0) {
    return simulate(filter, call_of(audit, number, first, second));
  };
  constexpr std::uint32_t X32 = 0x40000000;
  CHECK(answer(AUDIT_ARCH_X86_64, 0) == Allow);     // read
  CHECK(answer(AUDIT_ARCH_X86_64, 466) == Allow);   // removexattrat, the newest named
  CHECK(answer(AUDIT_ARCH_X86_64, 467) == Enosys);  // open_tree_attr, newer than the profile
  CHECK(answer(AUDIT_ARCH_X86_64, 435) == Enosys);  // clone3
  CHECK(answer(AUDIT_ARCH_X86_64, 425) == Eperm);   // io_uring_setup: known and not allowed
  CHECK(answer(AUDIT_ARCH_X86_64, X32 | 0) == Enosys);
  CHECK(answer(AUDIT_ARCH_X86_64, 0xffffffff) == Enosys);
  CHECK(answer(AUDIT_ARCH_I386, 3) == Allow);             // read
  CHECK(answer(AUDIT_ARCH_I386, 21) == Eperm);            // mount
  CHECK(answer(AUDIT_ARCH_I386, 102, 1) == Enosys);       // socketcall(SYS_SOCKET, pointer)
  CHECK(answer(AUDIT_ARCH_I386, 359, AF_INET) == Allow);  // socket
  CHECK(answer(AUDIT_ARCH_I386, 359, AF_ALG) == Eperm);
  CHECK(answer(AUDIT_ARCH_I386, 337) == Allow);             // recvmmsg
  CHECK(answer(AUDIT_ARCH_I386, 395) == Allow);             // shmget, since Linux 5.1
  CHECK(answer(AUDIT_ARCH_I386, 54, 0, TIOCSTI) == Eperm);  // ioctl
  CHECK(answer(AUDIT_ARCH_I386, 600) == Enosys);
  CHECK(answer(AUDIT_ARCH_ARM, 3) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("an ABI that the profile does not name is closed, also where the default is to allow") {
  const auto program = compile_seccomp(R"({"defaultAction": "SCMP_ACT_ALLOW"})", 0);
  CHECK(simulate(program, call_of(AUDIT_ARCH_X86_64, 0)) == Allow);
  CHECK(simulate(program, call_of(AUDIT_ARCH_X86_64, 600)) == Allow);
  CHECK(simulate(program, call_of(AUDIT_ARCH_X86_64, 0x40000000)) == Enosys);
  CHECK(simulate(program, call_of(AUDIT_ARCH_I386, 3)) == SECCOMP_RET_KILL_PROCESS);
}
#endif

TEST_CASE("capabilities open what belongs to them") {
  const auto& abi = runtime::all_abis()[0];
  const auto answer = [&](std::string_view capability, const std::string& name,
                          std::uint64_t first = 0) {
    const auto set = capability.empty() ? 0 : runtime::capability(capability);
    return simulate(compile_seccomp(configs::Seccomp, set),
                    call_of(abi.audit, runtime::syscall_number(abi, name).value(), first));
  };
  const std::pair<const char*, const char*> pairs[] = {{"SYS_ADMIN", "mount"},
                                                       {"SYS_ADMIN", "unshare"},
                                                       {"SYS_CHROOT", "chroot"},
                                                       {"SYS_MODULE", "init_module"},
                                                       {"BPF", "bpf"},
                                                       {"SYSLOG", "syslog"},
                                                       {"DAC_READ_SEARCH", "open_by_handle_at"},
                                                       {"SYS_TIME", "clock_settime"}};
  for (const auto& [capability, name] : pairs) {
    CHECK(answer("", name) == Eperm);
    CHECK(answer(capability, name) == Allow);
  }
  CHECK(answer("", "clone", CLONE_NEWUSER) == Eperm);
  CHECK(answer("SYS_ADMIN", "clone", CLONE_NEWUSER) == Allow);
  CHECK(answer("SYS_ADMIN", "clone3") == Allow);
}
