// SPDX-License-Identifier: MIT
// A container's directory in the state: its name is taken while it is there, and its journal is
// locked while the container's supervisor lives.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netsetup/journal.h"
#include "netsetup/state.h"

namespace netsetup {

class Record {
 public:
  /// Takes NAME. First undoes what containers left whose supervisors are dead. Throws Error where
  /// a running container has the name.
  Record(const State& state, std::string name, Kernel& kernel);
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;
  ~Record() { remove(); }

  [[nodiscard]] int directory() const { return directory_.get(); }
  [[nodiscard]] Journal& journal() { return *journal_; }

  /// Frees the name and everything in the directory. Must not be called before what the journal
  /// says is undone.
  void remove() noexcept;

 private:
  bool take(Kernel& kernel);

  base::UniqueFd containers_;
  std::string name_;
  base::UniqueFd directory_;
  std::optional<Journal> journal_;
};

/// "container web", where a running one publishes PORT or a port that overlaps it.
std::optional<std::string> publisher_of(const State& state, const PublishedPort& port);

}  // namespace netsetup
