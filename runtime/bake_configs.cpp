// SPDX-License-Identifier: MIT
// Runs when mini-run is built: writes what follows from configs/ as C++ source, so that no start
// of a container has to parse JSON or to compile a filter, and the shim, so that there is one file.
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/text.h"
#include "runtime/configs.h"
#include "runtime/seccomp.h"

namespace {

using base::cat;

/// configs/seccomp.json for the default capabilities.
std::string filter_source() {
  const auto program = runtime::compile_seccomp(configs::Seccomp, runtime::default_capabilities());
  std::string out =
      "namespace {\n"
      "constexpr sock_filter Filter[] = {  // code, jump if true, jump if false, operand\n";
  for (const auto& step : program)
    out += cat("    {", step.code, ", ", unsigned{step.jt}, ", ", unsigned{step.jf}, ", ", step.k,
               "},\n");
  return out +
         "};\n"
         "}  // namespace\n\n"
         "std::span<const sock_filter> runtime::default_seccomp() { return Filter; }\n\n";
}

/// configs/host-root.json: each key is a list of {"path": ..., "why": ...}.
std::string host_root_source() {
  const auto json = nlohmann::json::parse(configs::HostRoot);
  std::string out = "rootfs::HostRoot runtime::default_host_root() {\n  return {\n";
  for (const char* key : {"visible", "hidden", "empty-trees"}) {
    out += "      {\n";
    for (const auto& entry : json.at(key)) out += cat("          ", entry.at("path").dump(), ",\n");
    out += "      },\n";
  }
  return out + "  };\n}\n";
}

/// The program FILE as it is.
std::string shim_source(const char* file) {
  const auto image = base::read_file(file);
  std::string out = "namespace {\nconstexpr unsigned char ShimImage[] = {\n";
  for (const char byte : image.value()) out += cat(int{static_cast<unsigned char>(byte)}, ",\n");
  return out +
         "};\n"
         "}  // namespace\n\n"
         "std::string_view runtime::shim_image() {\n"
         "  return {reinterpret_cast<const char*>(ShimImage), sizeof ShimImage};\n}\n\n";
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fputs("usage: bake-configs OUTPUT.cpp SHIM\n", stderr);
    return 2;
  }
  const auto file = base::open_or_throw(argv[1], O_WRONLY | O_CREAT | O_TRUNC, AT_FDCWD, 0644);
  const std::string head =
      "// SPDX-License-Identifier: MIT\n"
      "// Made by bake-configs out of configs/seccomp.json, configs/host-root.json and "
      "runtime/shim.c.\n"
      "#include \"runtime/configs.h\"\n"
      "#include \"runtime/seccomp.h\"\n\n";
  base::write_all(file.get(), cat(head, filter_source(), shim_source(argv[2]), host_root_source()),
                  "write the source");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bake-configs: %s\n", error.what());
  return 1;
}
