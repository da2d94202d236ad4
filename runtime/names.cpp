// SPDX-License-Identifier: MIT
// Names are looked up in the records at the moment somebody asks: who starts later is found at
// once, and nobody has to be told. What was read is kept; a look lists the directory and reads
// what is new, so that three hundred neighbours cost a question half a millisecond.
#include "runtime/names.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/record.h"
#include "netsetup/state.h"

namespace runtime {

namespace {

void add(std::vector<std::string>& names, std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (!name.empty() && std::ranges::find(names, name) == names.end())
    names.push_back(std::move(name));
}

/// The place of ENTRY in the network NAME; null where it has none.
const Attached* place_in(const std::vector<Attached>& networks, const std::string& name) {
  const auto found = std::ranges::find(networks, name, &Attached::network);
  return found == networks.end() ? nullptr : &*found;
}

}  // namespace

Names::Names(int record, std::string name)
    : name_(std::move(name)),
      containers_(base::open_or_throw("..", O_RDONLY | O_DIRECTORY, record)) {}

void Names::look() {
  for (auto& [container, entry] : entries_) entry.here = false;
  for (const auto& name : netsetup::entries(containers_.get())) {
    struct stat file {};
    if (::fstatat(containers_.get(), base::cat(name, "/container.json").c_str(), &file,
                  AT_SYMLINK_NOFOLLOW) < 0)
      continue;  // it is being born, or dies
    constexpr std::int64_t Second = 1'000'000'000;
    const std::int64_t written = file.st_mtim.tv_sec * Second + file.st_mtim.tv_nsec;
    Entry& entry = entries_[name];
    entry.here = true;
    if (entry.file == file.st_ino && entry.written == written) continue;
    entry.file = file.st_ino;
    entry.written = written;
    read(name, entry);
  }
  std::erase_if(entries_, [](const auto& each) { return !each.second.here; });
}

/// What CONTAINER's description says; nothing where it is damaged.
void Names::read(const std::string& container, Entry& entry) const {
  entry.names.clear();
  entry.networks.clear();
  std::optional<Description> known;
  try {
    if (const auto record = netsetup::open_directory(containers_.get(), container); record.valid())
      known = read_description(record.get());
  } catch (const base::Error&) {
    // Whoever looks at it with minictl is told.
  }
  if (!known) return;
  add(entry.names, known->name);
  add(entry.names, known->hostname);
  add(entry.names, known->hostname.substr(0, known->hostname.find('.')));
  for (const auto& alias : known->aliases) add(entry.names, alias);
  entry.networks = std::move(known->networks);
}

/// A container whose mini-run was killed leaves its record to whoever comes next.
bool Names::is_alive(const std::string& container) const {
  const auto record = netsetup::open_directory(containers_.get(), container);
  return record.valid() && netsetup::is_alive(record.get());
}

const std::vector<Attached>& Names::own_networks() const {
  static const std::vector<Attached> none;
  const auto own = entries_.find(name_);
  return own == entries_.end() ? none : own->second.networks;
}

std::vector<netsetup::Ip> Names::addresses(std::string_view name) {
  look();
  const bool is_host = std::ranges::find(HostNames, name) != HostNames.end();
  std::vector<netsetup::Ip> found;
  for (const auto& own : own_networks()) {
    if (is_host) found = own.gateways;
    for (const auto& [container, entry] : entries_) {
      const auto* place = place_in(entry.networks, own.network);
      if (is_host || place == nullptr ||
          std::ranges::find(entry.names, name) == entry.names.end() || !is_alive(container))
        continue;
      for (const auto& address : place->addresses) found.push_back(address.address);
    }
    if (!found.empty()) break;
  }
  if (!found.empty())
    std::rotate(found.begin(),
                found.begin() + static_cast<std::ptrdiff_t>(random_() % found.size()), found.end());
  return found;
}

std::optional<std::string> Names::name_of(const netsetup::Ip& address) {
  look();
  for (const auto& own : own_networks()) {
    if (std::ranges::find(own.gateways, address) != own.gateways.end())
      return std::string(HostNames.front());
    for (const auto& [container, entry] : entries_) {
      const auto* place = place_in(entry.networks, own.network);
      if (place != nullptr &&
          std::ranges::find(place->addresses, address, &netsetup::Cidr::address) !=
              place->addresses.end() &&
          is_alive(container))
        return entry.names.front();
    }
  }
  return std::nullopt;
}

bool Names::is_ours(const netsetup::Ip& address) const {
  return std::ranges::any_of(own_networks(), [&](const Attached& own) {
    return std::ranges::any_of(own.addresses,
                               [&](const auto& each) { return each.contains(address); });
  });
}

}  // namespace runtime
