// SPDX-License-Identifier: MIT
// Finds a user in the container's own files. getpwnam(3) would load nss modules from the
// container's root with our privileges (CVE-2019-14271), and its rules for numbers have made root
// of a "4294967296".
#include "rootfs/users.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "rootfs/inside.h"

namespace rootfs {

namespace {

constexpr std::size_t MaxFile = std::size_t{1} << 20U;
constexpr std::size_t MaxGroups = 65536;      // NGROUPS_MAX, limits.h
constexpr std::uint32_t MaxId = 4294967294U;  // 2^32-1 is "no change" to setuid(2) and chown(2)

// The text of PATH, empty where there is no such file. Inside the root by now, but a link may still
// lead to /proc/1/fd/... : no magic links, regular files only, and nothing that blocks.
std::string read_database(const std::string& path) {
  const base::UniqueFd root = base::open_or_throw("/", O_PATH | O_DIRECTORY);
  const base::UniqueFd fd = open_inside(root.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd.valid() && (errno == ENOENT || errno == ENOTDIR)) return {};
  if (!fd.valid()) throw base::Error(errno, base::cat("read the container's ", path));
  struct stat status {};
  base::check(::fstat(fd.get(), &status), path);
  if (!S_ISREG(status.st_mode))
    throw base::Error(base::cat("the container's ", path, " is not a regular file"));
  if (static_cast<std::size_t>(status.st_size) > MaxFile)
    throw base::Error(base::cat("the container's ", path, " is larger than 1 MiB"));
  return base::read_all(fd.get(), MaxFile);
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
  const auto id = base::parse_number<std::uint32_t>(text);
  return id && *id <= MaxId ? id : std::nullopt;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::uint32_t id_or_throw(std::string_view text, std::string_view what) {
  const auto id = parse_id(text);
  if (!id)
    throw base::Error(
        base::cat("-u: ", what, " ", base::printable(text), ": a number is 0 to 4294967294"));
  return *id;
}

struct Line {
  std::vector<std::string_view> fields;
  std::uint32_t id = 0;
};

// Calls VISIT with each entry of TEXT, passwd(5) or group(5): at least COUNT fields, the third a
// number. VISIT returns whether it has what it wanted.
template <class Visit>
void for_each_line(std::string_view text, std::size_t count, std::string_view path, Visit visit) {
  std::size_t number = 0;
  for (const std::string_view line : base::split(text, '\n')) {
    ++number;
    // "+" lines are those of NIS: they name nobody here.
    if (line.empty() || line.front() == '#' || line.front() == '+' || line.front() == '-') continue;
    Line entry{base::split(line, ':'), 0};
    const auto id = entry.fields.size() >= count ? parse_id(entry.fields[2]) : std::nullopt;
    if (!id || entry.fields[0].empty())
      throw base::Error(base::cat("the container's ", path, ", line ", number,
                                  ", is broken: ", base::printable(line)));
    entry.id = *id;
    if (visit(entry)) return;
  }
}

}  // namespace

User find_user(std::string_view spec, std::string_view passwd, std::string_view group) {
  const std::size_t colon = spec.find(':');
  const std::string_view user_name = spec.empty() ? "0" : spec.substr(0, colon);
  const bool has_group = colon != std::string_view::npos;
  const std::string_view group_name = has_group ? spec.substr(colon + 1) : std::string_view();
  if (user_name.empty() || (has_group && group_name.empty()))
    throw base::Error(base::cat("-u ", base::printable(spec), ": it is USER or USER:GROUP"));

  User user;
  const bool by_number = is_number(user_name);
  if (by_number) user.uid = id_or_throw(user_name, "user");
  std::string login;  // as the group file knows the user
  for_each_line(passwd, 4, "/etc/passwd", [&](const Line& line) {
    if (by_number ? line.id != user.uid : line.fields[0] != user_name) return false;
    const auto gid = parse_id(line.fields[3]);
    if (!gid)
      throw base::Error(base::cat("the container's /etc/passwd: the group of ",
                                  base::printable(line.fields[0]), " is no number"));
    login = line.fields[0];
    user.uid = line.id;
    user.gid = *gid;
    const bool has_home = line.fields.size() > 5 && line.fields[5].starts_with('/');
    if (has_home) user.home = line.fields[5];
    return true;
  });
  if (login.empty() && !by_number)
    throw base::Error(
        base::cat("-u: no user ", base::printable(user_name), " in the container's /etc/passwd"));

  bool found = has_group && is_number(group_name);
  if (found) user.gid = id_or_throw(group_name, "group");
  for_each_line(group, 3, "/etc/group", [&](const Line& line) {
    if (has_group) {
      if (found) return true;
      found = line.fields[0] == group_name;
      if (found) user.gid = line.id;
      return found;
    }
    if (login.empty() || line.id == user.gid || line.fields.size() < 4) return login.empty();
    const auto members = base::split(line.fields[3], ',');
    if (std::ranges::find(members, login) == members.end()) return false;
    user.groups.push_back(line.id);
    if (user.groups.size() > MaxGroups)
      throw base::Error(
          base::cat("the container's /etc/group puts ", login, " into more than 65536 groups"));
    return false;
  });
  if (has_group && !found)
    throw base::Error(
        base::cat("-u: no group ", base::printable(group_name), " in the container's /etc/group"));
  std::ranges::sort(user.groups);
  user.groups.erase(std::unique(user.groups.begin(), user.groups.end()), user.groups.end());
  return user;
}

User find_user(std::string_view spec) {
  return find_user(spec, read_database("/etc/passwd"), read_database("/etc/group"));
}

}  // namespace rootfs
