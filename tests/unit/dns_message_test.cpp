// SPDX-License-Identifier: MIT
// runtime/dns_message.h: questions read, answers written, and bytes of strangers.
#include "runtime/dns_message.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

using namespace runtime::dns;
using netsetup::Ip;

namespace {

/// A query with the identifier 0x1234, that wants recursion.
Bytes query(const std::vector<std::string>& words, Type type = Type::A, std::uint16_t kind = 1) {
  Bytes made = {0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0};
  for (const auto& word : words) {
    made.push_back(static_cast<std::uint8_t>(word.size()));
    made.insert(made.end(), word.begin(), word.end());
  }
  made.push_back(0);
  for (const std::uint16_t number : {static_cast<std::uint16_t>(type), kind}) {
    made.push_back(static_cast<std::uint8_t>(number >> 8U));
    made.push_back(static_cast<std::uint8_t>(number));
  }
  return made;
}

std::string name_in(const Bytes& message) {
  const auto question = parse_question(message);
  return question ? question->name : "none";
}

}  // namespace

TEST_CASE("a question is read: name in lower case, type, class, where it ends") {
  auto message = query({"Web", "Example", "ORG"}, Type::Aaaa);
  const std::size_t end = message.size();
  message.insert(message.end(), {0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0});  // EDNS
  const auto question = parse_question(message);
  REQUIRE(question);
  CHECK(question->name == "web.example.org");
  CHECK(question->type == Type::Aaaa);
  CHECK(question->internet);
  CHECK(question->end == end);
  CHECK_FALSE(parse_question(query({"a"}, Type::A, 3))->internet);
  CHECK(name_in(query({})).empty());
}

TEST_CASE("a byte that no host's name has leaves no name to be found") {
  CHECK(name_in(query({"a.b"})).empty());
  CHECK(name_in(query({"a b", "c"})).empty());
  CHECK(name_in(query({std::string("a\0b", 3)})).empty());
  CHECK(name_in(query({"w\xc3\xa4hrung"})).empty());
  CHECK(name_in(query({"_dmarc", "x-1"})) == "_dmarc.x-1");
}

TEST_CASE("what is no single question is refused") {
  const auto refused = [](Bytes message) { return !parse_question(message); };
  const auto good = query({"web"});
  CHECK(refused({}));
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(refused(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))));
  }
  auto other = good;
  other[2] = 0x81;  // a response
  CHECK(refused(other));
  other = good;
  other[2] = 0x29;  // an update
  CHECK(refused(other));
  for (const std::uint8_t count : Bytes{0, 2, 255}) {
    other = good;
    other[5] = count;
    CHECK(refused(other));
  }
  for (const std::uint8_t length :
       Bytes{0xc0, 0x40, 0x80, 63}) {  // a pointer, unknown, beyond the end
    other = good;
    other[HeaderSize] = length;
    CHECK(refused(other));
  }
  CHECK(refused(query(std::vector<std::string>(128, "a"))));
  CHECK_FALSE(refused(query(std::vector<std::string>(127, "a"))));  // 255 bytes
}

TEST_CASE("an answer is what one expects byte by byte") {
  auto message = query({"Web"});
  const auto asked = message.size();
  message.insert(message.end(), {0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0});
  const auto question = *parse_question(message);
  Bytes expected(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(asked));
  expected[2] = 0x85;  // a response, authoritative, recursion wanted
  expected[3] = 0x80;  // and had
  expected[7] = 1;
  expected.insert(expected.end(), {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 210, 0, 2});
  CHECK(response(message, question, Code::Good, {address_record(*Ip::parse("10.210.0.2"))},
                 LongestUdp) == expected);
  const auto both =
      response(message, question, Code::Good,
               {address_record(*Ip::parse("2001:db8::1")), *name_record("db.lan")}, LongestUdp);
  CHECK(both[asked + 3] == 28);
  CHECK(both[asked + 11] == 16);
  CHECK(std::string(both.end() - 8, both.end()) == std::string("\2db\3lan\0", 8));
  const auto none = response(message, question, Code::NoSuchName, {}, LongestUdp);
  CHECK(none[3] == 0x83);
  CHECK(none.size() == asked);
}

TEST_CASE("an answer that is too long is marked so, and whole over TCP") {
  const auto message = query({"web"});
  const auto question = *parse_question(message);
  const std::vector<Record> many(300, address_record(*Ip::parse("10.210.0.2")));
  const auto cut = response(message, question, Code::Good, many, LongestUdp);
  CHECK(cut.size() <= LongestUdp);
  CHECK((cut[2] & 0x02) != 0);
  CHECK(cut[7] == (LongestUdp - message.size()) / 16);
  const auto whole = response(message, question, Code::Good, many, LongestMessage);
  CHECK((whole[2] & 0x02) == 0);
  CHECK((whole[6] << 8 | whole[7]) == 300);
}

TEST_CASE("what can be told of a message that is no question") {
  CHECK_FALSE(failure(Bytes(11), Code::FormatError));
  auto message = query({"web"});
  message[2] = 0x21;
  CHECK(*failure(message, Code::FormatError) ==
        Bytes{0x12, 0x34, 0xa1, 0x81, 0, 0, 0, 0, 0, 0, 0, 0});
  message[2] = 0xa1;  // to answer answers would go on for ever
  CHECK_FALSE(failure(message, Code::FormatError));
}

TEST_CASE("names of addresses") {
  CHECK(*reversed_address("2.0.210.10.in-addr.arpa") == Ip::parse("10.210.0.2"));
  for (const char* other :
       {"", "in-addr.arpa", ".in-addr.arpa", "0.210.10.in-addr.arpa", "1.2.0.210.10.in-addr.arpa",
        "256.0.0.1.in-addr.arpa", "02.0.0.1.in-addr.arpa", "-1.0.0.1.in-addr.arpa",
        "x.0.0.1.in-addr.arpa", ".0.0.1.in-addr.arpa", "1.ip6.arpa"}) {
    CAPTURE(other);
    CHECK_FALSE(reversed_address(other));
  }
  const std::string local = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.";
  CHECK_FALSE(reversed_address(local + "ip6.arpa"));
  CHECK(*reversed_address(local + "2.ip6.arpa") == Ip::parse("2001:db8::1"));
}

TEST_CASE("a name that cannot be one is none") {
  CHECK_FALSE(name_record(""));
  CHECK_FALSE(name_record("a..b"));
  CHECK_FALSE(name_record("a."));
  CHECK_FALSE(name_record(std::string(64, 'a')));
  std::string long_name = "a";
  while (long_name.size() < 255) long_name += ".a";
  CHECK_FALSE(name_record(long_name));
  CHECK(name_record("web.1"));
}

TEST_CASE("only an answer to the question counts") {
  const auto asked = query({"web", "lan"});
  const auto end = asked.size();
  auto good = asked;
  good[2] = 0x81;
  good[HeaderSize + 1] = 'W';
  CHECK(response_code(good, asked, end) == Code::Good);
  good[3] = 3;
  CHECK(response_code(good, asked, end) == Code::NoSuchName);
  const auto refused = [&](std::size_t at, std::uint8_t value) {
    auto other = good;
    other[at] = value;
    return !response_code(other, asked, end);
  };
  CHECK(refused(0, 0));  // another identifier
  CHECK(refused(1, 0));
  CHECK(refused(2, 0x01));  // no response
  CHECK(refused(2, 0xa8));  // of another sort
  CHECK(refused(5, 2));     // to two questions
  CHECK(refused(HeaderSize + 1, 'x'));
  CHECK(refused(end - 3, 28));  // of another type
  for (std::size_t size = 0; size < end; ++size)
    CHECK_FALSE(response_code(View(good).first(size), asked, end));
  Bytes bare(good.begin(), good.begin() + HeaderSize);
  bare[5] = 0;
  bare[3] = 2;
  CHECK(response_code(bare, asked, end) == Code::ServerFailure);
  bare[3] = 0;
  CHECK_FALSE(response_code(bare, asked, end));
}

TEST_CASE("any bytes: nothing is read beyond them, and an answer is an answer") {
  std::mt19937 random(4711);  // NOLINT: the same bytes each time, so that a failure comes back
  const auto number = [&random](std::size_t below) { return random() % below; };
  const auto asked = query({"web", "example", "org"});
  unsigned questions = 0;
  for (int round = 0; round < 200'000; ++round) {
    Bytes message;
    if (round % 2 == 0) {
      message.resize(number(64));
      for (auto& byte : message) byte = static_cast<std::uint8_t>(random());
    } else {  // near to a good one
      message = asked;
      for (std::size_t changes = number(4) + 1; changes != 0; --changes)
        message[number(message.size())] = static_cast<std::uint8_t>(random());
      message.resize(number(message.size() + 1));
    }
    // On the heap, just as long: the sanitized build sees any byte beyond it.
    const auto question = parse_question(message);
    static_cast<void>(failure(message, Code::FormatError));
    static_cast<void>(response_code(message, asked, asked.size()));
    if (!question) continue;
    ++questions;
    REQUIRE(question->end <= message.size());
    REQUIRE(question->name.size() < 255);
    static_cast<void>(reversed_address(question->name));
    auto answer =
        response(message, *question, Code::Good, {address_record(Ip::v4(0x01020304))}, LongestUdp);
    REQUIRE(response_code(answer, message, question->end) == Code::Good);
  }
  CHECK(questions > 1000);
}
