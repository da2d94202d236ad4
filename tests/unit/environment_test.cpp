// SPDX-License-Identifier: MIT
// runtime/environment.h and program.h: what the program gets, and why it could not start.
#include "runtime/environment.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "runtime/program.h"
#include "runtime/shim.h"

namespace {

using Words = std::vector<std::string>;

/// Standard input from FILE for as long as this lives.
struct StandardInput {
  int saved = ::dup(STDIN_FILENO);
  explicit StandardInput(int fd) { ::dup2(fd, STDIN_FILENO); }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;
  ~StandardInput() {
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
  }
};

struct Programs {
  std::string path = "/tmp/mini-run-program-XXXXXX";
  Programs() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;
  ~Programs() { std::filesystem::remove_all(path); }
  void add(const std::string& name, const std::string& content, mode_t mode) const {
    std::ofstream(path + "/" + name) << content;
    ::chmod((path + "/" + name).c_str(), mode);
  }
};

struct Failure {
  int status = 0;
  std::string line;
};

/// COMMAND in a child, by the shim: its exit status, or errno where it could not be executed.
struct Outcome {
  int status = 0;
  int error = 0;
};

Outcome start(const Words& command, const Words& environment) {
  runtime::Shim shim;
  const pid_t child = ::fork();
  if (child == 0) {
    int error = 0;
    shim.prepare(-1);
    const auto file = runtime::find_program(command.front(), environment, error);
    if (!file) shim.fail(error);
    shim.exec(*file, command, environment);
  }
  Outcome outcome;
  outcome.error = shim.wait();
  ::waitpid(child, &outcome.status, 0);
  return outcome;
}

Failure failure(const Words& command, const Words& environment) {
  const auto [status, error] = start(command, environment);
  CHECK(error != 0);
  const auto result = runtime::exec_error(error, command, environment);
  const std::string line = result.what();
  CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
  return {result.exit_status(), line};
}

/// The exit status of COMMAND, executed in a child; 255 where it could not be.
int run(const Words& command, const Words& environment) {
  const auto [status, error] = start(command, environment);
  if (error != 0) return 255;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("the environment is made from nothing") {
  ::setenv("SUDO_USER", "someone", 1);
  const StandardInput none(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  CHECK(runtime::make_environment("/root", "web", {}) ==
        Words{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
              "HOSTNAME=web"});
}

TEST_CASE("TERM is ours where standard input is a terminal") {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(terminal >= 0);
  const StandardInput input(terminal);
  ::setenv("TERM", "vt220", 1);
  CHECK(runtime::make_environment("/", "web", {}).back() == "TERM=vt220");
  ::close(terminal);
}

TEST_CASE("of two variables with one name the later wins, in the place of the first") {
  const StandardInput none(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto environment = runtime::make_environment(
      "/", "web", {{"A", "1"}, {"HOME", "/srv"}, {"AB", "2"}, {"A", ""}, {"PATH", "/bin"}});
  CHECK(environment == Words{"PATH=/bin", "HOME=/srv", "HOSTNAME=web", "A=", "AB=2"});
  CHECK(runtime::find_variable(environment, "A") == "");
  CHECK(runtime::find_variable(environment, "AB") == "2");
  CHECK_FALSE(runtime::find_variable(environment, "B"));
  CHECK_FALSE(runtime::find_variable(environment, "HOM"));
}

TEST_CASE("a program is found in the PATH of its own environment, and gets that environment") {
  const Programs programs;
  programs.add("answer", "#!/bin/sh\nexit \"$1\"\n", 0755);
  const Words environment{"PATH=/nonexistent:/etc/passwd:" + programs.path, "X=42"};
  CHECK(run({"answer", "7"}, environment) == 7);
  CHECK(run({programs.path + "/answer", "8"}, {"PATH="}) == 8);
  CHECK(run({"/bin/sh", "-c", "exit $X"}, environment) == 42);
  CHECK(run({"sh", "-c", "exit 3"}, {}) == 3);  // no PATH: the default one
}

TEST_CASE("one that may not be executed does not hide one that may") {
  const Programs first;
  const Programs second;
  first.add("answer", "", 0644);
  second.add("answer", "#!/bin/sh\nexit 9\n", 0755);
  CHECK(run({"answer"}, {"PATH=" + first.path + ":" + second.path}) == 9);
}

TEST_CASE("why a program could not start, with docker's exit status") {
  const Programs programs;
  programs.add("text", "no #! line\n", 0755);
  programs.add("plain", "#!/bin/sh\n", 0644);
  programs.add("lost", "#!/nonexistent/python -u\n", 0755);
  programs.add("dos", "#!/bin/sh\r\n", 0755);
  std::filesystem::create_directory(programs.path + "/dir");
  std::filesystem::create_symlink("loop", programs.path + "/loop");
  ::mkfifo((programs.path + "/fifo").c_str(), 0777);
  const Words environment{"PATH=" + programs.path};
  struct Case {
    std::string program;
    int status;
    std::string says;
  };
  for (const Case& each : {
           Case{"none", 127, "none: not found in the container's PATH (" + programs.path + ")"},
           Case{"/none/x", 127, "/none/x: no such file in the container"},
           Case{"/etc/passwd/x", 127, "no such file in the container"},
           Case{"no\nne\x1b[m", 127, "no\\x0ane\\x1b[m: not found"},
           Case{"", 127, "the program's name is empty"},
           Case{"lost", 127, "/lost: its interpreter /nonexistent/python is not in the container"},
           Case{"dos", 127, "interpreter /bin/sh\\x0d (the line ends in a carriage return) is not"},
           Case{"plain", 126, "/plain: not executable (chmod +x)"},
           Case{"dir", 126, "/dir: is a directory"},
           Case{programs.path, 126, "is a directory"},
           Case{"fifo", 126, "is not a regular file"},
           Case{"text", 126, "/text: wrong format (no #! line"},
           Case{"loop", 126, "loop: Too many levels of symbolic links"},
           Case{std::string(300, 'x'), 126, "File name too long"},
       }) {
    CAPTURE(base::printable(each.program));
    const auto result = failure({each.program}, environment);
    CHECK(result.status == each.status);
    CHECK_MESSAGE(result.line.find(each.says) != std::string::npos, result.line);
  }
}

TEST_CASE("arguments beyond the kernel's limit are named as that; 100 kB simply work") {
  CHECK(run({"/bin/sh", "-c", "exit 5", std::string(100000, 'x')}, {}) == 5);
  const auto result = failure({"/bin/sh", std::string(200000, 'x')}, {});
  CHECK(result.status == 126);
  CHECK(result.line ==
        "/bin/sh: the arguments and the environment are longer than the kernel takes");
}
