// SPDX-License-Identifier: MIT
// Netlink messages and the socket that carries them: see netlink.h for how it works.
#include "netsetup/netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace netsetup::netlink {

namespace {

// The kernel fills a dump's datagrams up to the size of the reader's buffer, at most this
// (NLMSG_GOODSIZE and netlink_dump() of net/netlink/af_netlink.c).
constexpr std::size_t ReceiveSize = 32768;

constexpr std::size_t FirstRoom = 512;
constexpr std::size_t LongestValue = 0xffff - sizeof(nlattr);  // nla_len has 16 bits

Answer parse_answer(const nlmsghdr* header) {
  Answer answer;
  if (header->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(int)) return {EBADMSG, {}};
  int error = 0;
  std::memcpy(&error, mnl_nlmsg_get_payload(header), sizeof error);
  answer.error = -error;
  // The request's header is echoed; with NETLINK_CAP_ACK its body is not (NLM_F_CAPPED).
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return answer;
  const std::size_t skip = header->nlmsg_type == NLMSG_DONE ? sizeof(int) : sizeof(nlmsgerr);
  if (const nlattr* text = Attributes(header, skip).find(NLMSGERR_ATTR_MSG))
    answer.sentence = value_string(text);
  return answer;
}

}  // namespace

// ------------------------------------------------------------------------------------ Message

Message::Message(std::uint16_t type, std::uint16_t flags) : buffer_(FirstRoom) {
  nlmsghdr* head = mnl_nlmsg_put_header(buffer_.data());
  head->nlmsg_type = type;
  head->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

std::span<const std::uint8_t> Message::bytes() {
  make_room(0);
  return {buffer_.data(), MNL_ALIGN(header()->nlmsg_len)};
}

void Message::make_room(std::size_t size) {
  const std::size_t needed = MNL_ALIGN(header()->nlmsg_len) + MNL_ALIGN(size) + MNL_ATTR_HDRLEN;
  if (needed > buffer_.size()) buffer_.resize(std::max(needed, 2 * buffer_.size()));
}

void* Message::extra(std::size_t size) {
  make_room(size);
  return mnl_nlmsg_put_extra_header(header(), size);
}

void Message::put(std::uint16_t type, const void* value, std::size_t size) {
  if (size > LongestValue) throw base::Error(EMSGSIZE, "netlink attribute");
  make_room(size);
  mnl_attr_put(header(), type, size, value);
}

void Message::put_be16(std::uint16_t type, std::uint16_t value) {
  const std::uint16_t swapped = htons(value);
  put(type, &swapped, sizeof swapped);
}

void Message::put_be32(std::uint16_t type, std::uint32_t value) { put_u32(type, htonl(value)); }

void Message::put_be64(std::uint16_t type, std::uint64_t value) {
  const std::uint64_t swapped = htobe64(value);
  put(type, &swapped, sizeof swapped);
}

void Message::put_string(std::uint16_t type, std::string_view text) {
  put(type, std::string(text).c_str(), text.size() + 1);
}

Nest::Nest(Message& message, std::uint16_t type)
    : message_(message), offset_(MNL_ALIGN(message.header()->nlmsg_len)) {
  message_.make_room(0);
  mnl_attr_nest_start(message_.header(), type);
}

// By offset, not by mnl_attr_nest_end(): the buffer may have moved since the start.
Nest::~Nest() {
  auto* nest = reinterpret_cast<nlattr*>(message_.buffer_.data() + offset_);
  nest->nla_len = static_cast<std::uint16_t>(message_.header()->nlmsg_len - offset_);
}

// --------------------------------------------------------------------------------- Attributes

Attributes::Attributes(const nlmsghdr* message, std::size_t header_size)
    : first_(static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, header_size))),
      end_(static_cast<const char*>(mnl_nlmsg_get_payload_tail(message))) {
  if (reinterpret_cast<const char*>(first_) > end_)  // an answer shorter than its own header
    first_ = reinterpret_cast<const nlattr*>(end_);
}

Attributes::Attributes(const nlattr* nest) : Attributes(value(nest)) {}

Attributes::Attributes(std::span<const std::uint8_t> bytes)
    : first_(reinterpret_cast<const nlattr*>(bytes.data())),
      end_(reinterpret_cast<const char*>(bytes.data() + bytes.size())) {}

const nlattr* Attributes::find(std::uint16_t type) const {
  for (const nlattr* attribute : *this)
    if (mnl_attr_get_type(attribute) == type) return attribute;
  return nullptr;
}

std::span<const std::uint8_t> value(const nlattr* attribute) {
  return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
          mnl_attr_get_payload_len(attribute)};
}

namespace {
template <class Integer>
Integer read_integer(const nlattr* attribute) {
  Integer number = 0;
  const auto bytes = value(attribute);
  if (bytes.size() >= sizeof number) std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}
}  // namespace

std::uint8_t value_u8(const nlattr* attribute) { return read_integer<std::uint8_t>(attribute); }
std::uint32_t value_u32(const nlattr* attribute) { return read_integer<std::uint32_t>(attribute); }
std::uint16_t value_be16(const nlattr* attribute) {
  return ntohs(read_integer<std::uint16_t>(attribute));
}
std::uint32_t value_be32(const nlattr* attribute) {
  return ntohl(read_integer<std::uint32_t>(attribute));
}
std::uint64_t value_be64(const nlattr* attribute) {
  return be64toh(read_integer<std::uint64_t>(attribute));
}

std::string value_string(const nlattr* attribute) {
  const auto bytes = value(attribute);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  return {text, ::strnlen(text, bytes.size())};
}

// ------------------------------------------------------------------------------------- Socket

void Answer::throw_error() const {
  if (error == 0) return;
  throw base::Error(error, sentence.empty()
                               ? "the kernel refuses"
                               : base::cat("the kernel refuses (", base::printable(sentence), ")"));
}

Socket::Socket(int protocol) : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
  if (!fd_.valid()) throw base::Error(errno, "open a netlink socket");
  // Best effort: what they add is better texts and stricter checks, not another behaviour.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
    const int on = 1;
    ::setsockopt(fd_.get(), SOL_NETLINK, option, &on, sizeof on);
  }
}

void Socket::send(std::span<const std::uint8_t> bytes) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const ssize_t sent = ::sendto(fd_.get(), bytes.data(), bytes.size(), 0,
                                  reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent >= 0) return;
    if (errno == EMSGSIZE) {
      // More than the send buffer holds: a batch of a thousand elements. The forced size needs
      // CAP_NET_ADMIN in the first user namespace; the other is bounded by net.core.wmem_max.
      const int size = static_cast<int>(bytes.size() + ReceiveSize);
      int now = 0;
      socklen_t length = sizeof now;
      ::getsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &now, &length);
      if (now < size && (::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, length) == 0 ||
                         ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &size, length) == 0)) {
        ::getsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &now, &length);
        if (now >= size) continue;
      }
      errno = EMSGSIZE;
    }
    if (errno != EINTR) throw base::Error(errno, "send to netlink");
  }
}

/// One datagram; 0 where MSG_DONTWAIT finds none, which then also passes over an overflow
/// (ENOBUFS).
std::size_t Socket::receive(std::span<std::uint8_t> buffer, int flags) {
  for (;;) {
    sockaddr_nl sender{};
    socklen_t length = sizeof sender;
    const ssize_t got = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), flags | MSG_TRUNC,
                                   reinterpret_cast<sockaddr*>(&sender), &length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS && (flags & MSG_DONTWAIT) != 0) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    if (got < 0) throw base::Error(errno, "receive from netlink");
    if (sender.nl_pid != 0) continue;  // another process may write to us; only the kernel counts
    if (static_cast<std::size_t>(got) > buffer.size())
      throw base::Error(EMSGSIZE, "receive from netlink");
    return static_cast<std::size_t>(got);
  }
}

namespace {
/// Calls CALLBACK for each message of DATAGRAM until it returns true; returns whether it did.
template <class Function>
bool for_each_message(std::span<const std::uint8_t> datagram, const Function& callback) {
  auto left = static_cast<int>(datagram.size());
  const auto* header = reinterpret_cast<const nlmsghdr*>(datagram.data());
  for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left))
    if (callback(header)) return true;
  return false;
}
}  // namespace

Answer Socket::ask(Message& message, const Callback& reply) {
  message.header()->nlmsg_flags |= NLM_F_ACK;
  message.header()->nlmsg_seq = ++sequence_;
  send(message.bytes());
  alignas(nlmsghdr) std::array<std::uint8_t, ReceiveSize> buffer;
  Answer answer;
  for (bool done = false; !done;) {
    const std::size_t got = receive(buffer, 0);
    done = for_each_message(std::span(buffer).first(got), [&](const nlmsghdr* header) {
      if (header->nlmsg_seq != sequence_) return false;
      if (header->nlmsg_type == NLMSG_ERROR) {
        answer = parse_answer(header);
        return true;
      }
      if (reply) reply(header);
      return false;
    });
  }
  return answer;
}

bool Socket::dump_once(Message& message, const Callback& callback, bool last_attempt) {
  message.header()->nlmsg_flags |= NLM_F_DUMP;
  message.header()->nlmsg_seq = ++sequence_;
  send(message.bytes());
  alignas(nlmsghdr) std::array<std::uint8_t, ReceiveSize> buffer;
  bool interrupted = false;
  Answer answer;
  for (bool done = false; !done;) {
    const std::size_t got = receive(buffer, 0);
    done = for_each_message(std::span(buffer).first(got), [&](const nlmsghdr* header) {
      if (header->nlmsg_seq != sequence_) return false;
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
        answer = parse_answer(header);
        return true;
      }
      if (!interrupted) callback(header);
      return false;
    });
  }
  if (answer.error == EINTR) interrupted = true;
  if (interrupted && !last_attempt) return false;
  if (interrupted) answer.error = EINTR;
  answer.throw_error();
  return true;
}

std::vector<Answer> Socket::batch(std::span<Message> messages) {
  Bytes whole;
  for (Message& message : messages) {
    message.header()->nlmsg_seq = ++sequence_;
    const auto bytes = message.bytes();
    whole.insert(whole.end(), bytes.begin(), bytes.end());
  }
  const std::uint32_t first = sequence_ - static_cast<std::uint32_t>(messages.size()) + 1;
  send(whole);
  // The kernel has answered when sendmsg(2) returns: what is not there now never comes (each error
  // is a datagram, and hundreds of them may have overflown our receive buffer: ENOBUFS).
  std::vector<Answer> errors;
  bool acknowledged = false;
  alignas(nlmsghdr) std::array<std::uint8_t, ReceiveSize> buffer;
  for (;;) {
    const std::size_t got = receive(buffer, MSG_DONTWAIT);
    if (got == 0) break;
    for_each_message(std::span(buffer).first(got), [&](const nlmsghdr* header) {
      if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_seq < first) return false;
      Answer answer = parse_answer(header);
      if (answer.error == 0) acknowledged = true;
      if (answer.error != 0) errors.push_back(std::move(answer));
      return false;
    });
  }
  if (!acknowledged && errors.empty()) errors.push_back({EBADMSG, "no answer to a batch"});
  return errors;
}

// ----------------------------------------------------------------------------------- Listener

Listener::Listener(int protocol, std::initializer_list<int> groups)
    : fd_(base::check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol),
                      "open a netlink socket")) {
  const int room = 8 << 20U;  // best effort, as in Socket::send()
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  base::check(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own),
              "bind a netlink socket");
  for (const int group : groups)
    base::check(::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group),
                "listen to the kernel's notifications");
}

bool Listener::drain(const Socket::Callback& callback) {
  alignas(nlmsghdr) std::array<std::uint8_t, ReceiveSize> buffer;
  constexpr int Most = 4096;
  bool complete = true;
  for (int count = 0; count < Most; ++count) {
    sockaddr_nl sender{};
    socklen_t length = sizeof sender;
    const ssize_t got = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&sender), &length);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return complete;
    if (got < 0 && errno == ENOBUFS) complete = false;
    if (got < 0 && errno != EINTR && errno != ENOBUFS)
      throw base::Error(errno, "receive from netlink");
    if (got < 0 || sender.nl_pid != 0) continue;  // only the kernel counts
    for_each_message(std::span(buffer).first(static_cast<std::size_t>(got)),
                     [&](const nlmsghdr* header) {
                       callback(header);
                       return false;
                     });
  }
  return complete;
}

}  // namespace netsetup::netlink
