// SPDX-License-Identifier: MIT
#include "runtime/dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "netsetup/step.h"

namespace runtime {

using base::check;
using base::UniqueFd;

namespace {

// What a container may have on its way at once; more waits in its sockets. Each is a descriptor.
constexpr std::size_t MostForwarded = 128;
constexpr std::size_t MostConnections = 16;  // of these each two
constexpr int MostAtOnce = 32;               // datagrams, before others have their turn
constexpr std::size_t LongestQuery = 4096;
constexpr std::size_t LengthSize = 2;  // a message has its length before it in TCP

constexpr std::chrono::milliseconds Tick{250};
constexpr std::chrono::seconds Idle{10};  // a connection on which nothing is asked
constexpr std::chrono::seconds Rest{3};

UniqueFd make_socket(int type) {
  UniqueFd made(check(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                      "open the container's name server"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(netsetup::NameServer::OwnPort);
  std::memcpy(&address.sin_addr, netsetup::NameServer::address().wire().data(),
              sizeof address.sin_addr);
  check(::bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        "bind the container's name server");
  return made;
}

/// Not: what a name server tells of itself, in another class (CHAOS), and the transfer of whole
/// zones. A server may trust its own host with that, but a container is none.
bool is_about_hosts(const dns::Question& question) {
  const bool whole_zone = question.type == dns::Type::Axfr || question.type == dns::Type::Ixfr;
  return question.internet && !whole_zone;
}

/// What a stranger's message leads to must not end the container: out of memory or descriptors, a
/// question has no answer.
template <class Function>
void guarded(const Function& function) noexcept {
  try {
    function();
  } catch (const std::exception&) {
    // The asker will ask again.
  }
}

}  // namespace

DnsSockets DnsSockets::open() {
  DnsSockets sockets{make_socket(SOCK_DGRAM), make_socket(SOCK_STREAM)};
  check(::listen(sockets.tcp.get(), MostConnections), "listen");
  return sockets;
}

DnsServer::DnsServer(base::EventLoop& loop, DnsSockets sockets, Names names,
                     DnsForwarder::Servers servers, std::function<void()> at_rest)
    : loop_(loop),
      sockets_(std::move(sockets)),
      names_(std::move(names)),
      forwarder_(loop, std::move(servers)),
      at_rest_(std::move(at_rest)),
      datagrams_(&loop.add(sockets_.udp.get(), POLLIN,
                           [this](short) { guarded([this] { take_datagrams(); }); })),
      connecting_(&loop.add(sockets_.tcp.get(), POLLIN,
                            [this](short) { guarded([this] { accept(); }); })) {}

DnsServer::~DnsServer() {
  datagrams_->close();
  connecting_->close();
  for (auto& [serial, connection] : connections_) connection.source->close();
}

void DnsServer::take_datagrams() {
  std::array<std::uint8_t, LongestQuery> buffer;
  for (int count = 0; count < MostAtOnce; ++count) {
    if (forwarder_.waiting() >= MostForwarded) {
      datagrams_->events = 0;  // until one of them has its answer
      return;
    }
    sockaddr_in asker{};
    socklen_t size = sizeof asker;
    const ssize_t got = ::recvfrom(sockets_.udp.get(), buffer.data(), buffer.size(), MSG_TRUNC,
                                   reinterpret_cast<sockaddr*>(&asker), &size);
    if (got < 0) return;
    if (static_cast<std::size_t>(got) > buffer.size()) continue;
    keep_time();
    serve(std::span(buffer).first(static_cast<std::size_t>(got)), Transport::Udp,
          [this, asker](dns::View answer) {
            datagrams_->events = POLLIN;
            if (answer.empty()) return;
            ::sendto(sockets_.udp.get(), answer.data(), answer.size(), MSG_NOSIGNAL,
                     reinterpret_cast<const sockaddr*>(&asker), sizeof asker);
          });
  }
}

/// Calls ANSWER once, with nothing where QUERY deserves none.
void DnsServer::serve(dns::View query, Transport transport, const DnsForwarder::Answer& answer) {
  auto question = dns::parse_question(query);
  if (!question) {
    const auto refusal = dns::failure(query, dns::Code::FormatError);
    return answer(refusal ? dns::View(*refusal) : dns::View());
  }
  const std::size_t limit = transport == Transport::Udp ? dns::LongestUdp : dns::LongestMessage;
  if (!is_about_hosts(*question))
    return answer(dns::response(query, *question, dns::Code::Refused, {}, limit));
  if (const auto own = own_answer(query, *question, limit)) return answer(*own);
  forwarder_.ask(query, *std::move(question), transport, answer);
}

/// Nothing where it is for others to know.
std::optional<dns::Bytes> DnsServer::own_answer(dns::View query, const dns::Question& question,
                                                std::size_t limit) {
  using dns::Type;
  if (question.name.empty()) return std::nullopt;
  std::vector<dns::Record> records;
  const auto wanted = [&question](Type type) {
    return question.type == type || question.type == Type::Any;
  };
  if (const auto address = dns::reversed_address(question.name)) {
    const auto name = names_.name_of(*address);
    if (!name && !names_.is_ours(*address)) return std::nullopt;
    if (!name) return dns::response(query, question, dns::Code::NoSuchName, {}, limit);
    if (auto record = dns::name_record(*name); record && wanted(Type::Ptr))
      records.push_back(*std::move(record));
  } else {
    const auto addresses = names_.addresses(question.name);
    if (addresses.empty()) return std::nullopt;
    for (const auto& each : addresses)
      if (auto record = dns::address_record(each); wanted(record.type))
        records.push_back(std::move(record));
  }
  return dns::response(query, question, dns::Code::Good, records, limit);
}

void DnsServer::accept() {
  UniqueFd socket(::accept4(sockets_.tcp.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) return;
  keep_time();
  if (connections_.size() >= MostConnections) hang_up(connections_.begin()->first);  // the oldest
  const Serial serial = ++last_;
  const int fd = socket.get();
  auto& connection = connections_[serial];
  connection.socket = std::move(socket);
  connection.deadline = Clock::now() + Idle;
  connection.source = &loop_.add(
      fd, POLLIN, [this, serial](short) { guarded([this, serial] { handle(serial); }); });
}

/// One question after the other: while one is on its way, the next waits in the socket.
void DnsServer::handle(Serial serial) {
  const auto found = connections_.find(serial);
  if (found == connections_.end()) return;
  auto& connection = found->second;
  keep_time();
  connection.deadline = Clock::now() + Idle;
  if (!connection.sending.empty() ? !flush(connection) : !receive(serial, connection))
    hang_up(serial);
}

/// False: it is of no more use.
bool DnsServer::receive(Serial serial, Connection& connection) {
  auto& received = connection.received;
  const auto wanted = [&received] {
    return received.size() < LengthSize
               ? LengthSize
               : LengthSize + (static_cast<std::size_t>(received[0]) << 8U | received[1]);
  };
  if (wanted() > LengthSize + LongestQuery) return false;
  std::array<std::uint8_t, LengthSize + LongestQuery> buffer;
  const ssize_t got = ::recv(connection.socket.get(), buffer.data(), wanted() - received.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0) return false;
  received.insert(received.end(), buffer.begin(), buffer.begin() + got);
  if (received.size() == LengthSize || received.size() < wanted()) return true;
  connection.source->events = 0;
  const dns::Bytes query(received.begin() + LengthSize, received.end());
  received.clear();
  serve(query, Transport::Tcp, [this, serial](dns::View answer) { reply(serial, answer); });
  return true;
}

void DnsServer::reply(Serial serial, dns::View message) {
  datagrams_->events = POLLIN;
  const auto found = connections_.find(serial);
  if (found == connections_.end()) return;
  auto& connection = found->second;
  if (message.empty()) return hang_up(serial);
  connection.sending = {static_cast<std::uint8_t>(message.size() >> 8U),
                        static_cast<std::uint8_t>(message.size())};
  connection.sending.insert(connection.sending.end(), message.begin(), message.end());
  if (!flush(connection)) hang_up(serial);
}

/// False: it is of no more use.
bool DnsServer::flush(Connection& connection) {
  auto& sending = connection.sending;
  const ssize_t sent =
      ::send(connection.socket.get(), sending.data(), sending.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
  if (sent > 0) sending.erase(sending.begin(), sending.begin() + sent);
  connection.source->events = sending.empty() ? POLLIN : POLLOUT;
  return true;
}

void DnsServer::hang_up(Serial serial) {
  const auto found = connections_.find(serial);
  if (found == connections_.end()) return;
  found->second.source->close();
  connections_.erase(found);
}

/// Somebody has asked something: from now on time counts.
void DnsServer::keep_time() {
  asked_ = Clock::now();
  if (ticking_) return;
  ticking_ = true;
  loop_.at(asked_ + Tick, [this] { guarded([this] { tick(); }); });
}

void DnsServer::tick() {
  const auto now = Clock::now();
  if (connections_.empty() && forwarder_.waiting() == 0 && now - asked_ > Rest) {
    ticking_ = false;
    return at_rest_();
  }
  loop_.at(now + Tick, [this] { guarded([this] { tick(); }); });
  forwarder_.expire();
  for (auto next = connections_.begin(); next != connections_.end();) {
    const auto each = next++;
    if (each->second.deadline <= now) hang_up(each->first);
  }
}

}  // namespace runtime
