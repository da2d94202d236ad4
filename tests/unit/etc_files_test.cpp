// SPDX-License-Identifier: MIT
// runtime/etc_files.h: names inside the container.
#include "runtime/etc_files.h"

#include <doctest/doctest.h>

#include <string>

using netsetup::Ip;

TEST_CASE("hosts: localhost, added hosts, the container itself") {
  CHECK(runtime::hosts("web", {*Ip::parse("10.210.0.2")}, {*Ip::parse("10.210.0.1")},
                       {{"db", *Ip::parse("192.0.2.10")}}) ==
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "192.0.2.10\tdb\n"
        "10.210.0.2\tweb\n"
        "10.210.0.1\thost.mini.internal\n"
        "10.210.0.1\thost.docker.internal\n");
}

TEST_CASE("hosts: both families") {
  const auto text = runtime::hosts("web", {*Ip::parse("10.210.0.2"), *Ip::parse("fd00::2")},
                                   {*Ip::parse("10.210.0.1"), *Ip::parse("fd00::1")}, {});
  CHECK(text.find("\n10.210.0.2\tweb\nfd00::2\tweb\n") != text.npos);
  CHECK(text.find("\nfd00::1\thost.mini.internal\n") != text.npos);
}

TEST_CASE("hosts: a name with dots is known by its first word too") {
  const auto text =
      runtime::hosts("web.example.org", {*Ip::parse("10.210.0.2")}, {*Ip::parse("10.210.0.1")}, {});
  CHECK(text.find("\n10.210.0.2\tweb.example.org web\n") != text.npos);
}

TEST_CASE("hosts: the host's names may be given to another") {
  const auto text = runtime::hosts("web", {*Ip::parse("10.210.0.2")}, {*Ip::parse("10.210.0.1")},
                                   {{"host.docker.internal", *Ip::parse("192.0.2.10")}});
  CHECK(text.find("192.0.2.10\thost.docker.internal\n") != text.npos);
  CHECK(text.find("10.210.0.1\thost.docker.internal\n") == text.npos);
  CHECK(text.ends_with("10.210.0.1\thost.mini.internal\n"));
}
