// SPDX-License-Identifier: MIT
// What several containers share, from the first that needs it to the last.
//
// Theory of operation. A scope is a directory with a lock, a journal and, while the thing is
// there, a file `up` that describes it. Every container holds the lock shared for as long as it
// lives; the kernel frees it with the last descriptor, however the holder dies. To build or to
// undo, one must hold it exclusively, that is, be alone:
//   join   shared lock; up? done. Else exclusive lock; still not up? undo what a dead builder
//          left, build, write `up`. Then from the start: converting a lock lets others in between.
//   leave  exclusive lock without waiting; not to be had: others live on. Else remove `up`, undo
//          the journal, remove the directory.
// The host's share and each network are scopes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "netsetup/transaction.h"

namespace netsetup {

class Scope {
 public:
  /// The scope NAME below the directory PARENT, which must outlive it. Opens nothing yet.
  Scope(int parent, std::string name) : parent_(parent), name_(std::move(name)) {}

  /// Builds the thing: applies its plan, commits, returns its description (what `up` will say).
  using Build = std::function<std::string(Journal&)>;
  /// Whether the thing that DESCRIPTION describes is really there: somebody may have removed it by
  /// hand, or put something else in its place.
  using Check = std::function<bool(const std::string& description)>;
  /// Puts back, under the feet of those who live in it, what was removed by hand.
  using Repair = std::function<void()>;

  /// Joins, building if need be, and returns the description. Waits only while somebody builds or
  /// undoes. Throws what BUILD throws; then nothing is left of it. Where the thing is gone although
  /// others live in it, calls REPAIR.
  std::string join(Kernel& kernel, const Build& build, const Check& check, const Repair& repair);

  /// Joins where the thing is up, without building and without waiting, and returns the
  /// description; nothing where it is not up, or is being built or undone.
  std::optional<std::string> enter();

  /// The description from now on. Needs: the share, and that nobody else calls this meanwhile.
  void describe(const std::string& description) const;
  /// The same where the old one is damaged: that is set aside, as `up.damaged`, and said.
  void describe_anew(const std::string& description) const;

  /// What the journal says, oldest first. Where it lost lines although the thing is up, they are
  /// written again, from what the description and the kernel tell, and that is said. Needs: as
  /// describe(). Throws Error.
  std::vector<Step> mend_journal(Kernel& kernel) const;

  /// Gives up the share, if it has one; undoes the thing if nobody else has one. Returns what
  /// failed, a line each. Without a join before it, this sweeps what the dead have left.
  std::vector<std::string> leave(Kernel& kernel) noexcept;

  /// The description, where the thing is up, without joining.
  [[nodiscard]] std::optional<std::string> peek() const;

  [[nodiscard]] int directory() const { return directory_.get(); }

 private:
  bool open();
  bool lock(int operation);
  bool alone();
  [[nodiscard]] std::optional<std::string> up() const;
  std::vector<std::string> undo(Kernel& kernel) noexcept;

  int parent_;
  std::string name_;
  base::UniqueFd directory_;
  base::UniqueFd lock_;
};

}  // namespace netsetup
