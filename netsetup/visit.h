// SPDX-License-Identifier: MIT
// Into another network namespace, and back (setns(2)): what is opened there stays there.
#pragma once

#include <functional>

namespace netsetup {

/// Runs FUNCTION in the network namespace THERE: its file, or the pidfd of a process in it. Then
/// the caller is where it was, whatever FUNCTION throws. Needs: no other thread. Throws Error, and
/// what FUNCTION throws.
void visit_network(int there, const std::function<void()>& function);

/// The same for who has the namespace that it is in open, as HERE. AWAY becomes true, and false
/// again: it stays true where there was no way back.
void visit_network(int there, int here, bool& away, const std::function<void()>& function);

}  // namespace netsetup
