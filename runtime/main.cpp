// SPDX-License-Identifier: MIT
// mini-run: one command, one container with a network.
#include <cstring>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/say.h"
#include "runtime/container.h"
#include "runtime/detach.h"
#include "runtime/options.h"
#include "runtime/seal.h"
#include "runtime/tidy.h"

namespace {

/// Where the kernel keeps what /proc/PID/cmdline shows: one string behind the other (proc(5)).
std::span<char> memory_of(int argc, char** argv) {
  if (argc == 0) return {};
  char* const end = argv[argc - 1] + std::strlen(argv[argc - 1]);
  return {argv[0], end};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    runtime::tidy_up_inheritance();
    auto options = runtime::parse_options(argc, argv);
    options.arguments = memory_of(argc, argv);
    if (options.dry_run) {
      runtime::print_plan(options);
      return 0;
    }
    if (runtime::needs_sealing(runtime::resolve_capabilities(runtime::default_capabilities(),
                                                             options.cap_add, options.cap_drop)))
      runtime::run_from_sealed_memfd(argv);
    std::optional<runtime::Herald> herald;
    if (options.detach) herald = runtime::detach();
    runtime::run(options, herald ? &*herald : nullptr);
  } catch (const base::Error& error) {
    base::say(error.what());
    return error.exit_status();
  } catch (const std::exception& error) {
    base::say(error.what());
    return base::ExitFailure;
  }
}
