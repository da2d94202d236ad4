// SPDX-License-Identifier: MIT
// A message is a header of twelve bytes, then questions, then records. A name is a row of words,
// each after its length, and ends with an empty one. (What else a length may be, a pointer back to
// a name said before, has no place in a message's first name: it is refused.)
#include "runtime/dns_message.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace runtime::dns {

namespace {

// Offsets in the header, and bits of its bytes 2 and 3.
constexpr std::size_t Flags = 2;
constexpr std::size_t Questions = 4;
constexpr std::size_t Answers = 6;
constexpr std::uint8_t IsResponse = 0x80;
constexpr std::uint8_t Operation = 0x78;  // 0: a standard query
constexpr std::uint8_t Authoritative = 0x04;
constexpr std::uint8_t Truncated = 0x02;
constexpr std::uint8_t Wanted = 0x01;     // recursion: to be forwarded
constexpr std::uint8_t Available = 0x80;  // the same: we do
constexpr std::uint8_t CodeBits = 0x0f;

constexpr std::size_t LongestWord = 63;
constexpr std::size_t LongestName = 255;  // with its lengths
constexpr std::uint16_t Internet = 1;
/// Seconds that an answer may be kept. An address is soon another's: a container that was started
/// again has a new one, and to ask us again costs nothing.
constexpr std::uint32_t Lifetime = 1;

std::uint16_t number_at(View message, std::size_t at) {
  return static_cast<std::uint16_t>(message[at] << 8U | message[at + 1]);
}

void append(Bytes& out, std::uint16_t number) {
  out.push_back(static_cast<std::uint8_t>(number >> 8U));
  out.push_back(static_cast<std::uint8_t>(number));
}

std::uint8_t lower(std::uint8_t c) {
  return c >= 'A' && c <= 'Z' ? static_cast<std::uint8_t>(c - 'A' + 'a') : c;
}

bool is_query(View message) {
  return message.size() >= HeaderSize && (message[Flags] & IsResponse) == 0;
}

/// The number that DIGITS are, all of them, up to 255.
std::optional<std::uint8_t> octet(std::string_view digits) {
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  return base::parse_number<std::uint8_t>(digits);
}

std::optional<std::uint8_t> nibble(std::string_view digit) {
  constexpr std::string_view Hex = "0123456789abcdef";
  const auto value = digit.size() == 1 ? Hex.find(digit.front()) : std::string_view::npos;
  if (value == std::string_view::npos) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

}  // namespace

std::optional<Question> parse_question(View message) {
  if (!is_query(message) || (message[Flags] & Operation) != 0 || number_at(message, Questions) != 1)
    return std::nullopt;
  Question question;
  bool plain = true;
  std::size_t at = HeaderSize;
  for (;;) {
    if (at >= message.size()) return std::nullopt;
    const std::size_t length = message[at++];
    if (length == 0) break;
    if (length > LongestWord || length > message.size() - at ||
        at + length > HeaderSize + LongestName - 1)
      return std::nullopt;
    if (!question.name.empty()) question.name += '.';
    for (const std::uint8_t byte : message.subspan(at, length)) {
      plain = plain && byte > ' ' && byte < 0x7f && byte != '.';
      question.name += static_cast<char>(lower(byte));
    }
    at += length;
  }
  constexpr std::size_t TypeAndClass = 4;
  if (message.size() - at < TypeAndClass) return std::nullopt;
  if (!plain) question.name.clear();
  question.type = static_cast<Type>(number_at(message, at));
  question.internet = number_at(message, at + 2) == Internet;
  question.end = at + TypeAndClass;
  return question;
}

std::optional<netsetup::Ip> reversed_address(std::string_view name) {
  const auto read = [&name](std::string_view domain, std::size_t words,
                            const auto& value_of) -> std::optional<Bytes> {
    if (!name.ends_with(domain)) return std::nullopt;
    const auto parts = base::split(name.substr(0, name.size() - domain.size()), '.');
    if (parts.size() != words) return std::nullopt;
    Bytes values;
    for (const auto part : parts) {
      const auto value = value_of(part);
      if (!value) return std::nullopt;
      values.insert(values.begin(), *value);
    }
    return values;
  };
  using netsetup::Family;
  using netsetup::Ip;
  if (const auto octets = read(".in-addr.arpa", 4, octet)) return Ip::of_bytes(Family::V4, *octets);
  const auto nibbles = read(".ip6.arpa", 32, nibble);
  if (!nibbles) return std::nullopt;
  Bytes address;
  for (std::size_t i = 0; i < nibbles->size(); i += 2)
    address.push_back(static_cast<std::uint8_t>((*nibbles)[i] << 4U | (*nibbles)[i + 1]));
  return Ip::of_bytes(Family::V6, address);
}

Record address_record(const netsetup::Ip& address) {
  const auto bytes = address.wire();
  return {address.family == netsetup::Family::V4 ? Type::A : Type::Aaaa,
          Bytes(bytes.begin(), bytes.end())};
}

std::optional<Record> name_record(std::string_view name) {
  Record record{Type::Ptr, {}};
  for (const auto word : base::split(name, '.')) {
    if (word.empty() || word.size() > LongestWord) return std::nullopt;
    record.data.push_back(static_cast<std::uint8_t>(word.size()));
    record.data.insert(record.data.end(), word.begin(), word.end());
  }
  record.data.push_back(0);
  if (record.data.size() > LongestName) return std::nullopt;
  return record;
}

Bytes response(View query, const Question& question, Code code, const std::vector<Record>& records,
               std::size_t limit) {
  constexpr std::size_t RecordHead = 12;
  constexpr std::uint16_t QuestionsName = 0xc000 | HeaderSize;  // a pointer
  const auto asked = query.first(question.end);
  Bytes out(asked.begin(), asked.end());
  const bool known = code == Code::Good || code == Code::NoSuchName;
  out[Flags] =
      static_cast<std::uint8_t>(IsResponse | (known ? Authoritative : 0) | (query[Flags] & Wanted));
  out[Flags + 1] = static_cast<std::uint8_t>(Available | static_cast<std::uint8_t>(code));
  std::fill(out.begin() + Answers, out.begin() + HeaderSize, std::uint8_t{0});
  std::uint16_t count = 0;
  for (const auto& record : records) {
    if (out.size() + RecordHead + record.data.size() > limit) {
      out[Flags] |= Truncated;
      break;
    }
    append(out, QuestionsName);
    append(out, static_cast<std::uint16_t>(record.type));
    append(out, Internet);
    append(out, static_cast<std::uint16_t>(Lifetime >> 16U));
    append(out, static_cast<std::uint16_t>(Lifetime));
    append(out, static_cast<std::uint16_t>(record.data.size()));
    out.insert(out.end(), record.data.begin(), record.data.end());
    ++count;
  }
  out[Answers] = static_cast<std::uint8_t>(count >> 8U);
  out[Answers + 1] = static_cast<std::uint8_t>(count);
  return out;
}

std::optional<Bytes> failure(View message, Code code) {
  if (!is_query(message)) return std::nullopt;
  Bytes out(message.begin(), message.begin() + Flags + 1);
  out[Flags] = static_cast<std::uint8_t>(IsResponse | (message[Flags] & (Operation | Wanted)));
  out.push_back(static_cast<std::uint8_t>(Available | static_cast<std::uint8_t>(code)));
  out.resize(HeaderSize);
  return out;
}

bool has_question(View message) { return number_at(message, Questions) != 0; }

std::uint16_t id_of(View message) { return number_at(message, 0); }

void set_id(std::span<std::uint8_t> message, std::uint16_t id) {
  message[0] = static_cast<std::uint8_t>(id >> 8U);
  message[1] = static_cast<std::uint8_t>(id);
}

std::optional<Code> response_code(View message, View query, std::size_t end) {
  if (message.size() < HeaderSize || is_query(message) || (message[Flags] & Operation) != 0 ||
      id_of(message) != id_of(query))
    return std::nullopt;
  const auto code = static_cast<Code>(message[Flags + 1] & CodeBits);
  if (!has_question(message) && code != Code::Good) return code;
  if (number_at(message, Questions) != 1 || message.size() < end) return std::nullopt;
  const auto echoed = message.subspan(HeaderSize, end - HeaderSize);
  const auto asked = query.subspan(HeaderSize, end - HeaderSize);
  if (!std::ranges::equal(echoed, asked, {}, lower, lower)) return std::nullopt;
  return code;
}

}  // namespace runtime::dns
