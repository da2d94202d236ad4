// SPDX-License-Identifier: MIT
// The network again, after somebody has removed parts of it by hand under running containers:
// `nft flush ruleset` (a firewall's reload), `ip link delete mini0`, `ip link set mr-... nomaster`.
//
// Theory of operation. What has to be there is on disk already, since it is what is going to be
// undone: the journals of the host's share and of the living containers, and each network's
// subnet, from which its plan follows. So all of it is done once more, under the same names, MACs
// and addresses; what is there is left as it is. Every step but the loading of the rules can be
// repeated freely; whether those are complete is told by their shape (nft.h), which the host's
// share has as its description. Conntrack is not touched: connections go on where they stopped.
//
// A supervisor mends what it has heard of (watch.h): what all share and, where that had to be made
// anew, what each container had in it; or the containers whose ports somebody pulled out. Whoever
// is asked to (minictl repair), or finds it on the way to a start, mends everything. The lock on
// the containers' directory makes them wait for each other, and who finds, when he has it, that a
// whole look has begun after he asked need not look again.
#pragma once

#include <string>
#include <vector>

#include "netsetup/kernel.h"
#include "netsetup/state.h"
#include "netsetup/watch.h"

namespace netsetup {

/// Puts back what is missing of the rules and their elements, of the networks' bridges (also: down,
/// or without its address), and of the containers' ports on them (pulled out, down, no hairpin).
/// Changes nothing where nothing is missing. Mends all that can be mended, then throws Error with
/// the first failure: something of somebody else's has taken the place (another bridge of that
/// name, another element under a published port's key), and stays. Where that is the table, nothing
/// at all is mended.
/// Needs: a caller who calls ContainerNetwork::leave() some time after, since a container that
/// leaves while this looks may take itself not to be the last. Not to be called with a lock of
/// record.h or journal.h held.
/// Returns what is lost for good, a line each: a container's cable that somebody deleted.
std::vector<std::string> repair(Kernel& kernel, const State& state);
/// The same of what all share and of the containers NAMES: beside a thousand it takes no longer. Of
/// all, where what they share had gone.
void repair_of(Kernel& kernel, const State& state, const std::vector<std::string>& names);
/// The same of what HEARD may tell of.
void repair_after(Kernel& kernel, const State& state, const Heard& heard);

/// The host's share was built this moment, in DIRECTORY: whoever wanted a look before has had it.
/// Throws Error.
void note_built(int directory);

}  // namespace netsetup
