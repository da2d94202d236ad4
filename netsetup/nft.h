// SPDX-License-Identifier: MIT
// nf_tables: elements of our sets and maps by raw netlink, rules as text by libnftables.
//
// Theory of operation. The rules never change (configs/ruleset.nft): they are installed once, as
// the text one reads, by libnftables in this process. All that varies are elements: a published
// port is one element of a map, added and deleted here with a netlink batch of a few hundred
// bytes, some 10 microseconds whatever else is on the host. Source: linux/netfilter/nf_tables.h;
// `nft --debug=mnl` prints the same bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/netlink.h"
#include "netsetup/set_listing.h"
#include "netsetup/step.h"

namespace netsetup::nft {

inline constexpr std::string_view NamesTable = "mini_run_names";  // family ip, in a container
inline constexpr std::string_view NamesComment = "mini-run answers to 127.0.0.11 port 53";
inline constexpr std::string_view FlowsTable = "mini_run_flows";  // see nft_flows.cpp
inline constexpr std::string_view TableName = "mini_run";
inline constexpr std::string_view TableComment = "mini-run";  // marks a table as ours
/// Those that have a table of ours. Some kernels lack the second.
inline constexpr std::array<std::string_view, 2> Families = {"inet", "bridge"};

using Bytes = netlink::Bytes;

/// One field of a key or of a datum.
struct Field {
  static constexpr std::size_t Longest = 16;  // an IPv6 address, an interface's name
  std::array<std::uint8_t, Longest> room{};
  std::uint8_t size = 0;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {room.data(), size}; }
};
Field field(const Ip& address);
Field field(const Mac& mac);
Field field(Family family);  // nf_proto
Field field(Protocol protocol);
Field field(std::uint16_t port);
Field interface_field(std::string_view name);  // 16 bytes, zero padded
std::string interface_name(const Bytes& field);

/// FIELDS as the kernel holds them: one as it is, several each padded to four bytes.
Bytes concatenate(const std::vector<Field>& fields);

/// An element of one of our sets or maps.
struct Element {
  std::string set;
  std::vector<Field> key;      // one field, or several of a concatenation
  std::vector<Field> key_end;  // inclusive end, in sets with `flags interval`
  std::vector<Field> data;     // the datum, in maps
  std::string comment;         // at most 128 bytes; shown by `nft list`
  std::string_view family = "inet";
};

/// One nfnetlink socket. Closing it after something was deleted waits for the kernel's clean-up
/// (8-16 ms, an RCU grace period): leave that to a process that nobody waits for.
class Socket {
 public:
  /// In the caller's network namespace. Throws Error, also where the kernel has no nfnetlink.
  Socket();

  /// All of ELEMENTS in one transaction; one that is there already stays. EEXIST (EBUSY by older
  /// kernels): one is there with another datum; then nothing was added. ENOENT: the table or set is
  /// not there.
  void add(const std::vector<Element>& elements);
  /// All of ELEMENTS in one transaction; one that has gone already is left out (ENOENT is no
  /// error). The kernel looks at the key only: that an element is ours is the caller's knowledge.
  void remove(const std::vector<Element>& elements);

  /// The element of ELEMENT's set with its key, nothing where there is none.
  std::optional<ListedElement> find(const Element& element);
  /// The elements of SET, without the ends of intervals of single fields; none where there is no
  /// table.
  std::vector<ListedElement> list(const std::string& set);

  struct Table {
    std::string comment;
    std::uint32_t owner = 0;  // the port of the netlink socket that owns it, 0: nobody
  };
  std::optional<Table> find_table(std::string_view name = TableName,
                                  std::string_view family = "inet");
  [[nodiscard]] bool has_chain(std::string_view family, std::string_view table,
                               std::string_view chain);
  /// No error where there is none.
  void delete_table(std::string_view name = TableName, std::string_view family = "inet");

  /// Sees to it that known connections outlive the rules (nft_flows.cpp) for as long as this socket
  /// lives, unless somebody does already. Returns the port of the socket that does, which is mostly
  /// its process's pid (netlink(7)); 0 where the kernel cannot.
  std::uint32_t hold_flows();
  /// Ends that where this socket does it: the same as to close it, but a listing of the rules that
  /// is made this moment sees a change and begins again. nft(8) 1.0.6 may crash otherwise. Throws
  /// Error.
  void release_flows();

  /// In a container's namespace, the translation that NameServer (step.h) is. Needs: a socket
  /// opened in there. Throws Error.
  void add_name_server();

  /// What there is of our tables besides elements, to be compared with what it was: how many sets
  /// and chains, and for each chain how often it is used (by its rules, by jumps to it). One line,
  /// empty where there is no table of inet.
  std::string shape();

  /// A base chain of hook `forward` of a family that IP traverses (ip, ip6, inet), of a table other
  /// than ours, whose policy is drop or which has a rule that drops whatever comes to it.
  struct DroppingChain {
    std::string family, table, chain;
    bool owned = false;  // only the netlink socket that owns the table may change it
    /// Where in its table the program that made it wants exceptions: for INTERFACE.
    std::optional<FirewallException> place = {};
    bool excepted = false;         // our rules are there
    bool accepted = false;         // others' rules accept all from, and all to, INTERFACE
    bool names_interface = false;  // some rule of its table compares a name with INTERFACE
  };
  std::vector<DroppingChain> dropping_forward_chains(const std::string& interface);
  /// The rules of EXCEPTION that are not there yet, in one transaction. ENOENT: its chain, or the
  /// rule that they go before, is gone.
  void add(const FirewallException& exception);
  /// Ours in its chain; no error where they, or it, are gone.
  void remove(const FirewallException& exception);

  [[nodiscard]] int fd() const { return socket_.fd(); }

 private:
  netlink::Socket socket_;
};

/// Runs nft(8) commands or a rule file, all as one transaction, through libnftables.so.1, which is
/// loaded only here (linking it would cost every start 0.65 ms). Throws Error with nft's own text.
/// Needs: the lowest free descriptor below 1024 (libnftables calls select(2)).
void run_text(const std::string& text);

/// What nft(8) prints for COMMAND, a listing, with handles and without counters. As run_text().
std::string list_text(const std::string& command);

/// The same with RULESET, the text of configs/ruleset.nft. False: this kernel has no rules for
/// bridge ports (CONFIG_NF_TABLES_BRIDGE), and what is loaded lacks the table of family bridge.
bool load_rules(const std::string& ruleset);

}  // namespace netsetup::nft
