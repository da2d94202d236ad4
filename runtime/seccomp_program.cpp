// SPDX-License-Identifier: MIT
// From a seccomp policy to the program that the kernel runs before every system call.
//
// Theory of operation. The program is classic BPF (linux/filter.h): one accumulator, jumps that
// only go forward, and a RET that says what becomes of the call. It reads struct seccomp_data: the
// number, the ABI and the six arguments, registers only; what a pointer points to is out of its
// sight. Ours asks three things:
//
//   which ABI?        a comparison each; an ABI that the profile does not name kills
//   which number?     numbers are cut into segments that are decided alike, and a binary search
//                     finds the segment: 6 or 7 comparisons instead of 300
//   which arguments?  for the few calls with conditions; see decide()
//
// Of the rules that match a call the strictest counts, in the kernel's own order of actions
// (kill, trap, errno, trace, log, allow), so that a refusal of some arguments stands beside the
// permission of the call. Where none matches, the default action counts, but for calls with a
// number beyond the newest that the profile names: these get ENOSYS. Their author could not know
// them; a libc that tries a new call falls back to the old one on ENOSYS, and gives up on EPERM.
//
// libseccomp could generate a program as well. Its own compares with every single number, is four
// times as long and takes the kernel longer to load at every start, does not know "newer than the
// profile", and cannot hold a refusal beside a permission.
#include <linux/seccomp.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <map>
#include <set>

#include "runtime/seccomp_policy.h"

namespace runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "where the halves of an argument are");

/// The place of an instruction, counted from the program's end: jumps only go forward, so what an
/// instruction leads to is written before it.
using Label = std::size_t;

/// Writes a program from its end to its beginning.
class Assembler {
 public:
  /// Ends in ACTION; one that is near enough is used again.
  Label leave(SeccompAction action) {
    const auto found = leaves_.find(action);
    if (found != leaves_.end() && distance(found->second) <= Reach) return found->second;
    return leaves_[action] = write(BPF_RET | BPF_K, action);
  }

  /// A statement, then NEXT.
  Label then(unsigned code, std::uint32_t operand, Label next) {
    if (distance(next) != 0) jump(next);
    return write(code, operand);
  }

  /// The accumulator becomes the word at OFFSET of seccomp_data, then NEXT.
  Label load(std::size_t offset, Label next) {
    return then(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset), next);
  }

  /// YES where the accumulator compares so with VALUE, else NO.
  Label branch(unsigned compare, std::uint32_t value, Label yes, Label no) {
    if (distance(yes) >= Reach) yes = jump(yes);  // one less: NO may need a jump in between
    if (distance(no) > Reach) no = jump(no);
    const auto if_true = static_cast<std::uint8_t>(distance(yes));
    const auto if_false = static_cast<std::uint8_t>(distance(no));
    return write(BPF_JMP | BPF_K | compare, value, if_true, if_false);
  }

  [[nodiscard]] BpfProgram finish() const { return {reversed_.rbegin(), reversed_.rend()}; }

 private:
  static constexpr std::size_t Reach = 255;  // a conditional jump has 8 bits for its distance

  /// What an instruction written now passes over on its way to TARGET.
  [[nodiscard]] std::size_t distance(Label target) const { return reversed_.size() - 1 - target; }

  Label jump(Label target) {
    return write(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(distance(target)));
  }

  Label write(unsigned code, std::uint32_t operand, std::uint8_t if_true = 0,
              std::uint8_t if_false = 0) {
    reversed_.push_back({static_cast<std::uint16_t>(code), if_true, if_false, operand});
    return reversed_.size() - 1;
  }

  BpfProgram reversed_;
  std::map<SeccompAction, Label> leaves_;
};

/// The action of the first of RULES whose conditions hold, else OTHERWISE.
struct Decision {
  SeccompAction otherwise = 0;
  std::vector<const SyscallRule*> rules;

  bool operator==(const Decision&) const = default;
};

/// Holds from FIRST up to the next segment's first.
struct Segment {
  std::uint32_t first;
  Decision decision;
};

/// Appends, unless it is decided as its neighbour below.
void add_segment(std::vector<Segment>& segments, std::uint32_t first, Decision decision) {
  if (segments.empty() || segments.back().decision != decision)
    segments.push_back({first, std::move(decision)});
}

Label decide(Assembler& out, const Decision& decision);

/// A binary search for the segment that the accumulator lies in. Needs: at least one, ascending.
Label search(Assembler& out, std::span<const Segment> segments) {
  if (segments.size() == 1) return decide(out, segments.front().decision);
  const auto half = segments.size() / 2;
  const Label high = search(out, segments.subspan(half));
  const Label low = search(out, segments.first(half));
  return out.branch(BPF_JGE, segments[half].first, high, low);
}

// ---- arguments ----------------------------------------------------------------------------------

std::size_t low_half(unsigned argument) {
  return offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t);
}

std::size_t high_half(unsigned argument) { return low_half(argument) + sizeof(std::uint32_t); }

/// YES where CONDITION holds, else NO. Arguments have 64 bits and the accumulator 32: the high
/// halves are compared first.
Label test(Assembler& out, const Condition& condition, Label yes, Label no) {
  const auto low = static_cast<std::uint32_t>(condition.value);
  const auto high = static_cast<std::uint32_t>(condition.value >> 32U);
  const std::size_t low_at = low_half(condition.argument);
  const std::size_t high_at = high_half(condition.argument);
  const auto equal = [&](Label is, Label is_not) {
    const Label low_test = out.load(low_at, out.branch(BPF_JEQ, low, is, is_not));
    return out.load(high_at, out.branch(BPF_JEQ, high, low_test, is_not));
  };
  const auto above = [&](unsigned compare_low, Label is, Label is_not) {
    const Label low_test = out.load(low_at, out.branch(compare_low, low, is, is_not));
    const Label tie = out.branch(BPF_JEQ, high, low_test, is_not);
    return out.load(high_at, out.branch(BPF_JGT, high, is, tie));
  };
  const auto masked = [&](Label is, Label is_not) {
    constexpr unsigned And = BPF_ALU | BPF_AND | BPF_K;
    const auto low_mask = static_cast<std::uint32_t>(condition.mask);
    const auto high_mask = static_cast<std::uint32_t>(condition.mask >> 32U);
    const Label low_test = out.branch(BPF_JEQ, low, is, is_not);
    const Label whole = out.load(low_at, out.then(And, low_mask, low_test));
    if (high_mask == 0 && high == 0) return whole;
    const Label high_test = out.branch(BPF_JEQ, high, whole, is_not);
    return out.load(high_at, out.then(And, high_mask, high_test));
  };
  switch (condition.compare) {
    case Compare::Equal:
      return equal(yes, no);
    case Compare::NotEqual:
      return equal(no, yes);
    case Compare::Greater:
      return above(BPF_JGT, yes, no);
    case Compare::GreaterOrEqual:
      return above(BPF_JGE, yes, no);
    case Compare::Less:
      return above(BPF_JGE, no, yes);
    case Compare::LessOrEqual:
      return above(BPF_JGT, no, yes);
    case Compare::MaskedEqual:
      return masked(yes, no);
  }
  return no;
}

/// Rule by rule.
Label chain(Assembler& out, const Decision& decision) {
  Label next = out.leave(decision.otherwise);
  // From the last to the first: jumps lead forward only. clang 14 has no std::views::reverse.
  // NOLINTBEGIN(modernize-loop-convert)
  for (auto rule = decision.rules.rbegin(); rule != decision.rules.rend(); ++rule) {
    const auto& conditions = (*rule)->conditions;
    Label yes = out.leave((*rule)->action);
    for (auto condition = conditions.rbegin(); condition != conditions.rend(); ++condition)
      yes = test(out, *condition, yes, next);
    next = yes;
  }
  // NOLINTEND(modernize-loop-convert)
  return next;
}

bool holds(const Condition& condition, std::uint64_t argument) {
  switch (condition.compare) {
    case Compare::Equal:
      return argument == condition.value;
    case Compare::NotEqual:
      return argument != condition.value;
    case Compare::Less:
      return argument < condition.value;
    case Compare::LessOrEqual:
      return argument <= condition.value;
    case Compare::Greater:
      return argument > condition.value;
    case Compare::GreaterOrEqual:
      return argument >= condition.value;
    case Compare::MaskedEqual:
      return (argument & condition.mask) == condition.value;
  }
  return false;
}

/// Whether one argument alone decides, by values of 32 bits: then it can be searched for just as
/// the call's number is (socket's 26 families, personality's values).
bool is_searchable(const Decision& decision) {
  const auto& rules = decision.rules;
  return std::all_of(rules.begin(), rules.end(), [&](const SyscallRule* rule) {
    const auto& conditions = rule->conditions;
    return conditions.size() == 1 && conditions[0].compare != Compare::MaskedEqual &&
           conditions[0].argument == rules[0]->conditions[0].argument &&
           conditions[0].value >> 32U == 0;
  });
}

Label search_argument(Assembler& out, const Decision& decision) {
  const auto action_for = [&](std::uint64_t argument) {
    for (const SyscallRule* rule : decision.rules)
      if (holds(rule->conditions[0], argument)) return rule->action;
    return decision.otherwise;
  };
  constexpr std::uint64_t Beyond = std::uint64_t{1} << 32U;
  std::set<std::uint64_t> cuts = {0};  // where the action may change; none lies higher than Beyond
  for (const SyscallRule* rule : decision.rules) {
    cuts.insert(rule->conditions[0].value);
    cuts.insert(rule->conditions[0].value + 1);
  }
  std::vector<Segment> segments;
  for (const std::uint64_t cut : cuts)
    if (cut < Beyond) add_segment(segments, static_cast<std::uint32_t>(cut), {action_for(cut), {}});
  const unsigned argument = decision.rules[0]->conditions[0].argument;
  const Label large = out.leave(action_for(Beyond));
  const Label small = out.load(low_half(argument), search(out, segments));
  return out.load(high_half(argument), out.branch(BPF_JEQ, 0, small, large));
}

Label decide(Assembler& out, const Decision& decision) {
  if (decision.rules.empty()) return out.leave(decision.otherwise);
  return is_searchable(decision) ? search_argument(out, decision) : chain(out, decision);
}

// ---- numbers ------------------------------------------------------------------------------------

constexpr SeccompAction Enosys = SECCOMP_RET_ERRNO | ENOSYS;

/// The kernel's order where several filters answer: the smallest, as a signed number, wins.
std::int32_t strictness(SeccompAction action) {
  return static_cast<std::int32_t>(action & SECCOMP_RET_ACTION_FULL);
}

Decision combine(std::vector<const SyscallRule*> rules, SeccompAction default_action) {
  std::stable_sort(rules.begin(), rules.end(), [](const auto* a, const auto* b) {
    return strictness(a->action) < strictness(b->action);
  });
  const auto unconditional = std::find_if(
      rules.begin(), rules.end(), [](const auto* rule) { return rule->conditions.empty(); });
  if (unconditional == rules.end()) return {default_action, std::move(rules)};
  const SeccompAction otherwise = (*unconditional)->action;
  rules.erase(unconditional, rules.end());  // what is laxer can no longer count
  return {otherwise, std::move(rules)};
}

/// A default that lets calls pass lets the newest pass too.
SeccompAction beyond_newest(SeccompAction default_action) {
  return strictness(default_action) <= strictness(SECCOMP_RET_ERRNO) ? Enosys : default_action;
}

void add_abi(std::vector<Segment>& segments, const SeccompPolicy& policy, const Abi& abi) {
  std::map<std::uint32_t, std::vector<const SyscallRule*>> calls;
  for (const auto& name : policy.left_out)
    if (const auto number = syscall_number(abi, name)) calls[*number];
  for (const auto& rule : policy.rules)
    for (const auto& name : rule.names)
      if (const auto number = syscall_number(abi, name)) calls[*number].push_back(&rule);

  std::uint32_t next = abi.first;
  for (auto& [number, rules] : calls) {
    if (number > next) add_segment(segments, next, {policy.default_action, {}});
    add_segment(segments, number, combine(std::move(rules), policy.default_action));
    next = number + 1;
  }
  add_segment(segments, next, {beyond_newest(policy.default_action), {}});
}

}  // namespace

BpfProgram generate_seccomp_program(const SeccompPolicy& policy) {
  const auto is_named = [&](const Abi& abi) {
    return std::any_of(policy.abis.begin(), policy.abis.end(),
                       [&](const Abi& named) { return named.name == abi.name; });
  };
  Assembler out;
  Label other = out.leave(SECCOMP_RET_KILL_PROCESS);
  // From the last to the first, so that the native ABI is asked for first.
  const auto abis = all_abis();
  for (std::size_t end = abis.size(); end > 0;) {
    const std::uint32_t audit = abis[end - 1].audit;
    std::size_t begin = end;
    while (begin > 0 && abis[begin - 1].audit == audit) --begin;
    const auto group = abis.subspan(begin, end - begin);  // x86-64 and x32 share theirs
    end = begin;
    if (std::none_of(group.begin(), group.end(), is_named)) continue;

    std::vector<Segment> segments;
    for (const Abi& abi : group) {
      if (is_named(abi))
        add_abi(segments, policy, abi);
      else
        add_segment(segments, abi.first, {Enosys, {}});  // as a kernel that was built without
    }
    const Label here = out.load(offsetof(seccomp_data, nr), search(out, segments));
    other = out.branch(BPF_JEQ, audit, here, other);
  }
  out.load(offsetof(seccomp_data, arch), other);
  return out.finish();
}

}  // namespace runtime
