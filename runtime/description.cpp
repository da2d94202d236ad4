// SPDX-License-Identifier: MIT
#include "runtime/description.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/json.h"

namespace runtime {

using nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Attached, network, link, veth, addresses, gateways, mac)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Description, name, command, created, supervisor,
                                                init, detached, networks, ports, aliases, hostname,
                                                user, workdir, environment, capabilities, seccomp,
                                                rootfs, read_only, scratch_bytes, log_bytes,
                                                stop_signal, stop_timeout)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(End, status, at)

namespace {

constexpr const char* Status = "status";
constexpr const char* NextStatus = "status.new";
constexpr std::size_t StatusRoom = 64;  // more than an End has characters

/// Words of the command line are bytes; JSON is UTF-8: what is none is shown as it can be.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

template <class Value>
std::optional<Value> read(int directory, const char* file) {
  const auto text = base::read_file(file, directory);
  if (!text) return std::nullopt;
  try {
    return json::parse(*text).get<Value>();
  } catch (const std::exception&) {
    throw base::Error(base::cat("its ", file, " is damaged"));
  }
}

}  // namespace

void replace_file(int directory, const std::string& name, std::string_view text) {
  const std::string next = name + ".new";
  const auto file = base::open_or_throw(next, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, directory);
  base::write_all(file.get(), text, base::cat("write ", name, " to /run/mini-run"));
  base::check(::renameat(directory, next.c_str(), directory, name.c_str()),
              base::cat("write ", name, " to /run/mini-run"));
}

void write_description(int directory, const Description& description) {
  json all = description;
  // What is as it mostly is need not be written, nor read again by each minictl ps.
  const json usual = Description{};
  for (auto field = all.begin(); field != all.end();)
    field = *field == usual[field.key()] ? all.erase(field) : std::next(field);
  replace_file(directory, "container.json", dump(all));
}

std::optional<Description> read_description(int directory) {
  return read<Description>(directory, "container.json");
}

void reserve_end(int directory) {
  const auto file =
      base::open_or_throw(NextStatus, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, directory);
  base::write_all(file.get(), std::string(StatusRoom, ' '), "write to /run/mini-run");
}

void write_end(int directory, const End& end) {
  std::string text = dump(end);
  text.resize(StatusRoom, ' ');
  const auto file = base::open_or_throw(NextStatus, O_WRONLY | O_CREAT | O_NOFOLLOW, directory);
  base::write_all(file.get(), text, "write to /run/mini-run");
  base::check(::renameat(directory, NextStatus, directory, Status), "write to /run/mini-run");
}

std::optional<End> read_end(int directory) { return read<End>(directory, Status); }

}  // namespace runtime
