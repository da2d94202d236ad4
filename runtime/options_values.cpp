// SPDX-License-Identifier: MIT
// The values of options: names, paths, sizes and variables. (Ports: options_publish.cpp.)
#include "runtime/options_values.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/name_servers.h"

namespace runtime::values {

using base::cat;
using base::printable;

namespace {

/// Letters and digits of ASCII: isalnum(3) would follow the locale.
bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_blank_or_control(char c) { return (c >= 0 && c <= ' ') || c == 0x7f; }

/// [a-zA-Z0-9][a-zA-Z0-9_.-]*: nothing that means something to a path, a rule or a terminal.
bool is_name(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_hostname_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-'; });
}

std::string absolute(std::string_view option, std::string_view path) {
  if (path.front() == '/') return std::string(path);
  const std::unique_ptr<char, decltype(&std::free)> here(::getcwd(nullptr, 0), &std::free);
  // "(unreachable)" is what the kernel prefixes where the directory is in no mount of ours.
  if (!here || *here != '/') {
    refuse(option, path,
           "it is relative, and the working directory is gone; give a path from / on");
  }
  return cat(std::string_view(here.get()), '/', path);
}

/// The target of a mount inside the container.
std::string target(std::string_view option, std::string_view value, std::string_view path) {
  if (path.empty() || path.front() != '/')
    refuse(option, value, "the target, a path in the container, must begin with /");
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  if (path == "/") refuse(option, value, "the target cannot be /; --rootfs DIR gives another root");
  return std::string(path);
}

}  // namespace

void refuse(std::string_view option, std::string_view value, std::string_view why) {
  throw base::Error(
      cat(option, ' ', value.empty() ? std::string("''") : printable(value), ": ", why));
}

std::string container_name(std::string_view text) {
  constexpr std::size_t Longest = 63;  // a DNS label: the name is the default host name
  if (!is_name(text) || text.size() > Longest) {
    refuse("--name", text,
           "a name is 1-63 of the characters a-z A-Z 0-9 _ . - and begins with a letter or digit");
  }
  return std::string(text);
}

std::string hostname(std::string_view text) {
  constexpr std::size_t Longest = 64;  // __NEW_UTS_LEN of linux/utsname.h
  const auto labels = base::split(text, '.');
  if (text.size() > Longest || !std::all_of(labels.begin(), labels.end(), is_hostname_label)) {
    refuse("--hostname", text,
           "a host name is at most 64 characters, words of a-z A-Z 0-9 - joined by dots, as in "
           "web.example.org");
  }
  return std::string(text);
}

std::string network_name(std::string_view text) {
  // `all` and `default` are directories beside the interfaces' in /proc/sys/net/ipv4/conf.
  if (text == "lo" || text == "all" || text == "default" || text == "none" || text == "host" ||
      text == "bridge")
    refuse("--network", text, "this name has a meaning of its own; the network's default is mini0");
  if (!is_name(text) || !netsetup::valid_interface_name(text)) {
    refuse("--network", text,
           "a network is named as its bridge: 1-15 of the characters a-z A-Z 0-9 _ . - beginning "
           "with a letter or digit, as in mini0");
  }
  return std::string(text);
}

std::string network_choice(std::string_view text) {
  if (text == "none" || text == "host") return std::string(text);
  if (text.starts_with(ContainerPrefix))
    return cat(ContainerPrefix, container_name(text.substr(ContainerPrefix.size())));
  return network_name(text);
}

netsetup::Ip address(std::string_view option, std::string_view text,
                     std::optional<netsetup::Family> family) {
  const auto address = netsetup::Ip::parse(text);
  if (address && address->family == family.value_or(address->family)) return *address;
  const std::string_view wanted = !family ? "IP" : netsetup::text(*family);
  const std::string_view example = family == netsetup::Family::V6 ? "2001:db8::1" : "192.0.2.1";
  refuse(option, text, cat("it is not an ", wanted, " address, which looks like ", example));
}

netsetup::Mac mac(std::string_view text) {
  const auto mac = netsetup::Mac::parse(text);
  if (!mac) refuse("--mac", text, "it is not a MAC address, which looks like 02:42:c0:a8:00:02");
  if ((mac->bytes[0] & 1U) != 0 || *mac == netsetup::Mac{})
    refuse("--mac", text, "it is the address of a group or of nobody; make the first byte 02");
  return *mac;
}

void check_distinct(const std::vector<NetworkChoice>& networks) {
  for (std::size_t i = 0; i < networks.size(); ++i) {
    if (std::ranges::any_of(networks.begin(), networks.begin() + static_cast<std::ptrdiff_t>(i),
                            [&](const auto& other) { return other.name == networks[i].name; }))
      throw base::Error(cat("--network ", networks[i].name, " is asked for twice"));
  }
}

std::string network_alias(std::string_view text) {
  constexpr std::size_t Longest = 253;  // of a domain name, RFC 1035
  const auto words = base::split(text, '.');
  const auto is_word = [](std::string_view word) { return word.size() <= 63 && is_name(word); };
  if (text.size() > Longest || !std::all_of(words.begin(), words.end(), is_word)) {
    refuse("--network-alias", text,
           "an alias is words of 1-63 of the characters a-z A-Z 0-9 _ -, joined by dots, as in db");
  }
  return std::string(text);
}

std::pair<std::string, netsetup::Ip> add_host(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos)
    refuse("--add-host", text, "it needs NAME:ADDRESS, as in db:192.0.2.10");
  const auto name = text.substr(0, colon);
  constexpr std::size_t Longest = 253;  // of a domain name, RFC 1035
  if (!is_name(name) || name.size() > Longest)
    refuse("--add-host", text, cat("'", printable(name), "' is not a host name"));
  const auto address = netsetup::Ip::parse(text.substr(colon + 1));
  if (!address)
    refuse("--add-host", text,
           cat("'", printable(text.substr(colon + 1)),
               "' is not an IP address, which looks like 192.0.2.1"));
  return {std::string(name), *address};
}

std::string dns_server(std::string_view text) {
  if (!name_server(text))
    refuse("--dns", text, "it needs the address of a name server, as in 192.0.2.53");
  return std::string(text);
}

rootfs::Volume volume(std::string_view text) {
  const auto fields = base::split(text, ':');
  if (fields.size() < 2)
    refuse("--volume", text, "it needs SOURCE:TARGET, as in /srv/www:/var/www");
  if (fields.size() > 3)
    refuse("--volume", text, "too many fields; it is SOURCE:TARGET[:ro], paths without colons");
  const auto source = fields[0];
  if (source.empty()) refuse("--volume", text, "the source, a path on the host, is empty");
  if (source.front() != '/' && source != "." && source != ".." && !source.starts_with("./") &&
      !source.starts_with("../")) {
    refuse("--volume", text,
           cat("the source must be a path; for '", printable(source),
               "' in this directory write ./", printable(source)));
  }
  rootfs::Volume volume{absolute("--volume", source), target("--volume", text, fields[1]), false};
  if (fields.size() == 3) {
    volume.read_only = fields[2] == "ro";
    if (!volume.read_only && fields[2] != "rw") {
      refuse("--volume", text,
             cat("'", printable(fields[2]), "' is neither ro (read-only) nor rw (the default)"));
    }
  }
  return volume;
}

rootfs::Tmpfs tmpfs(std::string_view text) {
  if (text.find(':') != std::string_view::npos)
    refuse("--tmpfs", text, "it takes a path only; --scratch-size bounds what is written to it");
  return {target("--tmpfs", text, text)};
}

void check_distinct(const std::vector<rootfs::Volume>& volumes,
                    const std::vector<rootfs::Tmpfs>& tmpfs) {
  std::vector<std::string_view> targets;
  for (const auto& each : volumes) targets.emplace_back(each.target);
  for (const auto& each : tmpfs) targets.emplace_back(each.target);
  std::sort(targets.begin(), targets.end());
  const auto twice = std::adjacent_find(targets.begin(), targets.end());
  if (twice != targets.end()) {
    throw base::Error(cat("--volume, --tmpfs: ", printable(*twice),
                          " is given twice; one thing can be mounted there"));
  }
}

std::string directory(std::string_view option, std::string_view text) {
  if (text.empty()) refuse(option, text, "it needs a directory");
  return absolute(option, text);
}

std::string workdir(std::string_view text) {
  if (text.empty() || text.front() != '/')
    refuse("--workdir", text, "it must be a path in the container that begins with /, as in /srv");
  return std::string(text);
}

std::uint64_t size(std::string_view option, std::string_view text) {
  constexpr std::string_view Right = "a size is a number with k, m or g, as in 512m, at least 1m";
  constexpr std::uint64_t Least = std::uint64_t{1} << 20U;
  constexpr auto Most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  unsigned shift = 0;
  auto digits = text;
  if (!text.empty()) {
    const char suffix = text.back();
    if (suffix == 'k' || suffix == 'K') shift = 10;
    if (suffix == 'm' || suffix == 'M') shift = 20;
    if (suffix == 'g' || suffix == 'G') shift = 30;
    if (shift != 0) digits.remove_suffix(1);
  }
  const auto number = base::parse_number<std::uint64_t>(digits);
  if (!number || *number > Most >> shift || *number << shift < Least) refuse(option, text, Right);
  return *number << shift;
}

unsigned seconds(std::string_view option, std::string_view text) {
  constexpr unsigned Most = 86400;
  const auto number = base::parse_number<unsigned>(text);
  if (!number || *number > Most) refuse(option, text, "it is a number of seconds, 0-86400");
  return *number;
}

unsigned wait(std::string_view text) {
  constexpr unsigned Default = 30;
  return text == "true" ? Default : seconds("--wait", text);
}

int signal(std::string_view option, std::string_view text) {
  const auto number = base::parse_number<int>(text);
  if (number && *number > 0 && *number <= SIGRTMAX) return *number;
  std::string name;
  for (const char c : text) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int each = 1; each < SIGRTMIN; ++each) {
    const char* known = ::sigabbrev_np(each);
    if (known != nullptr && name == known) return each;
  }
  refuse(option, text, "it is a signal's name or number, as in TERM, SIGQUIT or 15");
}

namespace {

/// WHERE: what the message begins with, the option or the file's line.
void add_variable(std::string_view where, std::string_view text, Variables& variables) {
  const auto end = text.find('=');
  const auto name = text.substr(0, end);
  if (name.empty())
    refuse(where, text, "there is no name before the =; it is NAME=VALUE, or NAME alone");
  if (std::any_of(name.begin(), name.end(), is_blank_or_control))
    refuse(where, text, "the name has a blank or a control character in it; it is NAME=VALUE");
  if (text.find('\0') != std::string_view::npos)
    refuse(where, text, "there is a NUL byte in it, which no variable can hold");
  if (end != std::string_view::npos) {
    variables.emplace_back(name, text.substr(end + 1));
  } else if (const char* own = std::getenv(std::string(name).c_str())) {
    variables.emplace_back(name, own);
  }
}

}  // namespace

void add_variable(std::string_view text, Variables& variables) {
  add_variable("--env", text, variables);
}

void add_variables_of_file(std::string_view file, Variables& variables) {
  if (file.empty()) refuse("--env-file", file, "it needs a file");
  std::optional<std::string> content;
  try {
    content = base::read_file(std::string(file));
  } catch (const base::Error& error) {
    throw base::Error(cat("--env-file ", printable(file), ": ", error.what()));
  }
  if (!content) refuse("--env-file", file, "there is no such file");
  std::string_view text = *content;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark, as docker
  std::size_t number = 0;
  for (auto line : base::split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.empty() || line.front() == '#') continue;
    add_variable(cat("--env-file ", printable(file), " line ", number, ":"), line, variables);
  }
}

}  // namespace runtime::values
