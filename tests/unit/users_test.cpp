// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <string>

#include "base/error.h"
#include "rootfs/host_view.h"
#include "rootfs/users.h"

namespace {

constexpr const char* Passwd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# a remark\n"
    "+::::::\n"
    "www-data:x:33:33:www:/var/www:/usr/sbin/nologin\n"
    "1000:x:7:7:a name of digits:/trap:/bin/sh\n"
    "web:x:1000:50:Web:relative:/bin/sh\n";
constexpr const char* Group =
    "root:x:0:\n"
    "adm:x:4:web,www-data\n"
    "staff:x:50:web\n"
    "www-data:x:33:\n"
    "ssl-cert:x:110:web\n"
    "ssl-again:x:110:web\n";

std::string wrong(const std::string& spec, const std::string& passwd = Passwd,
                  const std::string& group = Group) {
  try {
    (void)rootfs::find_user(spec, passwd, group);
    return "";
  } catch (const base::Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("users: names, numbers, groups") {
  const rootfs::User root = rootfs::find_user("", Passwd, Group);
  CHECK(root.uid == 0);
  CHECK(root.home == "/root");
  CHECK(root.groups.empty());

  const rootfs::User web = rootfs::find_user("web", Passwd, Group);
  CHECK(web.uid == 1000);
  CHECK(web.gid == 50);
  CHECK(web.home == "/");  // a relative one is none
  CHECK(web.groups == std::vector<gid_t>{4, 110});

  // Digits are a number, although there is a user of that name.
  const rootfs::User number = rootfs::find_user("1000", Passwd, Group);
  CHECK(number.uid == 1000);
  CHECK(number.gid == 50);

  const rootfs::User unknown = rootfs::find_user("4242", Passwd, Group);
  CHECK(unknown.uid == 4242);
  CHECK(unknown.gid == 0);
  CHECK(unknown.groups.empty());

  const rootfs::User both = rootfs::find_user("www-data:staff", Passwd, Group);
  CHECK(both.uid == 33);
  CHECK(both.gid == 50);
  CHECK(both.groups.empty());
  CHECK(rootfs::find_user("0:4294967294", "", "").gid == 4294967294U);
  CHECK(rootfs::find_user("", "", "").uid == 0);
}

TEST_CASE("users: nothing wrong ever becomes root") {
  for (const char* spec :
       {"4294967295", "4294967296", "99999999999999999999", "-1", "+0", " 0", "0 ", "0x0", ":",
        "web:", ":staff", "web:4294967295", "nobody", "web:nogroup", "web:staff:x", "root\n"})
    CHECK_MESSAGE(!wrong(spec).empty(), spec);
  CHECK(wrong("nobody") == "-u: no user nobody in the container's /etc/passwd");
  CHECK(wrong("web:none") == "-u: no group none in the container's /etc/group");
  for (const char* line : {"web", "web:x", "web:x::", "web:x:abc:0::/:", "web:x:4294967296:0::/:",
                           "web:x:1:::/:", ":x:0:0::/:", "web:x:-1:0::/:"})
    CHECK_MESSAGE(!wrong("web", line).empty(), line);
  CHECK(wrong("web", "broken\nweb:x:1:1::/:").find("line 1, is broken") != std::string::npos);
  CHECK(wrong("web", std::string("\x1b[2Jx\nweb:x:1:1::/:")).find("\\x1b") != std::string::npos);
}

TEST_CASE("host view: names match patterns") {
  for (const char* pattern :
       {"*", "ssh_host_*_key", "*key", "ssh*", "ssh_host_???_key", "*_*_*", "**"})
    CHECK_MESSAGE(rootfs::matches(pattern, "ssh_host_rsa_key"), pattern);
  for (const char* pattern : {"", "key", "*.pub", "ssh", "ssh_host_??_key", "?"})
    CHECK_MESSAGE(!rootfs::matches(pattern, "ssh_host_rsa_key"), pattern);
  CHECK(rootfs::matches("*", ".hidden"));
}

TEST_CASE("host view: mountinfo lines") {
  const auto mounts = rootfs::parse_mountinfo(
      "36 35 98:0 /mnt1 /a\\040b rw,noatime master:1 - ext3 /dev/root rw\n"
      "rubbish\n\n"
      "37 35 0:40 / /x rw - fuse.sshfs a@b:/ rw\n"
      "38 35 0:41 / /cut rw");
  REQUIRE(mounts.size() == 2);
  CHECK(mounts[0].path == "/a b");
  CHECK(mounts[0].type == "ext3");
  CHECK(rootfs::kind_of(mounts[0].type) == rootfs::MountKind::Local);
  CHECK(rootfs::kind_of(mounts[1].type) == rootfs::MountKind::Remote);
  CHECK(rootfs::kind_of("autofs") == rootfs::MountKind::Remote);
  CHECK(rootfs::kind_of("proc") == rootfs::MountKind::Pseudo);
  CHECK(rootfs::is_below("/a/b", "/a"));
  CHECK(!rootfs::is_below("/ab", "/a"));
}
