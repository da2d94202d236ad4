// SPDX-License-Identifier: MIT
// Rules as text: libnftables, loaded when it is needed.
#include <dlfcn.h>
#include <fcntl.h>
#include <nftables/libnftables.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "netsetup/nft.h"

namespace netsetup::nft {

namespace {

/// The few functions of libnftables(3) that we use, as long as this lives: with what it depends on
/// it is 2 MB, in a process that goes on for as long as its container does.
struct Library {
  std::unique_ptr<void, int (*)(void*)> handle;
  decltype(&::nft_ctx_new) context_new{};
  decltype(&::nft_ctx_free) context_free{};
  decltype(&::nft_ctx_buffer_output) buffer_output{};
  decltype(&::nft_ctx_buffer_error) buffer_error{};
  decltype(&::nft_ctx_get_error_buffer) error_buffer{};
  decltype(&::nft_ctx_get_output_buffer) output_buffer{};
  decltype(&::nft_ctx_output_set_flags) set_flags{};
  decltype(&::nft_run_cmd_from_buffer) run{};

  Library() : handle(::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL), ::dlclose) {
    if (!handle) {
      const char* reason = ::dlerror();
      throw base::Error(base::cat("cannot load libnftables.so.1 (Debian package libnftables1): ",
                                  reason != nullptr ? reason : "no reason given"));
    }
    find("nft_ctx_new", context_new);
    find("nft_ctx_free", context_free);
    find("nft_ctx_buffer_output", buffer_output);
    find("nft_ctx_buffer_error", buffer_error);
    find("nft_ctx_get_error_buffer", error_buffer);
    find("nft_ctx_get_output_buffer", output_buffer);
    find("nft_ctx_output_set_flags", set_flags);
    find("nft_run_cmd_from_buffer", run);
  }

 private:
  template <class Function>
  void find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(handle.get(), name));
    if (function == nullptr)
      throw base::Error(base::cat("libnftables.so.1 has no function ", name));
  }
};

/// Throws what nft reports: its first line, which says it all (below it come source and markers).
/// The kernel's reason stands at the end of the line as strerror(3) has it; callers want its
/// number.
[[noreturn]] void throw_report(const char* report) {
  std::string_view text = report != nullptr ? report : "";
  while (text.starts_with('\n')) text.remove_prefix(1);
  text = text.substr(0, text.find('\n'));
  text = text.substr(0, text.find("; did you mean"));  // a guess of nft's, behind the reason
  for (const int error : {EEXIST, EOPNOTSUPP, EAFNOSUPPORT, ENOENT, EPERM}) {
    const std::string reason = base::cat(": ", std::strerror(error));
    if (!text.ends_with(reason)) continue;
    text.remove_suffix(reason.size());
    throw base::Error(error, base::cat("nft: ", base::printable(text)));
  }
  throw base::Error(base::cat("nft: ", text.empty() ? "no reason given" : base::printable(text)));
}

/// libnftables calls exit(3) where it cannot have a netlink socket, after a line of its own. While
/// this lives its lines go nowhere and such an exit is an error of ours, in our words. What it
/// leaves half done is in the journals: the next start undoes it.
class ExitGuard {
 public:
  ExitGuard() {
    static const int registered = std::atexit(at_exit);
    base::check(-registered, "atexit");
    const auto null = base::open_or_throw("/dev/null", O_WRONLY);
    user = base::check(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), "keep standard error");
    ::dup2(null.get(), STDERR_FILENO);
  }
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;
  ~ExitGuard() {
    ::dup2(user, STDERR_FILENO);
    ::close(std::exchange(user, -1));
  }

 private:
  static void at_exit() {
    if (user < 0) return;
    constexpr std::string_view Line = "mini-run: libnftables cannot have a netlink socket\n";
    static_cast<void>(!::write(user, Line.data(), Line.size()));
    ::_exit(base::ExitFailure);
  }

  static inline int user = -1;  // the user's standard error, meanwhile
};

/// Runs TEXT, and returns what nft prints, with FLAGS (NFT_CTX_OUTPUT_*).
std::string run(const std::string& text, unsigned flags) {
  // libnftables waits with select(2): a descriptor beyond FD_SETSIZE would be written past the end
  // of an array. Which one it will get, a descriptor of our own tells.
  const base::UniqueFd next(::dup(STDERR_FILENO));
  if (next.get() >= FD_SETSIZE)
    throw base::Error("nft: more than 1023 open descriptors, which libnftables cannot work with");
  const Library nft;
  const ExitGuard guard;
  const std::unique_ptr<nft_ctx, decltype(nft.context_free)> context(
      nft.context_new(NFT_CTX_DEFAULT), nft.context_free);
  if (!context) throw base::Error(ENOMEM, "nft_ctx_new");
  if (nft.buffer_output(context.get()) != 0 || nft.buffer_error(context.get()) != 0)
    throw base::Error(ENOMEM, "nft_ctx_buffer_error");
  nft.set_flags(context.get(), flags);
  if (nft.run(context.get(), text.c_str()) != 0) throw_report(nft.error_buffer(context.get()));
  const char* output = nft.output_buffer(context.get());
  return output == nullptr ? "" : output;
}

}  // namespace

void run_text(const std::string& text) { run(text, 0); }

std::string list_text(const std::string& command) {
  return run(command, NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_STATELESS);
}

bool load_rules(const std::string& ruleset) {
  try {
    run_text(ruleset);
    return true;
  } catch (const base::Error& error) {
    const auto bridge = ruleset.find("create table bridge");
    const int reason = error.code().value();
    if (bridge == std::string::npos ||
        (reason != EOPNOTSUPP && reason != EAFNOSUPPORT && reason != ENOENT))
      throw;
    run_text(ruleset.substr(0, bridge));  // throws the same where the reason lies before it
    return false;
  }
}

}  // namespace netsetup::nft
