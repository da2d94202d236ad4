// SPDX-License-Identifier: MIT
// The capabilities as names and sets; the taking away is tried in a child of its own.
#include "runtime/caps.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/configs.h"

using runtime::capability;
using runtime::CapabilitySet;
using runtime::default_capabilities;
using runtime::resolve_capabilities;

TEST_CASE("the default capabilities are those of configs/capabilities.json, each with a reason") {
  const auto config = nlohmann::json::parse(configs::Capabilities);
  std::vector<std::string> add;
  for (const auto& entry : config.at("default")) {
    add.push_back(entry.at("name"));
    CHECK_FALSE(entry.at("why").get<std::string>().empty());
  }
  CHECK(add.size() == 11);
  CHECK(resolve_capabilities(0, add, {}) == default_capabilities());
  for (const auto& entry : config.at("not default"))
    CHECK((default_capabilities() & capability(entry.at("name").get<std::string>())) == 0);
}

TEST_CASE("a capability is named with or without CAP_, in any case") {
  CHECK(capability("NET_RAW") == CapabilitySet{1} << CAP_NET_RAW);
  CHECK(capability("cap_net_raw") == capability("NET_RAW"));
  CHECK(capability("Cap_Checkpoint_Restore") == CapabilitySet{1} << CAP_CHECKPOINT_RESTORE);
  for (const auto* wrong : {"", "CAP_", "NET_RAWW", "CAP_CAP_CHOWN", "ALL", "1", "NET RAW"})
    CHECK_THROWS_AS(capability(wrong), base::Error);
  CHECK_THROWS_WITH(capability("\x1b[2J"),
                    doctest::Contains("no capability is called \"\\x1b[2J\""));
}

TEST_CASE("names and numbers are the kernel's") {
  // linux/capability.h, by a second way: the last number and each name's own constant.
  const auto names = runtime::capability_names(~CapabilitySet{0});
  CHECK(names.size() == CAP_LAST_CAP + 1);
  const std::pair<int, const char*> some[] = {
      {CAP_CHOWN, "CAP_CHOWN"},           {CAP_KILL, "CAP_KILL"},
      {CAP_SETPCAP, "CAP_SETPCAP"},       {CAP_NET_ADMIN, "CAP_NET_ADMIN"},
      {CAP_NET_RAW, "CAP_NET_RAW"},       {CAP_SYS_MODULE, "CAP_SYS_MODULE"},
      {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}, {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
      {CAP_MKNOD, "CAP_MKNOD"},           {CAP_AUDIT_WRITE, "CAP_AUDIT_WRITE"},
      {CAP_SYSLOG, "CAP_SYSLOG"},         {CAP_BPF, "CAP_BPF"}};
  for (const auto& [number, name] : some) CHECK(names.at(static_cast<std::size_t>(number)) == name);
}

TEST_CASE("--cap-add and --cap-drop") {
  const auto start = default_capabilities();
  CHECK(resolve_capabilities(start, {}, {}) == start);
  CHECK(resolve_capabilities(start, {"NET_RAW"}, {}) == (start | capability("NET_RAW")));
  CHECK(resolve_capabilities(start, {}, {"chown"}) == (start & ~capability("CHOWN")));
  CHECK(resolve_capabilities(start, {"CHOWN"}, {"ALL"}) == capability("CHOWN"));
  CHECK(resolve_capabilities(start, {}, {"all"}) == 0);
  CHECK(resolve_capabilities(start, {"KILL"}, {"KILL"}) == (start & ~capability("KILL")));
  const auto most = resolve_capabilities(start, {"ALL"}, {"SYS_ADMIN"});
  CHECK(runtime::capability_names(most).size() == CAP_LAST_CAP);
  CHECK((most & capability("SYS_ADMIN")) == 0);
  CHECK_THROWS_AS(resolve_capabilities(start, {"CHOWM"}, {}), base::Error);
  CHECK_THROWS_AS(resolve_capabilities(start, {}, {"CHOWM"}), base::Error);
}

namespace {

/// The sets of this process as /proc/self/status has them, "Cap..." lines only.
std::string own_sets() {
  const auto status = base::read_file("/proc/self/status");
  std::string lines;
  for (const auto line : base::split(status.value(), '\n'))
    if (line.starts_with("Cap")) lines += base::cat(line, "\n");
  return lines;
}

std::string expected_sets(CapabilitySet inheritable, CapabilitySet held, CapabilitySet bounding) {
  char text[200];
  std::snprintf(text, sizeof text,
                "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\n"
                "CapAmb:\t%016lx\n",
                inheritable, held, held, bounding, inheritable);
  return text;
}

/// What the child FUNCTION prints of itself.
template <class Function>
std::string in_child(Function function) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const base::UniqueFd in(ends[0]);
  base::UniqueFd out(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    std::string text;
    try {
      text = function();
    } catch (const std::exception& error) {
      text = error.what();
    }
    base::write_all(out.get(), text, "write");
    ::_exit(0);
  }
  out.reset();
  const std::string text = base::read_all(in.get());
  ::waitpid(child, nullptr, 0);
  return text;
}

bool is_root() { return ::geteuid() == 0 && ::prctl(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0) == 1; }

}  // namespace

TEST_CASE("limiting leaves the set in bounding, permitted and effective, and nothing else") {
  const auto set = default_capabilities();
  // CapInh and CapAmb hold something at the start, for the test to see it go.
  const auto with_more = [] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct words[2]{};
    ::syscall(SYS_capget, &header, words);
    words[0].inheritable = words[0].permitted;
    ::syscall(SYS_capset, &header, words);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
    return words[0].permitted | CapabilitySet{words[1].permitted} << 32U;
  };
  if (!is_root()) {
    CHECK(in_child([&] {
            runtime::limit_bounding_set(set);
            return own_sets();
          }) == "limit the bounding set of capabilities: Operation not permitted");
    return;
  }
  CHECK(in_child([&] {
          const auto before = with_more();
          const bool raised = own_sets().find("CapAmb:\t0000000000000001") != std::string::npos;
          runtime::limit_bounding_set(set);
          return raised && own_sets() == expected_sets(0, before, set) ? "yes" : own_sets();
        }) == "yes");
  CHECK(in_child([&] {
          with_more();
          runtime::limit_bounding_set(set);
          runtime::limit_permitted(set);
          return own_sets();
        }) == expected_sets(0, set, set));
}
