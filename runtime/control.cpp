// SPDX-License-Identifier: MIT
#include "runtime/control.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace runtime {

using base::check;
using base::UniqueFd;

namespace {

constexpr char Done = '+';
constexpr char Refused = '-';
constexpr std::size_t Longest = 65536;

UniqueFd make_socket() {
  return UniqueFd(check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"));
}

/// By way of the directory's descriptor: its path may be longer than an address can be.
sockaddr_un address_in(int directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = base::cat("/proc/self/fd/", directory, "/control");
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  return address;
}

std::optional<std::string> receive(int socket) {
  std::string message(Longest, '\0');
  ssize_t got = 0;
  // ECONNRESET: the other end died with a message of ours unread. What it said before comes next.
  while ((got = ::recv(socket, message.data(), message.size(), 0)) < 0 &&
         (errno == EINTR || errno == ECONNRESET)) {
  }
  if (got <= 0) return std::nullopt;
  message.resize(static_cast<std::size_t>(got));
  return message;
}

void send(int socket, char mark, std::string_view text) {
  const std::string message = base::cat(mark, text.substr(0, Longest - 1));
  ::send(socket, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

Control::Control(base::EventLoop& loop, int directory, Handler handler)
    : loop_(loop), handler_(std::move(handler)), socket_(make_socket()) {
  const auto address = address_in(directory);
  check(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        "make the control socket in /run/mini-run");
  check(::fcntl(socket_.get(), F_SETFL, O_NONBLOCK), "use the control socket");
  constexpr int Waiting = 64;
  check(::listen(socket_.get(), Waiting), "listen");
  loop_.add(socket_.get(), POLLIN, [this](short) { accept(); });
}

void Control::accept() {
  UniqueFd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection.valid()) return;
  const auto place = connections_.insert(connections_.end(), std::move(connection));
  auto& source = loop_.add(place->get(), POLLIN, nullptr);
  source.handle = [this, place, &source](short) {
    source.close();  // one request a connection
    serve(place);
  };
}

void Control::serve(std::list<UniqueFd>::iterator connection) {
  if (const auto request = receive(connection->get())) {
    try {
      Words words;
      for (const auto word : base::split(*request, '\0')) words.emplace_back(word);
      const auto answer = handler_(words);
      if (!answer) return;  // stays open
      send(connection->get(), Done, *answer);
    } catch (const base::Error& error) {
      send(connection->get(), Refused, error.what());
    }
  }
  connections_.erase(connection);
}

void Control::finish(const std::string& answer) {
  // Those too who have come this moment; whatever they want to know, this is the answer.
  for (;;) {
    UniqueFd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.valid()) break;
    connections_.push_back(std::move(connection));
  }
  for (const auto& connection : connections_) send(connection.get(), Done, answer);
  connections_.clear();
}

Question::Question(int directory, const Words& request) : socket_(make_socket()) {
  const auto address = address_in(directory);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    if (errno != ENOENT && errno != ECONNREFUSED)
      throw base::Error(errno, "reach the mini-run of this container");
    socket_.reset();
    return;
  }
  const std::string words = base::join(request, std::string_view("\0", 1));
  if (::send(socket_.get(), words.data(), words.size(), MSG_NOSIGNAL) >= 0) return;
  // Its last act may have been an answer (finish()): that is still to be had.
  if (errno != EPIPE && errno != ECONNRESET)
    throw base::Error(errno, "ask the mini-run of this container");
}

std::optional<std::string> Question::answer() {
  if (!socket_.valid()) return std::nullopt;
  const auto answer = receive(socket_.get());
  if (!answer) return std::nullopt;
  if (answer->front() == Refused) throw base::Error(answer->substr(1));
  return answer->substr(1);
}

}  // namespace runtime
