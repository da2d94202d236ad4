// SPDX-License-Identifier: MIT
// A container's directory in the state: its name is taken while it is there, and it is locked
// (flock) while the container's supervisor lives. A detached container's directory outlives it, in
// `ended`: for its log and its exit status, without a journal.
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
  /// another container has the name; one that was MADE_UP gets a number instead: "nginx-otter-2".
  Record(const State& state, std::string name, bool made_up, Kernel& kernel);
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;
  ~Record() { remove(); }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] int directory() const { return directory_.get(); }
  [[nodiscard]] Journal& journal() { return *journal_; }

  /// From now on the directory outlives the container, however that ends.
  void keep();

  /// Frees the name and everything in the directory, or moves what is kept to `ended`. Must not be
  /// called before what the journal says is undone.
  void remove() noexcept;

 private:
  enum class Taken : std::uint8_t { ByUs, ByRunning, ByEnded };
  Taken take();

  base::UniqueFd state_;
  base::UniqueFd containers_;
  std::string name_;
  base::UniqueFd directory_;
  std::optional<Journal> journal_;
};

/// Undoes and removes what containers left whose supervisors are dead. Throws Error.
void sweep_containers(const State& state, Kernel& kernel);

/// Whether the supervisor that has DIRECTORY, a container's, as its record lives.
bool is_alive(int directory);

/// "container web", where a running one publishes PORT or a port that overlaps it.
std::optional<std::string> publisher_of(const State& state, const PublishedPort& port);

}  // namespace netsetup
