// SPDX-License-Identifier: MIT
// runtime/etc_files.h: names inside the container.
#include "runtime/etc_files.h"

#include <doctest/doctest.h>

#include <string>

using netsetup::Ip;
using runtime::resolv_conf;

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

TEST_CASE("resolv.conf: the host's own servers, its search and options") {
  const auto result = resolv_conf(
      "# comment\n; comment\nsearch lan example.org\nnameserver 192.0.2.53\n"
      "nameserver\t192.0.2.54  \noptions ndots:2\nnameservers 192.0.2.55\n nameserver 192.0.2.56\n",
      "nameserver 203.0.113.1\n", {});
  CHECK(result.text ==
        "search lan example.org\noptions ndots:2\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n");
  CHECK(result.note.empty());
}

TEST_CASE("resolv.conf: a loopback server is left out where there are others") {
  const auto result =
      resolv_conf("nameserver 127.0.0.1\nnameserver ::1\nnameserver 192.0.2.53", "", {});
  CHECK(result.text == "nameserver 192.0.2.53\n");
  CHECK(result.note.empty());
}

TEST_CASE("resolv.conf: behind a loopback resolver, the servers that it asks") {
  const auto result = resolv_conf("nameserver 127.0.0.53\nsearch lan\n",
                                  "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch .\n", {});
  CHECK(result.text == "search lan\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n");
  CHECK(result.note.empty());
}

TEST_CASE("resolv.conf: --dns instead of the host's servers") {
  const auto result =
      resolv_conf("nameserver 192.0.2.53\nsearch lan\n", "", {"192.0.2.1", "192.0.2.2"});
  CHECK(result.text == "search lan\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n");
  CHECK(result.note.empty());
}

TEST_CASE("resolv.conf: no server left is said in one line, with what to do") {
  struct Case {
    const char* host;
    const char* upstream;
    const char* says;
  };
  for (const Case each : {Case{"nameserver 127.0.0.53\n", "", "on the host's loopback"},
                          Case{"nameserver ::1\n", "nameserver 127.0.0.1\n", "loopback"},
                          Case{"", "", "names no name server"},
                          Case{"nameserver fe80::1%eth0\n", "", "names no name server"},
                          Case{"nameserver not-an-address\n", "", "names no name server"}}) {
    CAPTURE(each.host);
    const auto result = resolv_conf(each.host, each.upstream, {});
    CHECK(result.text.find("nameserver") == std::string::npos);
    CHECK_MESSAGE(result.note.find(each.says) != std::string::npos, result.note);
    CHECK(result.note.find("--dns") != std::string::npos);
    CHECK(result.note.find('\n') == std::string::npos);
  }
}
