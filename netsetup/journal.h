// SPDX-License-Identifier: MIT
// What is to be undone, on disk before it is done.
//
// Theory of operation. An undo step is appended before the kernel call that it undoes, so that
// SIGKILL at any moment leaves nothing unrecorded: at worst a step is undone that never happened,
// which is a success (kernel.h). The file is one line of JSON per step; a last line that was cut
// off by the same SIGKILL belongs to a call that was not made, and is passed over.
//
// That a container lives is another lock, on its directory (record.h); a Turn says that somebody
// acts by its journal this moment.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "netsetup/kernel.h"
#include "netsetup/step.h"

namespace netsetup {

class Journal {
 public:
  /// The file `journal` in DIR (a descriptor that outlives this), made where it is not there yet;
  /// what is there but no file is set aside, as `journal.damaged`, and said. Throws Error.
  explicit Journal(int dir);
  /// That of another, in DIR; nothing where it ends this moment and has removed DIR.
  static std::optional<Journal> peek(int dir);

  void append(const Step& undo) const;
  /// Oldest first. Lines that make no sense are set aside, to `journal.damaged`, and said; DAMAGED
  /// becomes true.
  [[nodiscard]] std::vector<Step> read(bool* damaged = nullptr) const;

  /// Writes BY, then crosses out what was there before and OLD holds for: it is neither to be
  /// undone nor put back any more. Needs: a Turn.
  void replace(const std::function<bool(const Step&)>& old, const std::optional<Step>& by) const;

  /// flock(2) on the file: whoever holds it is alive.
  [[nodiscard]] int fd() const { return file_.get(); }

  /// Whether the file was removed since it was opened: its owner has gone.
  [[nodiscard]] bool removed() const;

 private:
  [[nodiscard]] std::string content() const;
  void cross_out(const std::string& content,
                 const std::function<bool(std::string_view)>& line) const;
  void set_aside(const std::string& content, const std::string& lines) const;

  int dir_;
  base::UniqueFd file_;
};

/// While it lives nobody else acts by JOURNAL, which must outlive it: what goes for good (undone,
/// then removed) and what is put back after somebody removed it by hand (repair.h) never meet.
/// Waits for its turn; keep it for no longer than some kernel calls take. fcntl(2), open file
/// description locks.
class Turn {
 public:
  explicit Turn(const Journal& journal);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  int fd_;
};

/// Undoes STEPS, newest first, to the end; returns what failed, a line each. Never throws.
std::vector<std::string> undo_all(Kernel& kernel, const std::vector<Step>& steps) noexcept;

}  // namespace netsetup
