// SPDX-License-Identifier: MIT
// runtime/options.h: what is understood, and one clear line for what is not.
#include "runtime/options.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "runtime/options_values.h"

namespace {

using Words = std::vector<std::string>;

runtime::Options parse(const Words& words) {
  std::vector<const char*> argv{"mini-run"};
  for (const auto& word : words) argv.push_back(word.c_str());
  return runtime::parse_options(static_cast<int>(argv.size()), argv.data());
}

/// Those of LINE, between its blanks.
Words words(std::string_view line) {
  const auto found = base::split(line, ' ');
  return {found.begin(), found.end()};
}

/// The error's line for WORDS; nothing where they are taken.
std::optional<std::string> refusal(const Words& words) {
  try {
    (void)parse(words);
  } catch (const base::Error& error) {
    CHECK(error.exit_status() == base::ExitFailure);
    return error.what();
  }
  return std::nullopt;
}

bool is_one_clean_line(const std::string& line) {
  return !line.empty() && std::all_of(line.begin(), line.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
}

std::string port_text(const std::string& value) {
  return parse({"-p", value, "true"}).ports.at(0).text();
}

struct TemporaryFile {
  std::string path = "/tmp/mini-run-options-XXXXXX";
  explicit TemporaryFile(const std::string& content) {
    ::close(::mkstemp(path.data()));
    std::ofstream(path) << content;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(path.c_str()); }
};

}  // namespace

TEST_CASE("everything after PROGRAM is the program's") {
  const auto options = parse({"-p", "1:1", "-p", "2:2", "prog", "-p", "x", "--", "--name", "y"});
  CHECK(options.command == Words{"prog", "-p", "x", "--", "--name", "y"});
  CHECK(options.ports.size() == 2);
  CHECK(options.name.empty());
}

TEST_CASE("-- ends the options") {
  CHECK(parse({"--", "prog", "--", "x"}).command == Words{"prog", "--", "x"});
  CHECK(parse({"-p", "1:1", "--", "--prog", "-x"}).command == Words{"--prog", "-x"});
  CHECK(parse({"--explain", "--", "-"}).command == Words{"-"});
  CHECK(parse({"--", "--"}).command == Words{"--"});
  CHECK(parse({"prog", "--version", "-h"}).command == Words{"prog", "--version", "-h"});
}

TEST_CASE("arguments of the program are kept as they are") {
  const Words command{"prog", "", "[a,b]", "{}", "a\nb", "%%", "++", "--name=", "\xff"};
  CHECK(parse(command).command == command);
  const Words many(50000, "x");
  CHECK(parse(many).command == many);
}

TEST_CASE("every way to write a value") {
  for (const Words& words :
       {Words{"-p", "8080:80", "x"}, Words{"-p8080:80", "x"}, Words{"-p=8080:80", "x"},
        Words{"--publish", "8080:80", "x"}, Words{"--publish=8080:80", "x"}}) {
    CAPTURE(base::join(words, " "));
    const auto options = parse(words);
    REQUIRE(options.ports.size() == 1);
    CHECK(options.ports[0].text() == "8080->80/tcp");
    CHECK(options.command == Words{"x"});
  }
}

TEST_CASE("a repeatable option takes one value at a time, in order") {
  const auto options = parse({"--dns", "192.0.2.1", "--cap-add", "A", "--dns=192.0.2.2",
                              "--cap-add", "B", "--cap-drop", "ALL", "--network-alias", "db",
                              "--network-alias=db.lan", "--dns", "2001:db8::53", "prog", "more"});
  CHECK(options.dns == Words{"192.0.2.1", "192.0.2.2", "2001:db8::53"});
  CHECK(options.aliases == Words{"db", "db.lan"});
  CHECK(options.cap_add == Words{"A", "B"});
  CHECK(options.cap_drop == Words{"ALL"});
  CHECK(options.command == Words{"prog", "more"});
}

TEST_CASE("defaults") {
  const auto options = parse({"true"});
  REQUIRE(options.networks.size() == 1);
  CHECK(options.networks[0].name == "mini0");
  CHECK(options.stop_timeout == 10);
  CHECK_FALSE(options.scratch_size);
  CHECK_FALSE(options.explain);
  CHECK(options.environment.empty());
}

TEST_CASE("networks in the order typed, each with what follows it") {
  const auto options = parse({"--ip", "10.210.0.9", "--network", "a", "--ip6", "fd00::9", "--mac",
                              "02:00:00:00:00:01", "--ip", "10.1.0.9", "--network", "b", "x"});
  REQUIRE(options.networks.size() == 3);
  CHECK(options.networks[0].name == "mini0");
  CHECK(options.networks[0].addresses.at(0).text() == "10.210.0.9");
  CHECK(options.networks[1].name == "a");
  CHECK(options.networks[1].addresses.at(0).text() == "fd00::9");
  CHECK(options.networks[1].addresses.at(1).text() == "10.1.0.9");
  CHECK(options.networks[1].mac->text() == "02:00:00:00:00:01");
  CHECK(options.networks[2].addresses.empty());
}

TEST_CASE("switches and single values") {
  const auto options = parse(
      words("--name web --name web2 --hostname web.example.org --network lab0 --rootfs /srv/r "
            "--writable-root --tmpfs /cache/ -w /srv -u www-data:adm --seccomp unconfined "
            "--stop-timeout 0 --explain --dry-run --timing --add-host db:192.0.2.10 x"));
  CHECK(options.name == "web2");
  CHECK(options.hostname == "web.example.org");
  CHECK(options.networks.at(0).name == "lab0");
  CHECK(options.rootfs == "/srv/r");
  CHECK(options.writable_root);
  CHECK(options.tmpfs.at(0).target == "/cache");
  CHECK(options.workdir == "/srv");
  CHECK(options.user == "www-data:adm");
  CHECK(options.seccomp == "unconfined");
  CHECK(options.stop_timeout == 0);
  CHECK((options.explain && options.dry_run && options.timing));
  CHECK(options.add_host.at(0).first == "db");
  CHECK(options.add_host.at(0).second.text() == "192.0.2.10");
  CHECK(parse({"--read-only", "x"}).read_only);
}

TEST_CASE("ports as published") {
  CHECK(port_text("8080:80") == "8080->80/tcp");
  CHECK(port_text("0:80") == "0->80/tcp");
  CHECK(port_text("127.0.0.1:5353:53/udp") == "127.0.0.1:5353->53/udp");
  CHECK(port_text("[::1]:8080:80") == "[::1]:8080->80/tcp");
  CHECK(port_text("[::]:8080:80/udp") == "[::]:8080->80/udp");
  CHECK(port_text("0.0.0.0:1:65535/tcp") == "0.0.0.0:1->65535/tcp");
}

TEST_CASE("ranges of ports, and both protocols") {
  const auto texts = [](const Words& words) {
    std::vector<std::string> found;
    for (const auto& port : parse(words).ports) found.push_back(port.text());
    return found;
  };
  CHECK(texts({"-p", "8000-8002:80-82", "x"}) ==
        Words{"8000->80/tcp", "8001->81/tcp", "8002->82/tcp"});
  CHECK(texts({"-p", "127.0.0.1:53:5353/tcp+udp", "x"}) ==
        Words{"127.0.0.1:53->5353/tcp", "127.0.0.1:53->5353/udp"});
  CHECK(texts({"-p", "7-8:7-8/udp+tcp", "x"}) == Words{"7-8->7-8/udp", "7-8->7-8/tcp"});
  CHECK(texts({"-p", "[::1]:1-65535:1-65535", "x"}) == Words{"[::1]:1-65535->1-65535/tcp"});
  CHECK(parse({"-p", "1-65534:2-65535", "x"}).ports.size() == 65534);
}

TEST_CASE("for whom a port is published") {
  const auto text = [](const char* value) {
    return parse({"-p", value, "x"}).ports.front().text();
  };
  CHECK(text("8080:80,from=192.0.2.0/24") == "8080->80/tcp,from=192.0.2.0/24");
  CHECK(text("80-89:80-89/udp,from=2001:db8::/32,from=10.0.0.7") ==
        "80-89->80-89/udp,from=10.0.0.7/32,from=2001:db8::/32");
  CHECK(text("80:80,from=10.1.0.0/16,from=10.0.0.0/8,from=10.0.0.0/8") ==
        "80->80/tcp,from=10.0.0.0/8");
}

TEST_CASE("what `minictl port rm` means") {
  const auto ports = parse({"-p", "8080:80", "-p", "9000-9099:9000-9099/tcp+udp", "-p",
                            "127.0.0.1:7000-7002:8000-8002", "-p", "[::1]:53:53/udp", "x"})
                         .ports;
  const auto found = [&](const char* text) {
    std::string all;
    for (const auto& port : runtime::values::find_published(ports, text)) all += port.text() + " ";
    return all;
  };
  CHECK(found("8080") == "8080->80/tcp ");
  CHECK(found("8080:80") == "8080->80/tcp ");
  CHECK(found("9000-9099") == "9000-9099->9000-9099/tcp ");
  CHECK(found("9000-9099/tcp+udp") == "9000-9099->9000-9099/tcp 9000-9099->9000-9099/udp ");
  CHECK(found("127.0.0.1:7001-7002:8001-8002") ==
        "127.0.0.1:7001->8001/tcp 127.0.0.1:7002->8002/tcp ");
  CHECK(found("7002") == "127.0.0.1:7002->8002/tcp ");
  CHECK(found("[::1]:53/udp") == "[::1]:53->53/udp ");
  for (const char* text : {"8081", "8080:81", "8080/udp", "127.0.0.1:8080", "7000-7003", "53"})
    CHECK_THROWS_WITH_AS(found(text), doctest::Contains("is not published"), base::Error);
  for (const char* text : {"9050", "9000-9098", "9050:9050", "9099-9100"})
    CHECK_THROWS_WITH_AS(found(text), doctest::Contains("as a whole: 9000-9099/tcp"), base::Error);
}

TEST_CASE("ports that do not clash") {
  CHECK_FALSE(refusal({"-p", "53:53", "-p", "53:53/udp", "x"}));
  CHECK_FALSE(refusal({"-p", "0:80", "-p", "0:80", "x"}));
  CHECK_FALSE(refusal({"-p", "127.0.0.1:80:80", "-p", "127.0.0.2:80:80", "x"}));
  CHECK_FALSE(refusal({"-p", "80:80", "-p", "81:80", "x"}));
  CHECK_FALSE(refusal({"-p", "80-89:80-89", "-p", "90:80", "-p", "79:80", "x"}));
}

TEST_CASE("volumes") {
  const auto volumes =
      parse({"-v", "/srv/www:/var/www:ro", "-v", "./a:/b/", "--volume=..:/c:rw", "x"}).volumes;
  const std::string here = std::filesystem::current_path();
  REQUIRE(volumes.size() == 3);
  CHECK(volumes[0].source == "/srv/www");
  CHECK(volumes[0].target == "/var/www");
  CHECK(volumes[0].read_only);
  CHECK(volumes[1].source == here + "/./a");
  CHECK(volumes[1].target == "/b");
  CHECK_FALSE(volumes[1].read_only);
  CHECK(volumes[2].source == here + "/..");
  CHECK_FALSE(volumes[2].read_only);
}

TEST_CASE("sizes") {
  CHECK(parse({"--scratch-size", "1m", "x"}).scratch_size == 1U << 20U);
  CHECK(parse({"--scratch-size", "2G", "x"}).scratch_size == std::uint64_t{2} << 30U);
  CHECK(parse({"--scratch-size", "2048k", "x"}).scratch_size == 2U << 20U);
  CHECK(parse({"--scratch-size", "1048576", "x"}).scratch_size == 1U << 20U);
}

TEST_CASE("variables keep their order and take ours where no value is given") {
  ::setenv("MINI_RUN_TEST_OURS", "ours = 1", 1);
  ::unsetenv("MINI_RUN_TEST_NONE");
  const TemporaryFile file(
      "\xef\xbb\xbf# comment\n\nA=from file \r\n  B=\"quoted\"\nMINI_RUN_TEST_OURS\n   \n"
      "MINI_RUN_TEST_NONE\nC=x=y\nlast=line");
  const auto variables = parse({"-e", "A=1", "--env-file", file.path, "-eA=2", "-e=D=", "-e",
                                "MINI_RUN_TEST_OURS", "-e", "MINI_RUN_TEST_NONE", "x"})
                             .environment;
  const decltype(variables) expected{{"A", "1"},
                                     {"A", "from file "},
                                     {"B", "\"quoted\""},
                                     {"MINI_RUN_TEST_OURS", "ours = 1"},
                                     {"C", "x=y"},
                                     {"last", "line"},
                                     {"A", "2"},
                                     {"D", ""},
                                     {"MINI_RUN_TEST_OURS", "ours = 1"}};
  CHECK(variables == expected);
}

TEST_CASE("a bad line of an --env-file is named by file and line") {
  for (const char* line : {"=value", "a b=c", "a\tb", "na\x01me=x"}) {
    const TemporaryFile file(std::string("# one\nGOOD=1\n") + line + "\n");
    const auto error = refusal({"--env-file", file.path, "x"});
    REQUIRE(error);
    CHECK(is_one_clean_line(*error));
    CHECK_MESSAGE(error->find(file.path + " line 3") != std::string::npos, *error);
  }
  const TemporaryFile nul(std::string("A=b\0c\n", 6));
  CHECK(refusal({"--env-file", nul.path, "x"})->find("line 1") != std::string::npos);
}

TEST_CASE("bad input: one clear line each") {
  struct Case {
    Words words;
    const char* says;  // a part of the line
  };
  const std::string long_name(64, 'a');
  const std::vector<Case> cases{
      // the program
      {{}, "no program given"},
      {{"-p", "80:80"}, "no program given"},
      {{"--"}, "no program given"},
      {{""}, "the program's name is empty"},
      // options
      {{"--publsh", "80:80", "x"}, "did you mean --publish?"},
      {{"--vol=a:b", "x"}, "did you mean --volume?"},
      {{"--bogusness", "x"}, "unknown option --bogusness; `mini-run --help`"},
      {{"-z", "x"}, "unknown option -z; `mini-run"},
      {{"-z", "x"}, "unknown option -z; `mini-run"},
      {{"---x", "x"}, "unknown option ---x"},
      {{"--bo\ngus\x1b[1m", "x"}, "unknown option --bo\\x0agus\\x1b[1m"},
      {{"-p"}, "--publish needs a value, as in --publish 8080:80"},
      {{"--name"}, "--name needs a value, as in --name web"},
      {{"--name=", "x"}, "--name needs a value"},
      {{"--explain=yes", "x"}, "--explain"},
      {{"--explain=no", "x"}, "--explain"},
      // ports
      {{"-p", "8080", "x"}, "it needs HOST:CONTAINER, as in 8080:8080"},
      {{"-p", "", "x"}, "--publish '': it needs HOST:CONTAINER"},
      {{"-p", "http", "x"}, "it needs HOST:CONTAINER"},
      {{"-p", "80:0", "x"}, "the container's port cannot be 0"},
      {{"-p", "65536:80", "x"}, "65536 is too large, a port is at most 65535"},
      {{"-p", "80:65536", "x"}, "65536 is too large"},
      {{"-p", "80:99999999999999999999", "x"}, "is too large"},
      {{"-p", "a:80", "x"}, "'a' is not a port"},
      {{"-p", "80:b", "x"}, "'b' is not a port"},
      {{"-p", "-1:80", "x"}, "'-1' is not a port"},
      {{"-p", "+1:80", "x"}, "'+1' is not a port"},
      {{"-p", " 80:80", "x"}, "' 80' is not a port"},
      {{"-p", "080:80", "x"}, "'080' is not a port"},
      {{"-p", ":80", "x"}, "the host's port is missing"},
      {{"-p", "80:", "x"}, "the container's port is missing"},
      {{"-p", "127.0.0.1::80", "x"}, "the host's port is missing"},
      {{"-p", ":80:80", "x"}, "the address before the first colon is missing"},
      {{"-p", "127.0.0.1:80", "x"}, "one port is missing"},
      {{"-p", "80:80:127.0.0.1", "x"}, "the address comes first"},
      {{"-p", "127.0.0.999:80:80", "x"}, "'127.0.0.999' is not an IPv4 address"},
      {{"-p", "localhost:80:80", "x"}, "'localhost' is not an IPv4 address"},
      {{"-p", "[::1:80:80", "x"}, "it needs [ADDR]:HOST:CONTAINER"},
      {{"-p", "[::g]:80:80", "x"}, "'[::g]' is not an IPv6 address, which looks like [::1]"},
      {{"-p", "[127.0.0.1]:80:80", "x"}, "is not an IPv6 address"},
      {{"-p", "[::1]:80", "x"}, "one port is missing"},
      {{"-p", "::1:80:80", "x"}, "an IPv6 address needs brackets"},
      {{"-p", "80:80", "-p", "[::1]:80:80", "x"}, "asked for twice"},
      {{"-p", "80:80/sctp", "x"}, "'sctp' is not a protocol"},
      {{"-p", "80:80/", "x"}, "'' is not a protocol"},
      {{"-p", "80:80/TCP", "x"}, "'TCP' is not a protocol"},
      {{"-p", "80:80/tcp+sctp", "x"}, "'sctp' is not a protocol"},
      {{"-p", "80:80/tcp+tcp", "x"}, "tcp port 80 on every address is asked for twice"},
      {{"-p", "8010-8000:8010-8000", "x"}, "8010-8000 is reversed, write 8000-8010"},
      {{"-p", "8000-8010:80-89", "x"}, "11 of the host's ports cannot lead to 10"},
      {{"-p", "8000-8010:80", "x"}, "11 of the host's ports cannot lead to 1"},
      {{"-p", "0-9:1-10", "x"}, "a range begins with 1"},
      {{"-p", "65530-65536:1-7", "x"}, "65536 is too large"},
      {{"-p", "8000-8002:1-3", "-p", "8001:80", "x"},
       "tcp port 8001 on every address is asked for"},
      {{"-p", "8000-:80", "x"}, "'8000-' is not a port"},
      {{"-p", "80:80", "-p", "80:81", "x"}, "tcp port 80 on every address is asked for twice"},
      {{"-p", "80:80", "-p", "80:80", "x"}, "is asked for twice"},
      {{"-p", "80:80,from=", "x"}, "'' is not a network"},
      {{"-p", "80:80,from=lan", "x"}, "'lan' is not a network"},
      {{"-p", "80:80,from=10.0.0.1/8", "x"}, "within the network 10.0.0.0/8"},
      {{"-p", "80:80,to=10.0.0.0/8", "x"}, "'to=10.0.0.0/8' is not from=CIDR"},
      {{"-p", "80:80,", "x"}, "'' is not from=CIDR"},
      {{"-p", "80-89:80-89", "-p", "85:80", "x"}, "tcp ports 80-89 on every address is asked"},
      {{"-p", "85:80", "-p", "86:80", "-p", "80-89:80-89", "x"}, "tcp ports 80-89 on every"},
      {{"-p", "80-89:80-89", "-p", "[::1]:89-99:89-99", "x"}, "tcp ports 89-99 on ::1"},
      {{"-p", "192.0.2.1:80:80", "-p", "81:81", "-p", "80:81", "x"}, "also as tcp port 80 on 192"},
      {{"-p", "127.0.0.1:80:80/udp", "-p", "127.0.0.1:80:1/udp", "x"}, "udp port 80 on 127.0.0.1"},
      // names
      {{"--name", "", "x"}, "--name ''"},
      {{"--name", "../x", "x"}, "--name ../x: a name is"},
      {{"--name", "-x", "x"}, "--name -x"},
      {{"--name", ".x", "x"}, "--name .x"},
      {{"--name", "a b", "x"}, "--name a b"},
      {{"--name", "a\n\x1b]0;", "x"}, "--name a\\x0a\\x1b]0;"},
      {{"--name", long_name, "x"}, "a name is 1-63"},
      {{"--hostname", "a_b", "x"}, "--hostname a_b"},
      {{"--hostname", "-a", "x"}, "--hostname -a"},
      {{"--hostname", "a.", "x"}, "--hostname a."},
      {{"--hostname", "", "x"}, "--hostname ''"},
      {{"--hostname", long_name, "x"}, "a host name is"},
      {{"--hostname", long_name.substr(1) + ".a", "x"}, "at most 64"},
      {{"--network", "lo", "x"}, "--network lo"},
      {{"--network", "all", "x"}, "--network all"},
      {{"--network", "default", "x"}, "--network default"},
      {{"--network", "sixteen-letters-", "x"}, "1-15"},
      {{"--network", "a/b", "x"}, "--network a/b"},
      {{"--network", "mini%d", "x"}, "--network mini%d"},
      {{"--add-host", "db", "x"}, "it needs NAME:ADDRESS"},
      {{"--add-host", ":192.0.2.1", "x"}, "'' is not a host name"},
      {{"--add-host", "db:there", "x"}, "'there' is not an IP address"},
      {{"--dns", "dns.example.org", "x"}, "the address of a name server"},
      {{"--dns", "192.0.2.999", "x"}, "the address of a name server"},
      {{"--network-alias", "", "x"}, "an alias is words"},
      {{"--network-alias", "a..b", "x"}, "an alias is words"},
      {{"--network-alias", "a b", "x"}, "an alias is words"},
      {{"--ip", "fd00::1", "x"}, "is not an IPv4 address"},
      {{"--ip6", "10.0.0.1", "x"}, "is not an IPv6 address"},
      {{"--ip", "10.210.0.5", "--ip", "10.210.0.6", "x"}, "there is one for this network"},
      {{"--mac", "02:00", "x"}, "is not a MAC address"},
      {{"--mac", "01:00:5e:00:00:01", "x"}, "a group"},
      {{"--network", "a", "--network", "b", "--network", "a", "x"}, "a is asked for twice"},
      // the root
      {{"--writable-root", "x"}, "--writable-root needs --rootfs DIR"},
      {{"--rootfs", "/r", "--writable-root", "--read-only", "x"}, "contradict"},
      {{"--rootfs", "", "x"}, "--rootfs '': it needs a directory"},
      {{"-v", "/a", "x"}, "it needs SOURCE:TARGET"},
      {{"-v", "/a:b", "x"}, "must begin with /"},
      {{"-v", "/a:", "x"}, "must begin with /"},
      {{"-v", ":/a", "x"}, "the source, a path on the host, is empty"},
      {{"-v", "data:/a", "x"}, "write ./data"},
      {{"-v", "/a:/", "x"}, "the target cannot be /"},
      {{"-v", "/a:/b:z", "x"}, "'z' is neither ro (read-only) nor rw"},
      {{"-v", "/a:/b:ro:x", "x"}, "too many fields"},
      {{"-v", "/a:/b", "-v", "/c:/b/", "x"}, "/b is given twice"},
      {{"-v", "/a:/b", "--tmpfs", "/b", "x"}, "/b is given twice"},
      {{"--tmpfs", "cache", "x"}, "must begin with /"},
      {{"--tmpfs", "/cache:size=1m", "x"}, "it takes a path only"},
      {{"--scratch-size", "", "x"}, "a size is a number with k, m or g"},
      {{"--scratch-size", "m", "x"}, "a size is"},
      {{"--scratch-size", "1023k", "x"}, "at least 1m"},
      {{"--scratch-size", "-1m", "x"}, "a size is"},
      {{"--scratch-size", "10%", "x"}, "a size is"},
      {{"--scratch-size", "9000000000000g", "x"}, "a size is"},
      // the environment
      {{"-e", "=x", "x"}, "no name"},
      {{"-e", "", "x"}, "no name"},
      {{"-e", "a b=c", "x"}, "has a blank"},
      {{"--env-file", "/nonexistent/file", "x"}, "there is no such file"},
      {{"--env-file", "/", "x"}, "--env-file /: read /: not a regular file"},
      {{"-w", "srv", "x"}, "must be a path in the container that begins with /"},
      {{"-w", "", "x"}, "--workdir ''"},
      {{"-u", "", "x"}, "it needs USER[:GROUP]"},
      // the rest
      {{"--cap-add", "", "x"}, "it needs a capability"},
      {{"--cap-drop", "", "x"}, "it needs a capability"},
      {{"--seccomp", "", "x"}, "it needs a profile's file"},
      {{"--stop-timeout", "-1", "x"}, "0-86400"},
      {{"--stop-timeout", "86401", "x"}, "0-86400"},
      {{"--stop-timeout", "1s", "x"}, "0-86400"},
  };
  for (const auto& each : cases) {
    CAPTURE(base::printable(base::join(each.words, " ")));
    const auto error = refusal(each.words);
    CHECK(error);
    if (!error) continue;
    CHECK_MESSAGE(error->find(each.says) != std::string::npos, *error);
    CHECK_MESSAGE(is_one_clean_line(*error), base::printable(*error));
  }
}

TEST_CASE("no argument vector at all") {
  const char* none = nullptr;
  CHECK_THROWS_AS((void)runtime::parse_options(0, &none), base::Error);
}
