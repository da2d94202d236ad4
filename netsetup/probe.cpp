// SPDX-License-Identifier: MIT
// What a container needs of the kernel, tried rather than read off a configuration: the same calls
// that a start makes, in namespaces that nobody else is in.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "netsetup/checkup.h"
#include "netsetup/conntrack.h"
#include "netsetup/rtnl.h"
#include "netsetup/socket_table.h"

namespace netsetup {

using base::cat;
using base::check;

namespace {

constexpr Mac ProbeMac = {{0x02, 0x42, 0, 0, 0, 1}};
constexpr unsigned ProbeMtu = 1500;

/// The kernel has the system call NUMBER: anything but ENOSYS says so.
void need_call(long number, const char* name, long first) {
  if (::syscall(number, first, 0, 0) >= 0 || errno != ENOSYS) return;
  throw base::Error(cat("there is no ", name, "(2), which Linux 5.10 has"));
}

void try_veth() {
  netlink::Socket socket(NETLINK_ROUTE);
  const auto here = base::open_or_throw("/proc/self/ns/net", O_RDONLY);
  rtnl::create_veth(socket, {"mr-probe", ProbeMac}, {"eth0", ProbeMac}, ProbeMtu,
                    rtnl::find_index(socket, "mini0").value_or(0), here.get());
}

void try_overlay() {
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "private mounts");
  check(::mount("tmpfs", "/run", "tmpfs", 0, nullptr), "mount a tmpfs");
  for (const char* name : {"/run/lower", "/run/upper", "/run/work", "/run/root"})
    check(::mkdir(name, 0755), name);
  check(::mount("overlay", "/run/root", "overlay", 0,
                "lowerdir=/run/lower,upperdir=/run/upper,workdir=/run/work"),
        "mount an overlay");
}

void try_seccomp() {
  const std::uint32_t action = SECCOMP_RET_ERRNO;
  check(static_cast<int>(::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action)), "seccomp");
}

void try_socket_table() {
  netlink::Socket diag(NETLINK_SOCK_DIAG);
  for (const auto protocol : {Protocol::Tcp, Protocol::Udp})
    static_cast<void>(port_sockets(diag, protocol, PortUse::Holds, 0));
}

/// Tries everything, in this order: what comes later needs what came before. A line for each that
/// is missing: what, a tab, the command.
std::string try_all(std::string_view ruleset) {
  std::string missing;
  const auto attempt = [&](std::string_view what, std::string_view remedy,
                           const std::function<void()>& call) {
    try {
      call();
    } catch (const std::exception& error) {
      missing += cat(what, " do not work: ", error.what(), '\t', remedy, '\n');
    }
  };
  const auto space = [&](int flag, std::string_view option) {
    attempt(cat("namespaces (", option, ")"), "", [&] { check(::unshare(flag), "unshare"); });
  };
  space(CLONE_NEWNET, "CONFIG_NET_NS");
  space(CLONE_NEWNS, "CONFIG_NAMESPACES");
  space(CLONE_NEWUTS, "CONFIG_UTS_NS");
  space(CLONE_NEWIPC, "CONFIG_IPC_NS");
  space(CLONE_NEWPID, "CONFIG_PID_NS");
  space(CLONE_NEWCGROUP, "CONFIG_CGROUPS");
  if (!missing.empty()) return missing;  // what follows must not happen on the host
  attempt("system calls", "", [] {
    need_call(SYS_clone3, "clone3", 0);
    need_call(SYS_pidfd_open, "pidfd_open", -1);
    need_call(SYS_close_range, "close_range", 1L << 30U);
  });
  attempt("bridges (CONFIG_BRIDGE)", "modprobe bridge", [] {
    netlink::Socket socket(NETLINK_ROUTE);
    rtnl::create_bridge(socket, "mini0", ProbeMac, ProbeMtu);
  });
  bool guards = true;
  attempt("veth pairs (CONFIG_VETH)", "modprobe veth", try_veth);
  attempt("the rules (CONFIG_NF_TABLES, NF_TABLES_INET, NFT_NAT, NFT_MASQ, NFT_FIB_INET)",
          "modprobe nf_tables", [&] { guards = nft::load_rules(std::string(ruleset)); });
  attempt("the guards against forged packets (CONFIG_NF_TABLES_BRIDGE)", "", [&] {
    if (!guards) throw base::Error("containers with --cap-add NET_RAW can forge them");
  });
  attempt("known connections (CONFIG_NF_CT_NETLINK)", "modprobe nf_conntrack_netlink", [] {
    conntrack::forget_udp_ports({{1, 1}});
  });
  attempt("socket listings (CONFIG_INET_DIAG)", "modprobe -a tcp_diag udp_diag", try_socket_table);
  attempt("overlays (CONFIG_OVERLAY_FS)", "modprobe overlay", try_overlay);
  attempt("seccomp filters (CONFIG_SECCOMP_FILTER)", "", try_seccomp);
  return missing;
}

}  // namespace

Check check_kernel(std::string_view ruleset) {
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC), "make a pipe");
  const base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  const pid_t child = check(::fork(), "fork");
  if (child == 0) {
    try {
      base::write_all(writer.get(), cat(try_all(ruleset), "done\n"), "write to a pipe");
    } catch (const std::exception&) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  writer.reset();
  const std::string report = base::read_all(reader.get());
  ::waitpid(child, nullptr, 0);
  if (!report.ends_with("done\n")) throw base::Error("the trial of the kernel's features failed");

  utsname kernel{};
  ::uname(&kernel);
  Check result{"kernel", cat("Linux ", kernel.release, " has all that a container needs")};
  for (const auto line : base::split(report, '\n')) {
    const auto tab = line.find('\t');
    if (tab != std::string_view::npos)
      result.troubles.push_back(
          {std::string(line.substr(0, tab)), std::string(line.substr(tab + 1))});
  }
  return result;
}

}  // namespace netsetup
