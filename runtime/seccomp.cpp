// SPDX-License-Identifier: MIT
// The seccomp filter of a container: compiled from a profile, loaded into the kernel.
//
// The way of a profile: seccomp_profile.cpp reads the JSON into a policy, syscalls.cpp
// knows the numbers, seccomp_program.cpp makes the program. For the default profile this happens
// when mini-run is built (bake_configs.cpp), so that a start of a container only loads it.
#include "runtime/seccomp.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "runtime/seccomp_policy.h"

namespace runtime {

BpfProgram compile_seccomp(std::string_view profile, CapabilitySet capabilities) {
  BpfProgram program = generate_seccomp_program(parse_seccomp_profile(profile, capabilities));
  if (program.size() > BPF_MAXINSNS)
    throw base::Error(base::cat("seccomp profile: too long for the kernel: ", program.size(),
                                " instructions, of ", BPF_MAXINSNS));
  return program;
}

void load_seccomp(std::span<const sock_filter> program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()),
                          const_cast<sock_filter*>(program.data())};  // the kernel only reads it
  // Before Linux 5.16 a filter also switches on slow mitigations against speculation for the
  // process; since then it does not, as they protect nothing that the rest does not. SPEC_ALLOW
  // gives the old kernels the new behaviour.
  base::check(static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                         SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter)),
              "load the seccomp filter (the kernel needs CONFIG_SECCOMP_FILTER)");
}

}  // namespace runtime
