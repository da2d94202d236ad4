// SPDX-License-Identifier: MIT
// What parent and child say to each other while a container starts.
//
//        mini-run (parent)                          container (child)
//   1    clone3 ---------------------------------->  init: process 1 of the new namespaces
//   2    joins the network, leases an address        mounts begin
//   3    Files: /etc/hosts and so on are written ->  they are copied; pivot_root
//   4    veth, addresses, published ports            forks the program, which becomes its user,
//                                                    drops its capabilities
//   5    Go: the network is there ---------------->  the program waits for it
//   6                          <- Ready | Failed     loads its seccomp filter, execs
//   7                          <- Started | Failed   execve(2) has replaced it, or failed
//   8                          <- Note               a line for the user, at any time
//
// Both sides work at the same time, and neither waits for a word that the other could have said
// earlier. The numbers stand in the comments on both sides. The child's end is shared by init and
// program; it is close-on-exec, so that the program never has it. End of file, on either side,
// means that the other is dead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"

namespace runtime {

struct Message {
  enum class Kind : std::uint8_t { Files, Ready, Go, Started, Failed, Note };
  Kind kind = Kind::Note;
  int exit_status = 0;        // Failed: what mini-run is to exit with
  std::string text;           // Failed, Note: one line
  base::UniqueFd descriptor;  // Ready: the master of the program's terminal, with -t
};

/// One end of a SOCK_SEQPACKET pair (unix(7)): a message is received whole or not at all.
class Channel {
 public:
  static std::pair<Channel, Channel> make();

  explicit Channel(base::UniqueFd socket) : socket_(std::move(socket)) {}
  /// Texts beyond 4 kB are cut. False: it was not sent, errno says why (EPIPE: nobody is left).
  bool send(Message::Kind kind, std::string_view text = {}, int exit_status = 0) const noexcept;
  /// The same with a descriptor, which the receiver gets a copy of.
  bool send_descriptor(Message::Kind kind, int descriptor) const noexcept;
  /// Waits. Nothing: the other end is closed.
  [[nodiscard]] std::optional<Message> receive() const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  base::UniqueFd socket_;
};

}  // namespace runtime
