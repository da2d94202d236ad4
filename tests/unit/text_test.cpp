// SPDX-License-Identifier: MIT
// runtime/base/text.h and error.h.
#include "base/text.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

TEST_CASE("cat joins texts, letters and numbers") {
  CHECK(base::cat() == "");
  CHECK(base::cat("port ", 80, '/', std::string("tcp"), ' ', -1, ' ', std::uint64_t(1) << 40U) ==
        "port 80/tcp -1 1099511627776");
}

TEST_CASE("a number is the whole text or none") {
  CHECK(base::parse_number<unsigned>("0") == 0U);
  CHECK(base::parse_number<std::uint16_t>("65535") == 65535);
  CHECK(base::parse_number<int>("-7") == -7);
  for (const char* text : {"", " 1", "1 ", "+1", "-1", "1x", "0x1", "65536", "1.0", "1\n"}) {
    CAPTURE(text);
    CHECK_FALSE(base::parse_number<std::uint16_t>(text));
  }
}

TEST_CASE("a quoted text is one word of sh") {
  CHECK(base::shell_quote("10.0.0.1/24") == "10.0.0.1/24");
  CHECK(base::shell_quote("") == "''");
  CHECK(base::shell_quote("a b") == "'a b'");
  CHECK(base::shell_quote("it's") == "'it'\\''s'");
  CHECK(base::shell_quote("$(x)`y`;\n") == "'$(x)`y`;\n'");
  CHECK(base::shell_quote("*") == "'*'");
  CHECK(base::shell_quote("~") == "'~'");
}

TEST_CASE("nothing hostile reaches a terminal") {
  CHECK(base::printable("plain text") == "plain text");
  CHECK(base::printable("a\nb\x1b[2J\x7f\xff") == "a\\x0ab\\x1b[2J\\x7f\\xff");
  CHECK(base::printable(std::string("\0", 1)) == "\\x00");
  CHECK(base::printable(std::string(200, 'x')) == std::string(200, 'x'));
  CHECK(base::printable(std::string(201, 'x')) == std::string(200, 'x') + "...");
}

TEST_CASE("splitting keeps empty fields") {
  using Fields = std::vector<std::string_view>;
  CHECK(base::split("", ':') == Fields{""});
  CHECK(base::split("a", ':') == Fields{"a"});
  CHECK(base::split(":a::b:", ':') == Fields{"", "a", "", "b", ""});
}

TEST_CASE("joining") {
  CHECK(base::join({}, ", ").empty());
  CHECK(base::join({"a", "b", "c"}, ", ") == "a, b, c");
}

TEST_CASE("joining the first of many") {
  CHECK(base::join_first({}, 2).empty());
  CHECK(base::join_first({"a", "b"}, 2) == "a, b");
  CHECK(base::join_first({"a", "b", "c", "d"}, 2) == "a, b, and 2 more");
}

TEST_CASE("an error is one line, with the kernel's reason where there is one") {
  CHECK(std::string(base::Error("a finding").what()) == "a finding");
  CHECK(base::Error("a finding").exit_status() == 125);
  const base::Error error(ENOENT, "open x", base::ExitNotFound);
  CHECK(std::string(error.what()) == "open x: No such file or directory");
  CHECK(error.code().value() == ENOENT);
  CHECK(error.exit_status() == 127);
}

TEST_CASE("check throws errno of a failed call only") {
  CHECK(base::check(0, "call") == 0);
  CHECK(base::check(7, "call") == 7);
  errno = EPERM;
  CHECK_THROWS_WITH_AS(base::check(-1, "call"), "call: Operation not permitted", base::Error);
}
