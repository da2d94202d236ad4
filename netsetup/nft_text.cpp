// SPDX-License-Identifier: MIT
// Rules as text: libnftables, loaded when it is needed.
#include <dlfcn.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "netsetup/nft.h"

namespace netsetup::nft {

namespace {

/// The few functions of libnftables(3) that we use. Never unloaded: its process ends at once.
struct Library {
  decltype(&::nft_ctx_new) context_new;
  decltype(&::nft_ctx_free) context_free;
  decltype(&::nft_ctx_buffer_output) buffer_output;
  decltype(&::nft_ctx_buffer_error) buffer_error;
  decltype(&::nft_ctx_get_error_buffer) error_buffer;
  decltype(&::nft_run_cmd_from_buffer) run;

  static Library load() {
    void* handle = ::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* reason = ::dlerror();
      throw base::Error(base::cat("cannot load libnftables.so.1 (Debian package libnftables1): ",
                                  reason != nullptr ? reason : "no reason given"));
    }
    Library library{};
    find(handle, "nft_ctx_new", library.context_new);
    find(handle, "nft_ctx_free", library.context_free);
    find(handle, "nft_ctx_buffer_output", library.buffer_output);
    find(handle, "nft_ctx_buffer_error", library.buffer_error);
    find(handle, "nft_ctx_get_error_buffer", library.error_buffer);
    find(handle, "nft_run_cmd_from_buffer", library.run);
    return library;
  }

 private:
  template <class Function>
  static void find(void* handle, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(handle, name));
    if (function == nullptr)
      throw base::Error(base::cat("libnftables.so.1 has no function ", name));
  }
};

/// Throws what nft reports: its first line, which says it all (below it come source and markers).
/// The kernel's reason stands at the end of the line as strerror(3) has it; callers want its
/// number.
[[noreturn]] void throw_report(std::string_view text) {
  while (text.starts_with('\n')) text.remove_prefix(1);
  text = text.substr(0, text.find('\n'));
  for (const int error : {EEXIST, EOPNOTSUPP, EAFNOSUPPORT, ENOENT, EPERM}) {
    const std::string reason = base::cat(": ", std::strerror(error));
    if (!text.ends_with(reason)) continue;
    text.remove_suffix(reason.size());
    throw base::Error(error, base::cat("nft: ", base::printable(text)));
  }
  throw base::Error(base::cat("nft: ", base::printable(text)));
}

constexpr std::string_view Done = "done";

/// Carries TEXT out; returns Done or what libnftables reports.
std::string report_on(const std::string& text) {
  const Library nft = Library::load();
  const std::unique_ptr<nft_ctx, decltype(nft.context_free)> context(
      nft.context_new(NFT_CTX_DEFAULT), nft.context_free);
  if (!context || nft.buffer_output(context.get()) != 0 || nft.buffer_error(context.get()) != 0)
    return std::strerror(ENOMEM);
  if (nft.run(context.get(), text.c_str()) == 0) return std::string(Done);
  const char* report = nft.error_buffer(context.get());
  return report != nullptr && *report != '\0' ? report : "no reason given";
}

/// The child of run_text: writes Done or what went wrong to PIPE and ends. Where libnftables cannot
/// have a netlink socket, it calls exit(3) after a line of its own: then nothing is written.
[[noreturn]] void report_and_exit(const std::string& text, int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  std::atexit([] { ::_exit(base::ExitFailure); });  // not what the parent has registered
  try {
    ::dup2(base::open_or_throw("/dev/null", O_WRONLY).get(), STDERR_FILENO);
    base::write_all(pipe, report_on(text), "report");
  } catch (const std::exception& error) {
    static_cast<void>(!::write(pipe, error.what(), std::strlen(error.what())));
  }
  ::_exit(0);
}

}  // namespace

// In a process of its own: the three megabytes of libnftables go with it, and so does an exit(3)
// of its. It shares our locks: where we are killed, nobody has a turn before it has ended too.
void run_text(const std::string& text) {
  // libnftables waits with select(2): a descriptor beyond FD_SETSIZE would be written past the end
  // of an array. Which one it will get, a descriptor of our own tells.
  base::Pipe pipe = base::open_pipe();
  if (pipe.writer.get() >= FD_SETSIZE)
    throw base::Error("nft: more than 1023 open descriptors, which libnftables cannot work with");
  const pid_t child = base::check(::fork(), "fork");
  if (child == 0) report_and_exit(text, pipe.writer.get());
  pipe.writer.reset();
  const std::string report = base::read_all(pipe.reader.get());
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (report.empty()) throw base::Error("libnftables cannot have a netlink socket");
  if (report != Done) throw_report(report);
}

}  // namespace netsetup::nft
