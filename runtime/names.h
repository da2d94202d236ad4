// SPDX-License-Identifier: MIT
// Who is called what on a network.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "netsetup/address.h"
#include "runtime/description.h"

namespace runtime {

/// The names of the containers that run now and share a network with one of them, as the records
/// tell (description.h): name, host name, its first word, aliases. Besides, the host's own: it is
/// the gateways.
class Names {
 public:
  /// RECORD: the directory of the record of the container NAME; the others lie beside it. Throws
  /// Error.
  Names(int record, std::string name);

  /// Of all containers that are called NAME (lower case) on one network, the first where there is
  /// one, in an order that changes with each call. Nothing where nobody is called so. Throws Error.
  std::vector<netsetup::Ip> addresses(std::string_view name);
  /// The name of the container that has ADDRESS. Throws Error.
  std::optional<std::string> name_of(const netsetup::Ip& address);
  /// Whether ADDRESS, just asked for, is one of its networks: nobody beyond them knows who has it.
  [[nodiscard]] bool is_ours(const netsetup::Ip& address) const;

 private:
  struct Entry {
    ino_t file = 0;  // of its description, which is replaced as a whole
    std::int64_t written = 0;
    bool here = true;
    std::vector<std::string> names;  // lower case, the first is its own
    std::vector<Attached> networks;
  };
  void look();
  void read(const std::string& container, Entry& entry) const;
  [[nodiscard]] bool is_alive(const std::string& container) const;
  [[nodiscard]] const std::vector<Attached>& own_networks() const;

  std::string name_;
  base::UniqueFd containers_;
  std::map<std::string, Entry> entries_;  // by the container's name
  std::minstd_rand random_{std::random_device()()};
};

/// The names that the host has in every container.
inline constexpr std::array<std::string_view, 2> HostNames = {"host.mini.internal",
                                                              "host.docker.internal"};

}  // namespace runtime
