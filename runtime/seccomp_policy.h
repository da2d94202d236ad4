// SPDX-License-Identifier: MIT
// A seccomp profile between its two forms: read from JSON, not yet a program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/caps.h"
#include "runtime/seccomp.h"
#include "runtime/syscalls.h"

namespace runtime {

/// What a filter returns: SECCOMP_RET_* and, in the low 16 bits, the errno. Source: seccomp(2).
using SeccompAction = std::uint32_t;

enum class Compare { Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, MaskedEqual };

/// One argument of the call against VALUE, in all 64 bits; MaskedEqual looks at the bits of MASK.
struct Condition {
  unsigned argument = 0;  // 0..5
  Compare compare = Compare::Equal;
  std::uint64_t value = 0;
  std::uint64_t mask = 0;

  bool operator==(const Condition&) const = default;
};

/// ACTION for the calls NAMES where every condition holds.
struct SyscallRule {
  std::vector<std::string> names;
  SeccompAction action = 0;
  std::vector<Condition> conditions;
};

/// A profile as it applies here: to this machine's ABIs and one set of capabilities.
struct SeccompPolicy {
  SeccompAction default_action = 0;
  std::vector<Abi> abis;
  std::vector<SyscallRule> rules;
  std::vector<std::string> left_out;  // names of rules for other capabilities: known, not allowed
};

/// Reads TEXT (JSON in docker's or OCI's form) for a container with the capabilities SET. Throws
/// Error that names the key which is wrong; keys we do not know are errors, a misspelt condition
/// would open what it was to close.
SeccompPolicy parse_seccomp_profile(std::string_view text, CapabilitySet set);

/// The program for POLICY; seccomp_program.cpp tells how it decides.
BpfProgram generate_seccomp_program(const SeccompPolicy& policy);

}  // namespace runtime
