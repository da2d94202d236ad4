// SPDX-License-Identifier: MIT
#include "netsetup/lease.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace netsetup {

namespace {

struct flock byte_lock(Family family, std::uint32_t number) {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = (family == Family::V4 ? 0 : off_t{1} << 32U) + number;
  range.l_len = 1;
  return range;
}

/// The addresses of a subnet that containers may have, by number from its first.
struct Range {
  explicit Range(const Cidr& gateway)
      : subnet(gateway.first()),
        own(gateway.address.low_bits() - subnet.low_bits()),
        family(gateway.address.family) {
    const unsigned free_bits = std::min(gateway.address.bits() - gateway.prefix, 32U);
    last = static_cast<std::uint32_t>((std::uint64_t{1} << free_bits) - 1);
    if (family == Family::V4) --last;  // the broadcast address
  }
  [[nodiscard]] bool has(std::uint32_t number) const {
    return number != 0 && number <= last && number != own;
  }

  Ip subnet;
  std::uint32_t own;  // the gateway's
  std::uint32_t last = 0;
  Family family;
};

/// Offers numbers of RANGE, from the one after LAST on and once around, until TRY takes one.
template <class Try>
std::optional<std::uint32_t> first_free(const Range& range, std::uint32_t last, const Try& take) {
  std::uint32_t number = last < range.last ? last : 0;
  for (std::uint64_t tries = 0; tries <= range.last; ++tries) {
    number = number == range.last ? 1 : number + 1;
    if (range.has(number) && take(range.family, number)) return number;
  }
  return std::nullopt;
}

std::uint32_t last_lease(int file) {
  std::uint32_t last = 0;
  if (file >= 0 && ::pread(file, &last, sizeof last, 0) != sizeof last) last = 0;
  return last;
}

/// One address of each subnet, of which TAKE took the numbers.
template <class Try>
std::vector<Ip> choose(const Network& network, const std::vector<Ip>& wanted, std::uint32_t last,
                       const Try& take) {
  for (const auto& address : wanted) {
    const auto has_family = [&](const Cidr& gateway) {
      return gateway.address.family == address.family;
    };
    if (std::ranges::none_of(network.gateways, has_family))
      throw base::Error(base::cat("the address ", address.text(), ": the network ", network.bridge,
                                  " has no ", text(address.family)));
  }
  std::vector<Ip> chosen;
  for (const auto& gateway : network.gateways) {
    const Range range(gateway);
    const std::string subnet = Cidr{range.subnet, gateway.prefix}.text();
    const auto asked = std::ranges::find(wanted, range.family, &Ip::family);
    if (asked != wanted.end()) {
      const std::uint32_t number = asked->low_bits() - range.subnet.low_bits();
      if (!gateway.contains(*asked) || range.subnet.plus(number) != *asked || !range.has(number))
        throw base::Error(base::cat(
            "the address ", asked->text(), " is not one for a container of ", network.bridge,
            ": its subnet is ", subnet, ", its gateway ", gateway.address.text()));
      if (!take(range.family, number))
        throw base::Error(base::cat("the address ", asked->text(), " of ", network.bridge,
                                    " is taken: another container has it (see `minictl network`)"));
      chosen.push_back(*asked);
      continue;
    }
    const auto number = first_free(range, last, take);
    if (!number)
      throw base::Error(base::cat("the network ", network.bridge, " is full: every address of ",
                                  subnet, " is in use; end a container first"));
    chosen.push_back(range.subnet.plus(*number));
    last = *number - 1;  // the next family's, where it is free
  }
  return chosen;
}

}  // namespace

Lease Lease::take(int directory, const Network& network, const std::vector<Ip>& wanted) {
  auto file = base::open_or_throw("leases", O_RDWR | O_CREAT | O_NOFOLLOW, directory);
  auto addresses =
      choose(network, wanted, last_lease(file.get()), [&](Family family, std::uint32_t number) {
        struct flock range = byte_lock(family, number);
        if (::fcntl(file.get(), F_OFD_SETLK, &range) == 0) return true;
        if (errno != EAGAIN && errno != EACCES) throw base::Error(errno, "lock an address");
        return false;
      });
  if (wanted.empty()) {
    const std::uint32_t number =
        addresses.front().low_bits() - network.gateways.front().first().low_bits();
    base::check(static_cast<int>(::pwrite(file.get(), &number, sizeof number, 0)),
                "write the leases in /run/mini-run");
  }
  return {std::move(file), std::move(addresses)};
}

std::vector<Ip> Lease::preview(int directory, const Network& network,
                               const std::vector<Ip>& wanted) {
  const base::UniqueFd file(
      directory < 0 ? -1 : ::openat(directory, "leases", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return choose(network, wanted, last_lease(file.get()), [&](Family family, std::uint32_t number) {
    struct flock range = byte_lock(family, number);
    range.l_type = F_RDLCK;  // the file is open for reading only: fcntl(2)
    return !file.valid() || ::fcntl(file.get(), F_OFD_GETLK, &range) < 0 || range.l_type == F_UNLCK;
  });
}

}  // namespace netsetup
