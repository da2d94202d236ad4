// SPDX-License-Identifier: MIT
// The values that options take, each from its text. Every function throws base::Error with one
// line of the form "OPTION VALUE: what is wrong, and what would be right".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netsetup/address.h"
#include "rootfs/root.h"
#include "runtime/options.h"

namespace runtime::values {

/// Throws the Error for VALUE of OPTION.
[[noreturn]] void refuse(std::string_view option, std::string_view value, std::string_view why);

/// [ADDR:]HOST:CONTAINER[/tcp|/udp|/tcp+udp][,from=CIDR...], HOST and CONTAINER a port each, or
/// ranges FIRST-LAST of the same length; an ADDR of IPv6 is in brackets, 0.0.0.0 and [::] are every
/// one of a family. Ranges of the same ports are one PublishedPort.
std::vector<netsetup::PublishedPort> published_ports(std::string_view text);

std::uint16_t host_port(std::string_view text);  // 1 to 65535

/// Those of PORTS which TEXT means: as for published_ports(), or without :CONTAINER. Throws Error
/// where one is not published, or is a part of a range, which ends as a whole.
std::vector<netsetup::PublishedPort> find_published(
    const std::vector<netsetup::PublishedPort>& ports, std::string_view text);

/// Throws where a port of the host is asked for twice; a port without an address is one on every
/// address.
void check_distinct(const std::vector<netsetup::PublishedPort>& ports);

std::string container_name(std::string_view text);  // [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 63
std::string hostname(std::string_view text);      // RFC 1123, at most 64 bytes (uts_namespaces(7))
std::string network_name(std::string_view text);  // the name of a bridge
/// The same, or none, host, or container:NAME.
std::string network_choice(std::string_view text);
/// Of FAMILY, or of any.
netsetup::Ip address(std::string_view option, std::string_view text,
                     std::optional<netsetup::Family> family = std::nullopt);
netsetup::Mac mac(std::string_view text);  // of one interface, not of a group
/// Throws where a network, or an address, is asked for twice.
void check_distinct(const std::vector<NetworkChoice>& networks);
std::pair<std::string, netsetup::Ip> add_host(std::string_view text);  // NAME:ADDRESS
std::string network_alias(std::string_view text);
std::string dns_server(std::string_view text);

/// SOURCE:TARGET[:ro|:rw]; a source that begins with ./ or ../ is made absolute.
rootfs::Volume volume(std::string_view text);
rootfs::Tmpfs tmpfs(std::string_view text);
/// Throws where two mounts have the same target.
void check_distinct(const std::vector<rootfs::Volume>& volumes,
                    const std::vector<rootfs::Tmpfs>& tmpfs);
std::string directory(std::string_view option, std::string_view text);  // made absolute
std::string workdir(std::string_view text);
/// Bytes, with the suffix k, m or g; at least 1 MiB.
std::uint64_t size(std::string_view option, std::string_view text);
unsigned seconds(std::string_view option, std::string_view text);
unsigned wait(std::string_view text);  // seconds; "true", the switch without a value: 30
int signal(std::string_view option,
           std::string_view text);  // a name, with or without SIG, or number

using Variables = std::vector<std::pair<std::string, std::string>>;
/// NAME=VALUE, or NAME: the caller's own value, and nothing where the caller has none.
void add_variable(std::string_view text, Variables& variables);
/// The lines of FILE, in docker's format: each as for add_variable(), blank ones and those that
/// begin with # left out; values are taken as they are, quotes included.
void add_variables_of_file(std::string_view file, Variables& variables);

}  // namespace runtime::values
