// SPDX-License-Identifier: MIT
// Firewalls of others: what of ours they would drop, and what of theirs we pass by.
//
// Theory of operation. Nothing that others made is ever changed. Where a tool that drops what is
// forwarded has a chain for exceptions (nft_chains.cpp tells which), our two rules go there: a step
// of the network, from its first container to its last. They are made with the bridge, before the
// first program starts; every start looks again, after its program has started; and whoever mends
// (repair.h) puts them back when that tool has made its rules anew. Elsewhere a line names the
// chain, and the command that mends it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netsetup/kernel.h"
#include "netsetup/transaction.h"

namespace netsetup {

/// The exceptions that NETWORK should have and has not. Changes nothing. Throws Error.
std::vector<Step> exception_plan(Kernel& kernel, const Network& network);

/// Makes them; JOURNAL, the network's, has what undoes them. Throws Error.
/// Needs: the network's scope is joined.
void make_exceptions(Kernel& kernel, Journal& journal, const Observer& observer,
                     const Network& network);

/// What is wrong, and the command that mends it.
struct Trouble {
  std::string what;
  std::string command;
};
/// Chains that drop what is forwarded for NETWORK, and have no place for us. Throws Error.
std::vector<Trouble> foreign_drops(Kernel& kernel, const Network& network);

/// "ufw" or "firewalld", where it filters what comes in to the host: published ports are none of
/// its business, since they are translated before. Throws Error.
std::optional<std::string> passed_by(Kernel& kernel);

}  // namespace netsetup
