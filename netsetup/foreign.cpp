// SPDX-License-Identifier: MIT
#include "netsetup/foreign.h"

#include <algorithm>

#include "base/text.h"
#include "netsetup/legacy_tables.h"
#include "netsetup/plan.h"

namespace netsetup {

using base::cat;

namespace {

bool same_place(const Step& step, const FirewallException& place) {
  const auto* other = std::get_if<FirewallException>(&step.object);
  return other != nullptr && other->family == place.family && other->table == place.table &&
         other->chain == place.chain && other->interface == place.interface;
}

/// Those whose family is one of NETWORK's.
std::vector<nft::Socket::DroppingChain> drops(Kernel& kernel, const Network& network) {
  auto chains = kernel.nft().dropping_forward_chains(network.bridge);
  if (!has_ipv6(network))
    std::erase_if(chains, [](const auto& chain) { return chain.family == "ip6"; });
  return chains;
}

bool wants_exception(const nft::Socket::DroppingChain& chain) {
  return chain.place && !chain.accepted;
}

std::string remedy(const nft::Socket::DroppingChain& chain, const std::string& bridge) {
  if (chain.table == "firewalld")
    return cat("firewall-cmd --zone=trusted --add-interface=", bridge);
  const std::string insert =
      cat("nft insert rule ", chain.family, " ", chain.table, " ", chain.chain);
  return cat(insert, " iifname ", bridge, " accept; ", insert, " oifname ", bridge, " accept");
}

}  // namespace

std::vector<Step> exception_plan(Kernel& kernel, const Network& network) {
  std::vector<Step> plan;
  for (const auto& chain : drops(kernel, network))
    if (wants_exception(chain) && !chain.excepted)
      plan.push_back({Verb::Create, Where::Host, *chain.place});
  return plan;
}

void make_exceptions(Kernel& kernel, Journal& journal, const Observer& observer,
                     const Network& network) {
  if (std::ranges::none_of(drops(kernel, network), wants_exception)) return;
  const Turn turn(journal);  // two that start at once both look; only one may write
  const auto known = journal.read();
  for (const auto& chain : drops(kernel, network)) {
    if (!wants_exception(chain)) continue;
    const Step step = {Verb::Create, Where::Host, *chain.place};
    if (std::ranges::none_of(known, [&](const Step& s) { return same_place(s, *chain.place); })) {
      Transaction transaction(kernel, journal, observer);
      transaction.apply(step);
      transaction.commit();
    } else if (!chain.excepted) {
      kernel.execute(step);
    }
  }
}

std::vector<Trouble> foreign_drops(Kernel& kernel, const Network& network) {
  const std::string& bridge = network.bridge;
  std::vector<Trouble> troubles;
  for (const auto& chain : drops(kernel, network)) {
    if (chain.place || chain.accepted || chain.names_interface) continue;
    troubles.push_back({cat("the chain ", chain.family, " ", chain.table, " ", chain.chain,
                            " drops what is forwarded, also to and from containers"),
                        remedy(chain, bridge)});
  }
  if (const auto chain = legacy_chain_that_drops(bridge))
    troubles.push_back(
        {cat("the chain FORWARD of iptables-legacy drops what is forwarded, also to "
             "and from containers"),
         cat("iptables-legacy -I ", *chain, " -i ", bridge, " -j ACCEPT; iptables-legacy -I ",
             *chain, " -o ", bridge, " -j ACCEPT")});
  return troubles;
}

std::optional<std::string> passed_by(Kernel& kernel) {
  if (kernel.nft().find_table("firewalld")) return "firewalld";
  if (kernel.nft().has_chain("ip", "filter", "ufw-user-input")) return "ufw";
  return std::nullopt;
}

}  // namespace netsetup
