// SPDX-License-Identifier: MIT
// Reads a seccomp profile: JSON in the form of docker's default profile or of an OCI config.json.
//
// Docker's form adds to OCI's: archMap (the ABIs by architecture), and includes/excludes, which
// make a rule depend on capabilities, architecture and kernel. All of it is decided here, so that
// a policy holds only what applies. Every error says which key is wrong: "syscalls[3].args[0].op".
#include <linux/seccomp.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "runtime/seccomp_policy.h"

namespace runtime {
namespace {

using base::cat;
using base::Error;
using nlohmann::json;

constexpr std::uint64_t MaxErrno = 4095;  // linux/err.h: higher values are no errors

/// A value of the profile and the way to it.
class Field {
 public:
  Field(const json& value, std::string path) : value_(value), path_(std::move(path)) {}

  [[noreturn]] void refuse(std::string_view reason) const {
    throw Error(cat("seccomp profile: ", path_.empty() ? "" : base::printable(path_),
                    path_.empty() ? "" : ": ", reason));
  }

  /// The member KEY; null counts as absent, docker writes it.
  [[nodiscard]] std::optional<Field> find(const std::string& key) const {
    const auto member = value_.find(key);
    if (member == value_.end() || member->is_null()) return std::nullopt;
    return Field(*member, path_.empty() ? key : cat(path_, ".", key));
  }

  [[nodiscard]] Field need(const std::string& key) const {
    auto member = find(key);
    if (!member) refuse(cat("\"", key, "\" is missing"));
    return std::move(*member);
  }

  /// Refuses what is not an object or has other keys than KNOWN.
  void expect_object(std::initializer_list<std::string_view> known) const {
    if (!value_.is_object()) refuse("must be an object, { ... }");
    for (const auto& member : value_.items())
      if (std::find(known.begin(), known.end(), member.key()) == known.end())
        refuse(cat("unknown key \"", base::printable(member.key()), "\""));
  }

  [[nodiscard]] std::vector<Field> items() const {
    if (!value_.is_array()) refuse("must be a list, [ ... ]");
    std::vector<Field> fields;
    for (std::size_t i = 0; i < value_.size(); ++i)
      fields.emplace_back(value_[i], cat(path_, "[", i, "]"));
    return fields;
  }

  [[nodiscard]] std::string text() const {
    if (!value_.is_string()) refuse("must be a text");
    return value_.get<std::string>();
  }

  [[nodiscard]] std::uint64_t number(std::uint64_t most) const {
    if (!value_.is_number_unsigned()) refuse("must be a number, 0 or more");
    const auto number = value_.get<std::uint64_t>();
    if (number > most) refuse(cat("must be at most ", most));
    return number;
  }

  [[nodiscard]] std::vector<std::string> texts(const std::string& key) const {
    std::vector<std::string> out;
    if (const auto list = find(key))
      for (const auto& item : list->items()) out.push_back(item.text());
    return out;
  }

 private:
  const json& value_;
  std::string path_;
};

template <class Value, std::size_t Count>
Value look_up(const std::array<std::pair<std::string_view, Value>, Count>& table,
              const Field& field, std::string_view what) {
  const std::string name = field.text();
  for (const auto& [known, value] : table)
    if (known == name) return value;
  std::vector<std::string> names;
  for (const auto& [known, value] : table) names.emplace_back(known);
  field.refuse(cat("unknown ", what, " \"", base::printable(name), "\" (one of ",
                   base::join(names, ", "), ")"));
}

/// The action at KEY, with the errno that ERRNO_KEY gives it.
SeccompAction read_action(const Field& owner, const std::string& key,
                          const std::string& errno_key) {
  static constexpr std::array<std::pair<std::string_view, SeccompAction>, 8> Actions = {{
      {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
      {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
      {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
      {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
      {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
      {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
      {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
      {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
  }};
  const SeccompAction action = look_up(Actions, owner.need(key), "action");
  const auto data = owner.find(errno_key);
  if (action != SECCOMP_RET_ERRNO && action != SECCOMP_RET_TRACE) return action;
  return action | static_cast<SeccompAction>(data ? data->number(MaxErrno) : EPERM);
}

Condition read_condition(const Field& field) {
  static constexpr std::array<std::pair<std::string_view, Compare>, 7> Operators = {{
      {"SCMP_CMP_EQ", Compare::Equal},
      {"SCMP_CMP_NE", Compare::NotEqual},
      {"SCMP_CMP_LT", Compare::Less},
      {"SCMP_CMP_LE", Compare::LessOrEqual},
      {"SCMP_CMP_GT", Compare::Greater},
      {"SCMP_CMP_GE", Compare::GreaterOrEqual},
      {"SCMP_CMP_MASKED_EQ", Compare::MaskedEqual},
  }};
  constexpr auto Most = std::numeric_limits<std::uint64_t>::max();
  field.expect_object({"index", "value", "valueTwo", "op", "comment"});
  Condition condition;
  condition.argument = static_cast<unsigned>(field.need("index").number(5));
  condition.compare = look_up(Operators, field.need("op"), "comparison");
  condition.value = field.need("value").number(Most);
  if (condition.compare == Compare::MaskedEqual) {
    // The format has the mask in "value" and what must be left of the argument in "valueTwo".
    const auto wanted = field.find("valueTwo");
    condition.mask = std::exchange(condition.value, wanted ? wanted->number(Most) : 0);
  }
  return condition;
}

/// RULE once with all of CONDITIONS; or, as runc has it, once for each where two ask for the same
/// argument: such a list is a choice of values.
void add_rules(std::vector<SyscallRule>& rules, SyscallRule rule,
               const std::vector<Condition>& conditions) {
  std::array<unsigned, 6> uses{};
  for (const auto& condition : conditions) ++uses[condition.argument];
  if (std::all_of(uses.begin(), uses.end(), [](unsigned count) { return count <= 1; })) {
    rule.conditions = conditions;
    rules.push_back(std::move(rule));
    return;
  }
  for (const auto& condition : conditions) {
    rule.conditions = {condition};
    rules.push_back(rule);
  }
}

std::pair<unsigned, unsigned> read_version(std::string_view text) {
  std::pair<unsigned, unsigned> version;
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.first);
  if (major.ec == std::errc{} && major.ptr != end && *major.ptr == '.')
    std::from_chars(major.ptr + 1, end, version.second);
  return version;
}

bool kernel_is_at_least(const Field& field) {
  const auto wanted = read_version(field.text());
  if (wanted.first == 0) field.refuse("must be a kernel's version as \"4.8\"");
  struct utsname system {};
  base::check(::uname(&system), "uname");
  return read_version(system.release) >= wanted;
}

/// Whether RULE is for this container: what it includes must all be there (of architectures: one),
/// what it excludes must not.
bool applies(const Field& rule, const std::vector<std::string>& capabilities) {
  const auto held = [&](const std::string& name) {
    return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end();
  };
  const auto is_here = [](const std::string& name) { return name == native_architecture(); };
  if (const auto includes = rule.find("includes")) {
    includes->expect_object({"caps", "arches", "minKernel"});
    const auto caps = includes->texts("caps");
    const auto arches = includes->texts("arches");
    const auto kernel = includes->find("minKernel");
    if (!std::all_of(caps.begin(), caps.end(), held)) return false;
    if (!arches.empty() && std::none_of(arches.begin(), arches.end(), is_here)) return false;
    if (kernel && !kernel_is_at_least(*kernel)) return false;
  }
  if (const auto excludes = rule.find("excludes")) {
    excludes->expect_object({"caps", "arches", "minKernel"});
    const auto caps = excludes->texts("caps");
    const auto arches = excludes->texts("arches");
    const auto kernel = excludes->find("minKernel");
    if (std::any_of(caps.begin(), caps.end(), held)) return false;
    if (std::any_of(arches.begin(), arches.end(), is_here)) return false;
    if (kernel && kernel_is_at_least(*kernel)) return false;
  }
  return true;
}

void read_rule(SeccompPolicy& policy, const Field& field,
               const std::vector<std::string>& capabilities) {
  field.expect_object(
      {"names", "name", "action", "errnoRet", "args", "comment", "includes", "excludes"});
  SyscallRule rule;
  rule.names = field.texts("names");
  if (const auto name = field.find("name")) rule.names.push_back(name->text());
  if (rule.names.empty()) field.refuse("\"names\" is missing");
  rule.action = read_action(field, "action", "errnoRet");
  std::vector<Condition> conditions;
  if (const auto args = field.find("args"))
    for (const auto& arg : args->items()) conditions.push_back(read_condition(arg));
  if (applies(field, capabilities))
    add_rules(policy.rules, std::move(rule), conditions);
  else
    policy.left_out.insert(policy.left_out.end(), rule.names.begin(), rule.names.end());
}

/// The ABIs of this machine that the profile names; names of other machines' are passed over.
std::vector<Abi> read_abis(const Field& profile) {
  std::vector<std::string> names = profile.texts("architectures");
  if (const auto map = profile.find("archMap"))
    for (const auto& entry : map->items()) {
      entry.expect_object({"architecture", "subArchitectures", "comment"});
      if (entry.need("architecture").text() != all_abis().front().name) continue;
      names = entry.texts("subArchitectures");
      names.emplace_back(all_abis().front().name);
    }
  if (names.empty()) names.emplace_back(all_abis().front().name);
  std::vector<Abi> abis;
  for (const auto& name : names)
    if (const auto abi = find_abi(name)) abis.push_back(*abi);
  if (abis.empty())
    profile.refuse(
        cat("\"architectures\" has none of this machine's, e.g. ", all_abis().front().name));
  return abis;
}

}  // namespace

SeccompPolicy parse_seccomp_profile(std::string_view text, CapabilitySet set) {
  json document;
  try {
    document = json::parse(text);
  } catch (const json::parse_error& error) {
    throw Error(cat("seccomp profile: not JSON, at byte ", error.byte));
  }
  const Field profile(document, "");
  profile.expect_object(
      {"defaultAction", "defaultErrnoRet", "archMap", "architectures", "syscalls", "comment"});
  SeccompPolicy policy;
  policy.default_action = read_action(profile, "defaultAction", "defaultErrnoRet");
  policy.abis = read_abis(profile);
  const auto capabilities = capability_names(set);
  if (const auto rules = profile.find("syscalls"))
    for (const auto& rule : rules->items()) read_rule(policy, rule, capabilities);
  return policy;
}

}  // namespace runtime
