// SPDX-License-Identifier: MIT
#include "runtime/network_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/state.h"
#include "runtime/configs.h"
#include "runtime/options.h"

namespace runtime {

using base::cat;
using base::Error;
using base::printable;
using netsetup::Cidr;
using netsetup::Family;
using netsetup::Ip;
using nlohmann::json;

namespace {

constexpr const char* Directory = "/etc/mini-run/networks";

std::string path_of(const std::string& name) { return cat(Directory, "/", name, ".json"); }

/// A description while it is read: what its keys say, and where one stands.
struct Reader {
  netsetup::NetworkSpec spec;
  std::optional<Cidr> subnet[2];  // by family
  std::optional<Ip> gateway[2];
  std::string where;

  [[noreturn]] void refuse(std::string_view key, const json& value, std::string_view why) const {
    throw Error(cat(where, ": ", key, " ",
                    printable(value.dump(-1, ' ', false, json::error_handler_t::replace)), ": ",
                    why));
  }
};

bool to_bool(const Reader& reader, std::string_view key, const json& value) {
  if (!value.is_boolean()) reader.refuse(key, value, "it is true or false");
  return value.get<bool>();
}

std::string to_text(const Reader& reader, std::string_view key, const json& value) {
  if (!value.is_string()) reader.refuse(key, value, "it is a text, in quotes");
  return value.get<std::string>();
}

void take_subnet(Reader& reader, std::string_view key, const json& value, Family family) {
  const auto subnet = Cidr::parse(to_text(reader, key, value));
  const bool v4 = family == Family::V4;
  if (!subnet || subnet->address.family != family)
    reader.refuse(key, value,
                  cat("it is not a subnet of ", text(family), ", which looks like ",
                      v4 ? "10.5.0.0/24" : "fd00:5::/64"));
  if (subnet->address != subnet->first())
    reader.refuse(
        key, value,
        cat("an address in it; the subnet is ", Cidr{subnet->first(), subnet->prefix}.text()));
  const unsigned least = 8;
  const unsigned most = subnet->address.bits() - 2;  // two containers, the gateway, the network
  if (subnet->prefix < least || subnet->prefix > most)
    reader.refuse(key, value, cat("its prefix is from /", least, " to /", most));
  reader.subnet[static_cast<std::size_t>(family)] = subnet;
}

void take_gateway(Reader& reader, std::string_view key, const json& value, Family family) {
  const auto gateway = Ip::parse(to_text(reader, key, value));
  if (!gateway || gateway->family != family)
    reader.refuse(key, value, cat("it is not an address of ", text(family)));
  reader.gateway[static_cast<std::size_t>(family)] = gateway;
}

void take_mtu(Reader& reader, std::string_view key, const json& value) {
  constexpr unsigned Least = 576;  // that every host must take, RFC 1122
  constexpr unsigned Most = 65535;
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < Least ||
      value.get<std::uint64_t>() > Most)
    reader.refuse(key, value, cat("it is a number of bytes, from ", Least, " to ", Most));
  reader.spec.mtu = value.get<unsigned>();
}

void take_publish_address(Reader& reader, std::string_view key, const json& value) {
  if (value.is_null()) return;
  reader.spec.publish_address = Ip::parse(to_text(reader, key, value));
  if (!reader.spec.publish_address)
    reader.refuse(key, value, "it is not an IP address, which looks like 127.0.0.1");
}

struct Key {
  std::string_view name;
  void (*take)(Reader&, std::string_view key, const json& value);
};

constexpr std::array Keys{
    Key{"subnet",
        [](Reader& r, std::string_view k, const json& v) { take_subnet(r, k, v, Family::V4); }},
    Key{"gateway",
        [](Reader& r, std::string_view k, const json& v) { take_gateway(r, k, v, Family::V4); }},
    Key{"subnet6",
        [](Reader& r, std::string_view k, const json& v) { take_subnet(r, k, v, Family::V6); }},
    Key{"gateway6",
        [](Reader& r, std::string_view k, const json& v) { take_gateway(r, k, v, Family::V6); }},
    Key{"ipv6",
        [](Reader& r, std::string_view k, const json& v) { r.spec.ipv6 = to_bool(r, k, v); }},
    Key{"internal",
        [](Reader& r, std::string_view k, const json& v) { r.spec.internal = to_bool(r, k, v); }},
    Key{"isolated",
        [](Reader& r, std::string_view k, const json& v) { r.spec.isolated = to_bool(r, k, v); }},
    Key{"mtu", take_mtu},
    Key{"publish-address", take_publish_address},
};

/// The gateway of FAMILY with its subnet's prefix.
std::optional<Cidr> gateway_of(const Reader& reader, Family family) {
  const auto& subnet = reader.subnet[static_cast<std::size_t>(family)];
  const auto& gateway = reader.gateway[static_cast<std::size_t>(family)];
  const std::string_view six = family == Family::V6 ? "6" : "";
  if (gateway && !subnet)
    throw Error(cat(reader.where, ": gateway", six, " needs a subnet", six, " that it lies in"));
  if (!subnet) return std::nullopt;
  const Ip chosen = gateway.value_or(subnet->first().plus(1));
  if (!subnet->contains(chosen) || chosen == subnet->first() ||
      (family == Family::V4 && chosen == subnet->last()))
    throw Error(cat(reader.where, ": gateway", six, " ", chosen.text(),
                    " is no address for a host in ", subnet->text(), "; its first is ",
                    subnet->first().plus(1).text()));
  return Cidr{chosen, subnet->prefix};
}

}  // namespace

netsetup::NetworkSpec parse_network(const std::string& name, const json& description,
                                    const std::string& where) {
  Reader reader{{}, {}, {}, where};
  if (!description.is_object()) throw Error(cat(where, ": it is not a JSON object, {...}"));
  for (const auto& [key, value] : description.items()) {
    if (key.starts_with("about")) continue;
    const auto known = std::ranges::find(Keys, key, &Key::name);
    if (known == Keys.end()) {
      std::vector<std::string> names;
      for (const auto& each : Keys) names.emplace_back(each.name);
      throw Error(cat(where, ": there is no key ", printable(key), "; there are ",
                      base::join(names, ", ")));
    }
    known->take(reader, key, value);
  }
  auto& spec = reader.spec;
  spec.bridge = name;
  spec.gateway = gateway_of(reader, Family::V4);
  spec.gateway6 = gateway_of(reader, Family::V6);
  if (spec.gateway6 && !spec.ipv6) throw Error(cat(where, ": subnet6 needs ipv6 to be true"));
  return reader.spec;
}

netsetup::NetworkSpec read_network(const std::string& name) {
  const std::string path = path_of(name);
  const auto text = base::read_file(path);
  try {
    const auto description = json::parse(text ? *text : std::string(configs::DefaultNetwork));
    return parse_network(name, description, path);
  } catch (const json::exception& error) {
    throw Error(cat(path, ": ", printable(error.what())));  // it names the line
  }
}

std::vector<std::string> described_networks() {
  const base::UniqueFd directory(::open(Directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<std::string> names;
  if (!directory.valid()) return names;
  constexpr std::string_view Suffix = ".json";
  for (const auto& file : netsetup::entries(directory.get()))
    if (file.size() > Suffix.size() && file.ends_with(Suffix))
      names.push_back(file.substr(0, file.size() - Suffix.size()));
  std::ranges::sort(names);
  return names;
}

void describe_network(const std::string& name, const json& description) {
  const std::string path = path_of(name);
  for (const char* directory : {"/etc/mini-run", Directory})
    if (::mkdir(directory, 0755) < 0 && errno != EEXIST)
      throw Error(errno, cat("make ", directory));
  const std::string next = cat(path, ".new");
  const auto file =
      base::open_or_throw(next, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, AT_FDCWD, 0644);
  base::write_all(file.get(), description.dump(2) + "\n", cat("write ", path));
  if (::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return;
  const int error = errno;
  ::unlink(next.c_str());
  if (error == EEXIST)
    throw Error(cat("there is a network ", name, " already: ", path, "; `minictl network rm ", name,
                    "` first"));
  throw Error(error, cat("write ", path));
}

bool forget_network(const std::string& name) {
  const std::string path = path_of(name);
  if (::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  throw Error(errno, cat("remove ", path));
}

}  // namespace runtime
