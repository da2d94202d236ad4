// SPDX-License-Identifier: MIT
// netsetup/address.h: one text has one meaning, or none.
#include "netsetup/address.h"

#include <doctest/doctest.h>

#include <string>

using netsetup::Cidr;
using netsetup::Ip;
using netsetup::Mac;
using netsetup::Protocol;
using netsetup::PublishedPort;
using netsetup::valid_interface_name;

TEST_CASE("an IPv4 address prints as it was written") {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "10.210.0.1", "255.255.255.255", "1.20.0.200"}) {
    CAPTURE(text);
    const auto address = Ip::parse(text);
    REQUIRE(address);
    CHECK(address->text() == text);
  }
  CHECK(Ip::parse("10.210.0.1") == Ip::v4(0x0ad20001U));
  CHECK(Ip::parse("10.210.0.1")->low_bits() == 0x0ad20001U);
}

TEST_CASE("what is not exactly an IPv4 address is none") {
  for (const char* text : {"",
                           ".",
                           "...",
                           "1",
                           "1.2.3",
                           "1.2.3.",
                           ".1.2.3",
                           "1..2.3",
                           "1.2.3.4.",
                           "1.2.3.4.5",
                           "256.0.0.1",
                           "127.0.0.999",
                           "127.0.0.01",
                           "010.0.0.1",
                           "0x7f.0.0.1",
                           " 127.0.0.1",
                           "127.0.0.1 ",
                           "127.0.0.1\n",
                           "-1.0.0.0",
                           "+1.0.0.0",
                           "1.2.3.4/24",
                           "a.b.c.d",
                           "4294967296.0.0.0",
                           "1.2.3.4294967300"}) {
    CAPTURE(text);
    CHECK_FALSE(Ip::parse(text));
  }
  CHECK_FALSE(Ip::parse(std::string("127.0.0.1\0", 10)));
}

TEST_CASE("an IPv6 address prints in its shortest form") {
  CHECK(Ip::parse("FD6D:696E:6972:0:0:0:0:0001")->text() == "fd6d:696e:6972::1");
  CHECK(Ip::parse("::")->is_any());
  CHECK(Ip::parse("::1")->is_loopback());
  CHECK(Ip::parse("fe80::1")->is_link_local());
  CHECK_FALSE(Ip::parse("fd80::1")->is_link_local());
  CHECK(Ip::parse("::1")->family == netsetup::Family::V6);
  for (const char* text : {":", ":::", "::1%eth0", "[::1]", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
                           "12345::", "::g", " ::1", "::1 ", "::ffff:010.0.0.1", "::1/64"}) {
    CAPTURE(text);
    CHECK_FALSE(Ip::parse(text));
  }
}

TEST_CASE("an address counts up") {
  CHECK(Ip::parse("10.210.0.255")->plus(2).text() == "10.210.1.1");
  CHECK(Ip::parse("255.255.255.255")->plus(1).text() == "0.0.0.0");
  CHECK(Ip::parse("fd00::ffff:ffff")->plus(1).text() == "fd00::1:0:0");
}

TEST_CASE("an IPv6 network knows its ends, and is none of IPv4's") {
  const auto cidr = *Cidr::parse("fd00:1:2:3:4::1/62");
  CHECK(cidr.first().text() == "fd00:1:2::");
  CHECK(cidr.last().text() == "fd00:1:2:3:ffff:ffff:ffff:ffff");
  CHECK(Cidr::parse("::/0")->contains(*Ip::parse("fd00::1")));
  CHECK_FALSE(Cidr::parse("::/0")->contains(*Ip::parse("10.0.0.1")));
  CHECK_FALSE(Cidr::parse("0.0.0.0/0")->overlaps(cidr));
  CHECK_FALSE(Cidr::parse("fd00::/129"));
}

TEST_CASE("the whole of 127.0.0.0/8 is loopback") {
  CHECK(Ip::parse("127.255.255.255")->is_loopback());
  CHECK_FALSE(Ip::parse("126.255.255.255")->is_loopback());
  CHECK_FALSE(Ip::parse("128.0.0.0")->is_loopback());
}

TEST_CASE("a network keeps its host bits and knows its ends") {
  const auto cidr = Cidr::parse("10.210.1.7/22");
  REQUIRE(cidr);
  CHECK(cidr->text() == "10.210.1.7/22");
  CHECK(cidr->first().text() == "10.210.0.0");
  CHECK(cidr->last().text() == "10.210.3.255");
  CHECK(cidr->contains(*Ip::parse("10.210.3.255")));
  CHECK_FALSE(cidr->contains(*Ip::parse("10.210.4.0")));
}

TEST_CASE("prefix lengths 0 and 32 are the whole and the one") {
  const auto all = *Cidr::parse("1.2.3.4/0");
  CHECK(all.first().text() == "0.0.0.0");
  CHECK(all.last().text() == "255.255.255.255");
  const auto one = *Cidr::parse("1.2.3.4/32");
  CHECK(one.first() == one.last());
  CHECK(one.overlaps(all));
  CHECK(all.overlaps(one));
}

TEST_CASE("networks overlap when one holds the other") {
  const auto network = *Cidr::parse("10.210.0.0/22");
  CHECK(network.overlaps(*Cidr::parse("10.0.0.0/8")));
  CHECK(network.overlaps(*Cidr::parse("10.210.3.0/24")));
  CHECK_FALSE(network.overlaps(*Cidr::parse("10.210.4.0/22")));
  CHECK_FALSE(network.overlaps(*Cidr::parse("10.209.252.0/22")));
}

TEST_CASE("what is not exactly ADDRESS/PREFIX is no network") {
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08",
                           "10.0.0.0/8/8", "10.0.0/8", "/8", "10.0.0.0/255.0.0.0", "10.0.0.0/ 8"}) {
    CAPTURE(text);
    CHECK_FALSE(Cidr::parse(text));
  }
}

TEST_CASE("a MAC is six pairs of hex digits, printed in lower case") {
  CHECK(Mac::parse("02:00:0A:d2:00:fF")->text() == "02:00:0a:d2:00:ff");
  for (const char* text : {"", "02:00:0a:d2:00", "02:00:0a:d2:00:01:02", "02-00-0a-d2-00-01",
                           "2:0:a:d2:0:1", "02:00:0a:d2:00:0g", "02:00:0a:d2:00:01 "}) {
    CAPTURE(text);
    CHECK_FALSE(Mac::parse(text));
  }
}

TEST_CASE("interface names as dev_valid_name() takes them") {
  for (const char* name : {"mini0", "a", "br-12345678901x", "eth0.100", "...", "-", "x@y"})
    CHECK_MESSAGE(valid_interface_name(name), name);
  for (const char* name :
       {"", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\n", "a\xa0", "1234567890123456"})
    CHECK_MESSAGE(!valid_interface_name(name), name);
  CHECK_FALSE(valid_interface_name(std::string("a\0b", 3)));
}

TEST_CASE("protocols and published ports as text") {
  CHECK(netsetup::parse_protocol("tcp") == Protocol::Tcp);
  CHECK(netsetup::parse_protocol("udp") == Protocol::Udp);
  for (const char* name : {"", "TCP", "sctp", "tcp ", "6"})
    CHECK_FALSE(netsetup::parse_protocol(name));
  CHECK(PublishedPort{Ip::parse("127.0.0.1"), 8080, 80, Protocol::Tcp}.text() ==
        "127.0.0.1:8080->80/tcp");
  CHECK(PublishedPort{{}, 53, 5353, Protocol::Udp}.text() == "53->5353/udp");
  CHECK(PublishedPort{Ip::parse("::1"), 8080, 80, Protocol::Tcp}.text() == "[::1]:8080->80/tcp");
}

TEST_CASE("published ports overlap where one connection could be meant for both") {
  const auto on = [](const char* address) {
    return PublishedPort{*address == 0 ? std::nullopt : Ip::parse(address), 80, 80, Protocol::Tcp};
  };
  CHECK(on("").overlaps(on("::1")));
  CHECK(on("127.0.0.1").overlaps(on("")));
  CHECK(on("0.0.0.0").overlaps(on("127.0.0.1")));
  CHECK(on("::1").overlaps(on("::")));
  CHECK_FALSE(on("::").overlaps(on("127.0.0.1")));
  CHECK_FALSE(on("::1").overlaps(on("2001:db8::1")));
  CHECK_FALSE(on("").overlaps({{}, 80, 80, Protocol::Udp}));
  const PublishedPort limited{{}, 80, 80, Protocol::Tcp, 1, {*Cidr::parse("10.0.0.0/8")}};
  CHECK(limited.serves(netsetup::Family::V4));
  CHECK_FALSE(limited.serves(netsetup::Family::V6));
  CHECK(on("").overlaps(limited));
  CHECK(on("").serves(netsetup::Family::V6));
  const auto range = [](std::uint16_t first, std::uint16_t count) {
    return PublishedPort{{}, first, first, Protocol::Tcp, count};
  };
  CHECK(on("::1").overlaps(range(71, 10)));
  CHECK(range(71, 10).overlaps(on("::1")));
  CHECK(range(80, 10).overlaps(range(1, 65535)));
  CHECK_FALSE(on("").overlaps(range(70, 10)));
  CHECK_FALSE(on("").overlaps(range(81, 10)));
  CHECK_FALSE(on("").overlaps({{}, 81, 80, Protocol::Tcp}));
  CHECK_FALSE(PublishedPort{}.overlaps({}));  // the kernel chooses two
}

TEST_CASE("ranges of addresses read as prefixes where they are some") {
  const auto range = [](const char* first, const char* last) {
    return range_text(*Ip::parse(first), *Ip::parse(last));
  };
  CHECK(range("10.0.0.0", "10.0.3.255") == "10.0.0.0/22");
  CHECK(range("10.0.0.1", "10.0.0.1") == "10.0.0.1");
  CHECK(range("10.0.0.1", "10.0.0.9") == "10.0.0.1-10.0.0.9");
  CHECK(range("0.0.0.0", "255.255.255.255") == "0.0.0.0/0");
  CHECK(range("fd00::", "fd00::ffff:ffff:ffff:ffff") == "fd00::/64");
}
