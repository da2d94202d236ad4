// SPDX-License-Identifier: MIT
#include "netsetup/lease.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace netsetup {

namespace {

struct flock byte_lock(std::uint32_t offset) {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = offset;
  range.l_len = 1;
  return range;
}

/// Offers addresses (as offsets in the subnet), from the one after the last on and once around,
/// until TRY takes one.
template <class Try>
std::optional<std::uint32_t> first_free(int file, const Cidr& subnet, Try try_offset) {
  const std::uint32_t first = 2;  // 0 is the network, 1 the gateway
  const std::uint32_t end = subnet.last().value - subnet.first().value;  // the broadcast address
  std::uint32_t last = 0;
  if (file >= 0 && ::pread(file, &last, sizeof last, 0) != sizeof last) last = 0;
  const std::uint32_t count = end - first;
  const std::uint32_t start = last >= first && last + 1 < end ? last + 1 : first;
  for (std::uint32_t step = 0; step < count; ++step) {
    const std::uint32_t offset = first + (start - first + step) % count;
    if (try_offset(offset)) return offset;
  }
  return std::nullopt;
}

Ipv4 at(const Cidr& subnet, std::uint32_t offset) { return {subnet.first().value + offset}; }

}  // namespace

Lease Lease::take(int directory, const Cidr& subnet) {
  auto file = base::open_or_throw("leases", O_RDWR | O_CREAT | O_NOFOLLOW, directory);
  const auto offset = first_free(file.get(), subnet, [&](std::uint32_t candidate) {
    struct flock range = byte_lock(candidate);
    if (::fcntl(file.get(), F_OFD_SETLK, &range) == 0) return true;
    if (errno != EAGAIN && errno != EACCES) throw base::Error(errno, "lock an address");
    return false;
  });
  if (!offset)
    throw base::Error(base::cat("the network is full: every address of ", subnet.text(),
                                " is in use; end a container first"));
  base::check(static_cast<int>(::pwrite(file.get(), &*offset, sizeof *offset, 0)),
              "write the leases in /run/mini-run");
  return {std::move(file), at(subnet, *offset)};
}

Ipv4 Lease::preview(int directory, const Cidr& subnet) {
  const base::UniqueFd file(
      directory < 0 ? -1 : ::openat(directory, "leases", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  const auto offset = first_free(file.get(), subnet, [&](std::uint32_t candidate) {
    struct flock range = byte_lock(candidate);
    range.l_type = F_RDLCK;  // the file is open for reading only: fcntl(2)
    return !file.valid() || ::fcntl(file.get(), F_OFD_GETLK, &range) < 0 || range.l_type == F_UNLCK;
  });
  return at(subnet, offset.value_or(2));
}

}  // namespace netsetup
