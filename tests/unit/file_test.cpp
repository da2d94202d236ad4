// SPDX-License-Identifier: MIT
// runtime/base/file.h: regular files only, bounded, and no FIFO that hangs us.
#include "base/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"

namespace {

struct TemporaryDirectory {
  std::string path = "/tmp/mini-run-file-XXXXXX";
  TemporaryDirectory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("a file is read whole, by path or below a directory") {
  const TemporaryDirectory directory;
  const std::string content(40000, 'x');
  std::ofstream(directory.path + "/file") << content;
  CHECK(base::read_file(directory.path + "/file") == content);
  const auto fd = base::open_or_throw(directory.path, O_PATH | O_DIRECTORY);
  CHECK(base::read_file("file", fd.get()) == content);
}

TEST_CASE("what is not there is nothing") {
  const TemporaryDirectory directory;
  CHECK_FALSE(base::read_file(directory.path + "/none"));
  std::ofstream(directory.path + "/file");
  CHECK_FALSE(base::read_file(directory.path + "/file/below"));
}

TEST_CASE("a FIFO, a directory and a device are errors, at once") {
  const TemporaryDirectory directory;
  REQUIRE(::mkfifo((directory.path + "/fifo").c_str(), 0600) == 0);
  CHECK_THROWS_AS((void)base::read_file(directory.path + "/fifo"), base::Error);
  CHECK_THROWS_AS((void)base::read_file(directory.path), base::Error);
  CHECK_THROWS_AS((void)base::read_file("/dev/zero"), base::Error);
}

TEST_CASE("a file beyond the limit is an error") {
  const TemporaryDirectory directory;
  std::ofstream(directory.path + "/file") << std::string(2000, 'x');
  const auto fd = base::open_or_throw(directory.path + "/file", O_RDONLY);
  CHECK_THROWS_AS((void)base::read_all(fd.get(), 1999), base::Error);
  ::lseek(fd.get(), 0, SEEK_SET);
  CHECK(base::read_all(fd.get(), 2000).size() == 2000);
}

TEST_CASE("writing writes all, and names what was tried where it cannot") {
  const TemporaryDirectory directory;
  const std::string path = directory.path + "/file";
  base::write_all(base::open_or_throw(path, O_WRONLY | O_CREAT).get(), "all of it", "write");
  CHECK(base::read_file(path) == "all of it");
  const auto read_only = base::open_or_throw(path, O_RDONLY);
  CHECK_THROWS_WITH_AS(base::write_all(read_only.get(), "x", "write the journal"),
                       "write the journal: Bad file descriptor", base::Error);
}

TEST_CASE("descriptors close on exec and with their owner") {
  int number = -1;
  {
    auto fd = base::open_or_throw("/dev/null", O_RDONLY);
    number = fd.get();
    CHECK((::fcntl(number, F_GETFD) & FD_CLOEXEC) != 0);
    const base::UniqueFd moved(std::move(fd));
    CHECK(moved.get() == number);
    CHECK_FALSE(fd.valid());
  }
  CHECK(::fcntl(number, F_GETFD) == -1);
  CHECK_THROWS_WITH_AS((void)base::open_or_throw("/none\n", O_RDONLY),
                       "open /none\\x0a: No such file or directory", base::Error);
}
