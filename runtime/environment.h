// SPDX-License-Identifier: MIT
// The container's environment, made from nothing: ours may hold credentials.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runtime {

/// Where programs are looked for, unless -e PATH=... says otherwise.
inline constexpr std::string_view DefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// PATH, HOME, HOSTNAME, TERM where standard input is a terminal, then VARIABLES in their order:
/// of two with one name the later wins. Each as "NAME=VALUE", each name once.
std::vector<std::string> make_environment(
    std::string_view home, std::string_view hostname,
    const std::vector<std::pair<std::string, std::string>>& variables);

/// The value of NAME in such an environment.
std::optional<std::string_view> find_variable(const std::vector<std::string>& environment,
                                              std::string_view name);

}  // namespace runtime
