// SPDX-License-Identifier: MIT
// Runs when mini-run is built: writes the default filter as C++ source, so that no start of a
// container has to parse JSON or to compile.
#include <cstdio>
#include <exception>

#include "base/file.h"
#include "runtime/configs.h"
#include "runtime/seccomp.h"

namespace {

std::string source(const runtime::BpfProgram& program) {
  std::string out =
      "// SPDX-License-Identifier: MIT\n"
      "// Made by seccomp-compile out of configs/seccomp.json for the default capabilities.\n"
      "#include \"runtime/seccomp.h\"\n\n"
      "namespace {\n"
      "constexpr sock_filter Filter[] = {  // code, jump if true, jump if false, operand\n";
  char line[64];
  for (const auto& step : program) {
    std::snprintf(line, sizeof line, "    {0x%02x, %u, %u, 0x%08x},\n", unsigned{step.code},
                  unsigned{step.jt}, unsigned{step.jf}, step.k);
    out += line;
  }
  return out +
         "};\n"
         "}  // namespace\n\n"
         "std::span<const sock_filter> runtime::default_seccomp() { return Filter; }\n";
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fputs("usage: seccomp-compile OUTPUT.cpp\n", stderr);
    return 2;
  }
  const auto program = runtime::compile_seccomp(configs::Seccomp, runtime::default_capabilities());
  const auto file = base::open_or_throw(argv[1], O_WRONLY | O_CREAT | O_TRUNC, AT_FDCWD, 0644);
  base::write_all(file.get(), source(program), "write the filter");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "seccomp-compile: %s\n", error.what());
  return 1;
}
