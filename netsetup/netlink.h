// SPDX-License-Identifier: MIT
// Netlink over libmnl: one socket, one request at a time, every request acknowledged.
//
// Theory of operation. A netlink request is a header (what to do), the protocol's own header (to
// what) and a list of attributes (how), each attribute being a length, a type and a value; an
// attribute may hold others. Message builds one. The kernel carries a request out while sendmsg(2)
// runs; its answer then waits in the socket: an error number (0 is the acknowledgement), or, for a
// dump, many messages and an end mark. Answers carry the sequence number of their request, so that
// one left over from an earlier request is told apart and dropped.
//
// Source: netlink(7), linux/netlink.h. Extended acknowledgements (NETLINK_EXT_ACK) are on, so that
// an Error carries the kernel's own sentence where it has one; strict checking of dump requests
// (NETLINK_GET_STRICT_CHK) too.
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace netsetup::netlink {

using Bytes = std::vector<std::uint8_t>;

/// A request that is being built: header, the protocol's header, attributes. Grows as needed.
class Message {
 public:
  /// TYPE as RTM_NEWLINK; FLAGS beside NLM_F_REQUEST, which is always set.
  Message(std::uint16_t type, std::uint16_t flags);

  /// The protocol's own header (ifinfomsg, nfgenmsg, ...), zeroed. Needs: no attribute put yet.
  /// The reference holds until the next put.
  template <class Header>
  Header& extra_header() {
    return *static_cast<Header*>(extra(sizeof(Header)));
  }

  void put_u8(std::uint16_t type, std::uint8_t value) { put(type, &value, sizeof value); }
  void put_u32(std::uint16_t type, std::uint32_t value) { put(type, &value, sizeof value); }
  void put_be16(std::uint16_t type, std::uint16_t value);  // VALUE in host byte order, as all here
  void put_be32(std::uint16_t type, std::uint32_t value);
  void put_be64(std::uint16_t type, std::uint64_t value);
  void put_string(std::uint16_t type, std::string_view text);  // with the final NUL
  void put_bytes(std::uint16_t type, std::span<const std::uint8_t> bytes) {
    put(type, bytes.data(), bytes.size());
  }

  [[nodiscard]] nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  [[nodiscard]] std::span<const std::uint8_t> bytes();

 private:
  friend class Nest;
  void* extra(std::size_t size);
  void put(std::uint16_t type, const void* value, std::size_t size);
  void make_room(std::size_t size);

  Bytes buffer_;  // its size is the room there is; how much is used says nlmsg_len
};

/// An attribute that holds attributes: all that is put while it lives lies inside.
///   { const Nest info(message, IFLA_LINKINFO); message.put_string(IFLA_INFO_KIND, "bridge"); }
class Nest {
 public:
  Nest(Message& message, std::uint16_t type);
  ~Nest();
  Nest(const Nest&) = delete;
  Nest& operator=(const Nest&) = delete;

  /// The protocol's header that a few attributes begin with (VETH_INFO_PEER: an ifinfomsg).
  void put_header(std::size_t size) { message_.extra(size); }

 private:
  Message& message_;
  std::size_t offset_;
};

/// The attributes of an answer, to be looked through with a range-for.
class Attributes {
 public:
  /// Those that follow HEADER_SIZE bytes of the protocol's header.
  Attributes(const nlmsghdr* message, std::size_t header_size);
  /// Those inside NEST.
  explicit Attributes(const nlattr* nest);
  /// Those that fill BYTES.
  explicit Attributes(std::span<const std::uint8_t> bytes);

  class Iterator {
   public:
    Iterator(const nlattr* at, const char* end) : at_(at), end_(end) { stop_at_end(); }
    const nlattr* operator*() const { return at_; }
    Iterator& operator++() {
      at_ = mnl_attr_next(at_);
      stop_at_end();
      return *this;
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    void stop_at_end() {
      if (!mnl_attr_ok(at_, static_cast<int>(end_ - reinterpret_cast<const char*>(at_))))
        at_ = reinterpret_cast<const nlattr*>(end_);
    }
    const nlattr* at_;
    const char* end_;
  };
  [[nodiscard]] Iterator begin() const { return {first_, end_}; }
  [[nodiscard]] Iterator end() const { return {reinterpret_cast<const nlattr*>(end_), end_}; }

  /// The attribute TYPE, nullptr where there is none.
  [[nodiscard]] const nlattr* find(std::uint16_t type) const;

 private:
  const nlattr* first_;
  const char* end_;
};

/// Values of attributes; one that is shorter than asked for reads as zeros, so that no answer of
/// any kernel makes us read beyond it.
std::span<const std::uint8_t> value(const nlattr* attribute);
std::uint8_t value_u8(const nlattr* attribute);
std::uint32_t value_u32(const nlattr* attribute);
std::uint16_t value_be16(const nlattr* attribute);
std::uint32_t value_be32(const nlattr* attribute);
std::uint64_t value_be64(const nlattr* attribute);
std::string value_string(const nlattr* attribute);  // up to its NUL

/// How a request went: errno (0: done) and the kernel's own sentence about it, mostly empty.
struct Answer {
  int error = 0;
  std::string sentence;

  /// "the kernel refuses (SENTENCE): strerror" with error as its code; nothing where error is 0.
  void throw_error() const;
};

class Socket {
 public:
  using Callback = std::function<void(const nlmsghdr*)>;

  /// Of PROTOCOL (NETLINK_ROUTE, ...), in the network namespace that the caller is in now; it
  /// stays there wherever the caller goes (network_namespaces(7)). Throws Error.
  explicit Socket(int protocol);

  /// Sends MESSAGE and waits for its acknowledgement. Throws Error.
  void request(Message& message) { ask(message).throw_error(); }
  /// The same, for callers to whom some errors are no failure. What comes before the
  /// acknowledgement (the answer of a GET) goes to REPLY.
  Answer ask(Message& message, const Callback& reply = nullptr);

  /// A consistent listing: what PARSE makes of each message, without its nullopts. Starts again
  /// where the kernel's state changed meanwhile (NLM_F_DUMP_INTR). Throws Error.
  template <class Item>
  std::vector<Item> dump(Message& message,
                         const std::function<std::optional<Item>(const nlmsghdr*)>& parse) {
    std::vector<Item> items;
    const auto collect = [&](const nlmsghdr* part) {
      if (std::optional<Item> item = parse(part)) items.push_back(*std::move(item));
    };
    for (int attempt = 1; !dump_once(message, collect, attempt == MaxAttempts); ++attempt)
      items.clear();
    return items;
  }

  /// Sends MESSAGES as one batch (nfnetlink), of which the last must have NLM_F_ACK, and returns
  /// every error of it, in order: none is success. Throws Error where it could not be sent.
  std::vector<Answer> batch(std::span<Message> messages);

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  static constexpr int MaxAttempts = 20;

  void send(std::span<const std::uint8_t> bytes);
  bool dump_once(Message& message, const Callback& callback, bool last_attempt);
  std::size_t receive(std::span<std::uint8_t> buffer, int flags);

  base::UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

/// Hears what the kernel tells to all who have joined a multicast group.
class Listener {
 public:
  /// GROUPS of PROTOCOL, in the caller's network namespace, from now on. Throws Error.
  Listener(int protocol, std::initializer_list<int> groups);

  /// Calls CALLBACK for each message that is there, up to some thousand. False: the kernel told
  /// more than there was room for (ENOBUFS), some is lost. Throws Error, and what CALLBACK throws.
  bool drain(const Socket::Callback& callback);

  /// Readable (poll(2)) when there is something.
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  base::UniqueFd fd_;
};

}  // namespace netsetup::netlink
