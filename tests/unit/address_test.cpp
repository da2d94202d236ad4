// SPDX-License-Identifier: MIT
// netsetup/address.h: one text has one meaning, or none.
#include "netsetup/address.h"

#include <doctest/doctest.h>

#include <string>

using netsetup::Cidr;
using netsetup::Ipv4;
using netsetup::Mac;
using netsetup::Protocol;
using netsetup::PublishedPort;
using netsetup::valid_interface_name;

TEST_CASE("an IPv4 address prints as it was written") {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "10.210.0.1", "255.255.255.255", "1.20.0.200"}) {
    CAPTURE(text);
    const auto address = Ipv4::parse(text);
    REQUIRE(address);
    CHECK(address->text() == text);
  }
  CHECK(Ipv4::parse("10.210.0.1")->value == 0x0ad20001U);
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
                           "::1",
                           "4294967296.0.0.0",
                           "1.2.3.4294967300"}) {
    CAPTURE(text);
    CHECK_FALSE(Ipv4::parse(text));
  }
  CHECK_FALSE(Ipv4::parse(std::string("127.0.0.1\0", 10)));
}

TEST_CASE("the whole of 127.0.0.0/8 is loopback") {
  CHECK(Ipv4::parse("127.255.255.255")->is_loopback());
  CHECK_FALSE(Ipv4::parse("126.255.255.255")->is_loopback());
  CHECK_FALSE(Ipv4::parse("128.0.0.0")->is_loopback());
}

TEST_CASE("a network keeps its host bits and knows its ends") {
  const auto cidr = Cidr::parse("10.210.1.7/22");
  REQUIRE(cidr);
  CHECK(cidr->text() == "10.210.1.7/22");
  CHECK(cidr->first().text() == "10.210.0.0");
  CHECK(cidr->last().text() == "10.210.3.255");
  CHECK(cidr->contains(*Ipv4::parse("10.210.3.255")));
  CHECK_FALSE(cidr->contains(*Ipv4::parse("10.210.4.0")));
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
  CHECK(PublishedPort{Ipv4::parse("127.0.0.1"), 8080, 80, Protocol::Tcp}.text() ==
        "127.0.0.1:8080->80/tcp");
  CHECK(PublishedPort{{}, 53, 5353, Protocol::Udp}.text() == "53->5353/udp");
}
