// SPDX-License-Identifier: MIT
#include "netsetup/attachment.h"

#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/foreign.h"
#include "netsetup/plan.h"
#include "netsetup/rtnl.h"
#include "netsetup/state.h"
#include "netsetup/transaction.h"

namespace netsetup {

using base::cat;

Attachment::Attachment(int state, AttachmentRequest request, std::uint32_t run, std::size_t number)
    : state_(state),
      request_(std::move(request)),
      number_(number),
      scope_name_(cat(NetworkScopePrefix, request_.network.bridge)),
      scope_(state, scope_name_) {
  endpoint_.veth = veth_name(run, number);
  endpoint_.link = cat("eth", number);
  endpoint_.way_out = number == 0;
}

void Attachment::join(Kernel& kernel, const Observer& observer, const Scope::Repair& mend) {
  const auto up = scope_.join(
      kernel,
      [&](Journal& journal) {
        const Network network = choose_network(kernel, request_.network);
        apply_all(kernel, journal, observer, network_plan(network));
        try {
          netsetup::make_exceptions(kernel, journal, observer, network);
        } catch (const base::Error&) {
          // Others' firewalls are no reason not to start: the next look tries again, and throws.
        }
        return description_of(network);
      },
      [&](const std::string& description) {
        const auto mac = rtnl::find_mac(kernel.host_route(), name());
        return mac && *mac == bridge_mac(network_of(state_, scope_name_, description));
      },
      mend);
  if (!described_network(up)) mend();
  network_ = network_of(state_, scope_name_, up);
  lease_ = Lease::take(scope_.directory(), network_, request_.addresses);
  place(lease_->addresses());
}

void Attachment::make_exceptions(Kernel& kernel, const Observer& observer) const {
  Journal journal(scope_.directory());
  netsetup::make_exceptions(kernel, journal, observer, network_);
}

void Attachment::place(std::vector<Ip> addresses) {
  endpoint_.addresses = std::move(addresses);
  endpoint_.mac = request_.mac.value_or(mac_of(endpoint_.addresses.front()));
}

std::vector<Step> Attachment::plan(const std::string& name) const {
  return attachment_plan(name, network_, endpoint_);
}

void Attachment::preview(Kernel& kernel, const std::string& name, std::vector<Step>& network,
                         std::vector<Step>& inside) {
  std::optional<std::string> up;
  if (state_ >= 0) up = scope_.peek();
  if (up) {
    network_ = network_of(state_, scope_name_, *up);
  } else {
    network_ = choose_network(kernel, request_.network);
    const auto steps = network_plan(network_);
    network.insert(network.end(), steps.begin(), steps.end());
  }
  const auto exceptions = exception_plan(kernel, network_);
  network.insert(network.end(), exceptions.begin(), exceptions.end());
  const auto directory = state_ < 0 ? base::UniqueFd() : open_directory(state_, scope_name_);
  place(Lease::preview(directory.get(), network_, request_.addresses));
  const auto steps = plan(name);
  inside.insert(inside.end(), steps.begin(), steps.end());
}

}  // namespace netsetup
