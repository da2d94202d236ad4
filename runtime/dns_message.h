// SPDX-License-Identifier: MIT
// Messages of the domain name system (RFC 1035, 4), as far as a forwarder that knows a few names
// itself needs them. Pure functions of bytes that strangers send: none reads beyond them, follows a
// pointer, or throws for what they say.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/address.h"

namespace runtime::dns {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

enum class Type : std::uint16_t { A = 1, Ptr = 12, Aaaa = 28, Ixfr = 251, Axfr = 252, Any = 255 };
enum class Code : std::uint8_t {  // what a response says of itself
  Good = 0,
  FormatError = 1,
  ServerFailure = 2,
  NoSuchName = 3,
  NotImplemented = 4,
  Refused = 5
};

inline constexpr std::size_t HeaderSize = 12;
inline constexpr std::size_t LongestUdp = 512;  // of a response, unless the asker takes more
inline constexpr std::size_t LongestMessage = 65535;

struct Question {
  std::string name;  // lower case, with dots; empty where a byte of it is in no host's name
  Type type = Type::A;
  bool internet = true;  // its class: there are other networks
  std::size_t end = 0;   // of the question in its message
};

/// The question of a standard query; nothing where MESSAGE is none, is cut off, or asks several.
std::optional<Question> parse_question(View message);

/// The address that a name below in-addr.arpa or ip6.arpa means.
std::optional<netsetup::Ip> reversed_address(std::string_view name);

/// One line of an answer.
struct Record {
  Type type;
  Bytes data;
};
Record address_record(const netsetup::Ip& address);  // A or AAAA
/// Nothing where NAME cannot be one: a word of it is empty, or longer than 63 bytes.
std::optional<Record> name_record(std::string_view name);

/// The response to QUERY, whose question is QUESTION: RECORDS, or as many as LIMIT bytes hold, and
/// then marked as truncated.
Bytes response(View query, const Question& question, Code code, const std::vector<Record>& records,
               std::size_t limit);
/// The response that says no more than CODE; nothing where MESSAGE is no query at all.
std::optional<Bytes> failure(View message, Code code);

bool has_question(View message);    // the same
std::uint16_t id_of(View message);  // of at least HeaderSize bytes
void set_id(std::span<std::uint8_t> message, std::uint16_t id);

/// What MESSAGE says of itself, where it responds to QUERY, whose question ends at END: same
/// identifier, same question (letters may have another case), or none beside a failure.
std::optional<Code> response_code(View message, View query, std::size_t end);

}  // namespace runtime::dns
