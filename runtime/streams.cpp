// SPDX-License-Identifier: MIT
#include "runtime/streams.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/text.h"

namespace runtime {

Streams::Streams(const Options& options, int directory)
    : detached_(options.detach), tty_(options.tty), interactive_(options.interactive) {
  if (!detached_) return;
  log_.emplace(directory, options.log_size);
  if (tty_) return;
  output_ = base::open_pipe();
  if (interactive_)
    input_ = base::open_pipe();
  else
    input_.reader = base::open_or_throw("/dev/null", O_RDONLY);
}

void Streams::give_to(ChildConfig& child) const {
  child.tty = tty_;
  child.input = input_.reader.get();
  child.output = output_.writer.get();
}

void Streams::start(base::EventLoop& loop, base::UniqueFd master) {
  input_.reader.reset();
  output_.writer.reset();
  master_ = std::move(master);
  const Relay::Sink to_log = [this](std::string_view text) { log_->append(text); };
  if (output_.reader.valid()) from_program_.emplace(loop, output_.reader.get(), to_log);
  if (!master_.valid()) return;
  if (detached_) {
    from_program_.emplace(loop, master_.get(), to_log);
    return;
  }
  adapt();
  from_program_.emplace(loop, master_.get(), STDOUT_FILENO);
  if (!interactive_) return;
  raw_.emplace(STDIN_FILENO);
  // A program that does not read must not stop us: not even for what is typed meanwhile.
  base::check(::fcntl(master_.get(), F_SETFL, O_NONBLOCK), "use the program's terminal");
  from_caller_.emplace(loop, STDIN_FILENO, master_.get());
}

void Streams::adapt() noexcept {
  if (!detached_ && master_.valid()) copy_window_size(STDIN_FILENO, master_.get());
  if (raw_) raw_->renew();
}

void Streams::note(std::string_view text) {
  if (log_)
    log_->append(base::cat("mini-run: ", text, "\n"));
  else
    base::say(text);
}

void Streams::finish() {
  if (from_program_) from_program_->drain();
  if (raw_) raw_->restore();
}

}  // namespace runtime
