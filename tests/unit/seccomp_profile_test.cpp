// SPDX-License-Identifier: MIT
// Reading a seccomp profile: what applies here, and what is wrong.
#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "runtime/seccomp_policy.h"

using base::cat;

TEST_CASE("includes and excludes: kernel and architecture") {
  const auto applies = [](std::string_view members) {
    const auto policy = runtime::parse_seccomp_profile(
        cat(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"],
            "action": "SCMP_ACT_ALLOW", )",
            members, "}]}"),
        0);
    return policy.rules.size() == 1;
  };
  CHECK(applies(R"("includes": {"minKernel": "4.8"})"));
  CHECK(applies(R"("includes": {"minKernel": "4.8.1"})"));
  CHECK_FALSE(applies(R"("includes": {"minKernel": "99.0"})"));
  CHECK_FALSE(applies(R"("excludes": {"minKernel": "4.8"})"));
  CHECK_FALSE(applies(R"("includes": {"arches": ["s390x"]})"));
  CHECK(applies(R"("includes": {"arches": ["amd64", "arm64"]})"));
  CHECK_FALSE(applies(R"("excludes": {"arches": ["amd64", "arm64"]})"));
  CHECK_FALSE(applies(R"("includes": {"caps": ["CAP_FROM_THE_FUTURE"]})"));
  CHECK(applies(R"("args": null, "includes": {}, "excludes": null)"));
}

TEST_CASE("errors name the key that is wrong") {
  const auto with_rule = [](std::string_view members) {
    return cat(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], )", members,
               "}]}");
  };
  const auto with_argument = [&](std::string_view members) {
    return with_rule(cat(R"("action": "SCMP_ACT_ALLOW", "args": [{)", members, "}]"));
  };
  const std::pair<std::string, const char*> cases[] = {
      {"", "not JSON, at byte 1"},
      {std::string(5000000, '['), "not JSON, at byte 5000001"},
      {"[]", "must be an object, { ... }"},
      {"{}", "\"defaultAction\" is missing"},
      {R"({"defaultAction": 1})", "defaultAction: must be a text"},
      {R"({"defaultAction": "ALLOW"})", "defaultAction: unknown action \"ALLOW\" (one of SCMP_"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "sycalls": []})", "unknown key \"sycalls\""},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390"]})",
       "\"architectures\" has none of this machine's"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]})",
       "syscalls[0]: \"names\" is missing"},
      {with_rule(R"("action": "SCMP_ACT_NOTIFY")"),
       "syscalls[0].action: unknown action \"SCMP_ACT_NOTIFY\""},
      {with_rule(R"("action": "SCMP_ACT_ERRNO", "errnoRet": 4096)"),
       "syscalls[0].errnoRet: must be at most 4095"},
      {with_rule(R"("action": "SCMP_ACT_ALLOW", "exludes": {})"),
       "syscalls[0]: unknown key \"exludes\""},
      {with_rule(R"("action": "SCMP_ACT_ALLOW", "includes": {"cap": []})"),
       "syscalls[0].includes: unknown key \"cap\""},
      {with_rule(R"("action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "new"})"),
       "syscalls[0].includes.minKernel: must be a kernel's version as \"4.8\""},
      {with_argument(R"("index": 6, "op": "SCMP_CMP_EQ", "value": 1)"),
       "syscalls[0].args[0].index: must be at most 5"},
      {with_argument(R"("index": 0, "op": "SCMP_CMP_IS", "value": 1)"),
       "syscalls[0].args[0].op: unknown comparison \"SCMP_CMP_IS\""},
      {with_argument(R"("index": 0, "op": "SCMP_CMP_EQ", "value": -1)"),
       "syscalls[0].args[0].value: must be a number, 0 or more"},
      {with_argument(R"("index": 0, "op": "SCMP_CMP_EQ")"),
       "syscalls[0].args[0]: \"value\" is missing"},
  };
  for (const auto& [profile, reason] : cases) {
    std::string error = "none";
    try {
      runtime::parse_seccomp_profile(profile, 0);
    } catch (const base::Error& thrown) {
      error = thrown.what();
    }
    CHECK_MESSAGE(error.starts_with(cat("seccomp profile: ", reason)), error);
    CHECK(error.find('\n') == std::string::npos);
  }
}
