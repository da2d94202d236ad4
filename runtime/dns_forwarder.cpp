// SPDX-License-Identifier: MIT
// The way of a question: try_next() opens a socket to a server and sends; the loop calls
// handle_...() when it has something to say; take() judges it; finish() tells the asker. What goes
// wrong on the way, or takes too long, leads to try_next() again, and behind the last server to
// finish() with a failure.
#include "runtime/dns_forwarder.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/error.h"

namespace runtime {

namespace {

/// For all servers together: less than the five seconds after which the C library asks again.
constexpr std::chrono::milliseconds Patience{4500};
constexpr std::size_t LengthSize = 2;  // a message has its length before it in TCP

std::uint16_t random_id() {
  std::uint16_t id = 0;
  base::check(static_cast<int>(::getrandom(&id, sizeof id, 0)), "getrandom");
  return id;
}

/// Whether one asks the next server after this answer, as the C library does.
bool says_nothing(dns::Code code) {
  return code == dns::Code::ServerFailure || code == dns::Code::NotImplemented ||
         code == dns::Code::Refused;
}

}  // namespace

DnsForwarder::~DnsForwarder() {
  for (auto& each : waiting_) hang_up(each);
}

void DnsForwarder::hang_up(Waiting& waiting) {
  if (waiting.source != nullptr) waiting.source->close();
  waiting.source = nullptr;
  waiting.socket.reset();
}

void DnsForwarder::ask(dns::View query, dns::Question question, Transport transport,
                       Answer answer) {
  std::vector<ServerAddress> servers;
  try {
    servers = servers_();
  } catch (const base::Error&) {
    // The file that names them cannot be read: it is said when a container starts.
  }
  waiting_.push_back({dns::Bytes(query.begin(), query.end()), std::move(question), transport,
                      std::move(answer), dns::id_of(query), std::move(servers)});
  try_next(std::prev(waiting_.end()));
}

void DnsForwarder::try_next(Place place) {
  hang_up(*place);
  while (place->next < place->servers.size()) {
    const auto& server = place->servers[place->next++];
    if (!send(place, server)) continue;
    place->deadline = Clock::now() + Patience / static_cast<int>(place->servers.size());
    return;
  }
  fail(place, dns::Code::ServerFailure);
}

/// False: this server cannot be asked.
bool DnsForwarder::send(Place place, const ServerAddress& server) {
  const bool udp = place->transport == Transport::Udp;
  const int type = udp ? SOCK_DGRAM : SOCK_STREAM;
  place->socket = base::UniqueFd(::socket(server.family(), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!place->socket.valid()) return false;
  const int fd = place->socket.get();
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&server.socket), server.size) < 0 &&
      errno != EINPROGRESS)
    return false;
  dns::set_id(place->query, random_id());
  if (udp) {
    if (::send(fd, place->query.data(), place->query.size(), MSG_NOSIGNAL) < 0) return false;
    place->source = &loop_.add(fd, POLLIN, [this, place](short) { handle_udp(place); });
    return true;
  }
  place->received.clear();
  place->sending = {static_cast<std::uint8_t>(place->query.size() >> 8U),
                    static_cast<std::uint8_t>(place->query.size())};
  place->sending.insert(place->sending.end(), place->query.begin(), place->query.end());
  place->source =
      &loop_.add(fd, POLLOUT, [this, place](short events) { handle_tcp(place, events); });
  return true;
}

void DnsForwarder::handle_udp(Place place) {
  std::array<std::uint8_t, dns::LongestMessage> buffer;
  const ssize_t got = ::recv(place->socket.get(), buffer.data(), buffer.size(), 0);
  if (got >= 0)
    // What is no answer to this question is passed over: the true one may come yet.
    static_cast<void>(take(place, std::span(buffer).first(static_cast<std::size_t>(got))));
  else if (errno != EAGAIN && errno != EINTR)
    try_next(place);  // nobody listens there (ICMP)
}

void DnsForwarder::handle_tcp(Place place, short events) {
  const int fd = place->socket.get();
  auto& sending = place->sending;
  if (!sending.empty()) {
    const ssize_t sent = ::send(fd, sending.data(), sending.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) return try_next(place);
    sending.erase(sending.begin(), sending.begin() + sent);
    if (sending.empty()) place->source->events = POLLIN;
    return;
  }
  if ((events & (POLLIN | POLLERR | POLLHUP)) == 0) return;
  std::array<std::uint8_t, 4096> buffer;
  const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return try_next(place);
  auto& received = place->received;
  received.insert(received.end(), buffer.begin(), buffer.begin() + got);
  if (received.size() < LengthSize) return;
  const std::size_t length = static_cast<std::size_t>(received[0]) << 8U | received[1];
  if (received.size() < LengthSize + length) return;
  dns::Bytes message(received.begin() + LengthSize,
                     received.begin() + static_cast<std::ptrdiff_t>(LengthSize + length));
  if (!take(place, message)) try_next(place);
}

/// False: MESSAGE is no answer to the question. True: PLACE may be gone.
bool DnsForwarder::take(Place place, std::span<std::uint8_t> message) {
  const auto code = dns::response_code(message, place->query, place->question.end);
  if (!code) return false;
  if (says_nothing(*code) && place->next < place->servers.size()) {
    try_next(place);
  } else if (!dns::has_question(message)) {
    fail(place, *code);  // the asker could not tell what it answers
  } else {
    dns::set_id(message, place->id);
    finish(place, message);
  }
  return true;
}

void DnsForwarder::fail(Place place, dns::Code code) {
  dns::set_id(place->query, place->id);
  finish(place, dns::response(place->query, place->question, code, {}, dns::LongestUdp));
}

void DnsForwarder::finish(Place place, dns::View message) {
  hang_up(*place);
  std::list<Waiting> done;
  done.splice(done.end(), waiting_, place);  // it is no longer waited for when it is answered
  done.front().answer(message);
}

void DnsForwarder::expire() {
  const auto now = Clock::now();
  for (auto place = waiting_.begin(); place != waiting_.end();) {
    const auto next = std::next(place);
    if (place->deadline <= now) try_next(place);
    place = next;
  }
}

}  // namespace runtime
