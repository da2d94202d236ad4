// SPDX-License-Identifier: MIT
// Running from a sealed copy: this test program runs itself so, with one test case only.
#include "runtime/seal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/file.h"

TEST_CASE("only SYS_PTRACE leads to our file") {
  CHECK_FALSE(runtime::needs_sealing(runtime::default_capabilities()));
  CHECK(runtime::needs_sealing(runtime::capability("SYS_PTRACE")));
}

TEST_CASE("inside the sealed copy" * doctest::skip()) {
  const auto self = base::open_or_throw("/proc/self/exe", O_RDONLY);
  REQUIRE(::fcntl(self.get(), F_GET_SEALS) >=
          (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
  CHECK(::fcntl(self.get(), F_ADD_SEALS, 0) == -1);
  CHECK(::ftruncate(self.get(), 0) == -1);
  char name[] = "unit-tests";
  char* argv[] = {name, nullptr};
  runtime::run_from_sealed_memfd(argv);  // returns at once, or this case would run for ever
  CHECK(base::read_file("/proc/self/comm") == "mini-run\n");
}

TEST_CASE("the program runs again from a sealed copy, with its arguments") {
  const pid_t child = ::fork();
  if (child == 0) {
    std::string words[] = {"unit-tests", "--no-skip", "--test-case=inside the sealed copy",
                           "--out=/dev/null"};
    char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
    try {
      runtime::run_from_sealed_memfd(argv);
    } catch (const std::exception&) {
    }
    ::_exit(99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}
