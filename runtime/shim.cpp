// SPDX-License-Identifier: MIT
#include "runtime/shim.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "runtime/configs.h"
#include "runtime/launch.h"
#include "runtime/seal.h"

namespace runtime {

namespace {

base::UniqueFd make_image() {
  base::UniqueFd image = create_executable("shim");
  base::write_all(image.get(), shim_image(), "write a program to memory");
  seal(image);
  return image;
}

/// As execve(2) wants them: it takes char* const* for C's sake, and does not write to them.
void append(std::vector<char*>& pointers, const std::vector<std::string>& words) {
  for (const auto& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
}

}  // namespace

Shim::Shim() : image_(make_image()), errors_(base::open_pipe()) {}

void Shim::prepare(int kept) const {
  close_all_but({kept, image_.get(), errors_.writer.get()});
  base::check(::fcntl(errors_.writer.get(), F_SETFD, 0), "leave a descriptor to the shim");
}

void Shim::exec(const std::string& file, const std::vector<std::string>& arguments,
                const std::vector<std::string>& environment) const noexcept {
  const std::vector<std::string> own = {std::to_string(errors_.writer.get()), file};
  std::vector<char*> all;
  append(all, own);
  all.pop_back();
  append(all, arguments);
  std::vector<char*> variables;
  append(variables, environment);
  ::syscall(SYS_execveat, image_.get(), "", all.data(), variables.data(), AT_EMPTY_PATH);
  fail(errno);
}

void Shim::fail(int error) const noexcept {
  static_cast<void>(!::write(errors_.writer.get(), &error, sizeof error));
  ::_exit(base::ExitNotFound);
}

int Shim::wait() {
  errors_.writer.reset();
  int error = 0;
  ssize_t got = 0;
  while ((got = ::read(errors_.reader.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  return got == sizeof error ? error : 0;
}

}  // namespace runtime
