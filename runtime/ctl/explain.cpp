// SPDX-License-Identifier: MIT
// How a container is wired, and the rules as the kernel has them.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/explain.h"
#include "netsetup/live_rules.h"
#include "netsetup/wiring.h"
#include "runtime/configs.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/table.h"

namespace runtime::ctl {

using base::cat;
using netsetup::RulePart;

namespace {

netsetup::Wired wired(const Container& container) {
  const auto& known = container.description;
  netsetup::Wired all{container.name, known.init, {}, known.ports, container.directory.get()};
  for (const auto& network : known.networks) {
    netsetup::Endpoint endpoint{network.veth, network.link, network.mac, {}, all.places.empty()};
    for (const auto& address : network.addresses) endpoint.addresses.push_back(address.address);
    all.places.push_back({network.network, std::move(endpoint)});
  }
  return all;
}

std::string heading(const std::string& text) { return cat("\n# ---- ", text, "\n"); }

/// What is in the kernel of one table.
struct Live {
  std::map<std::string, std::vector<netsetup::LiveRule>> chains;

  explicit Live(const std::string& family) {
    for (auto& rule : netsetup::live_rules(family)) chains[rule.chain].push_back(std::move(rule));
  }
};

std::string elements_text(const RulePart& set) {
  constexpr std::size_t Most = 20;
  auto elements = netsetup::live_elements(set.family, set.name, set.text);
  std::string out;
  for (std::size_t i = 0; i < std::min(Most, elements.size()); ++i)
    out += cat("      ", elements[i], "\n");
  if (elements.empty()) out = "      (empty)\n";
  if (elements.size() > Most) out += cat("      and ", elements.size() - Most, " more\n");
  return out;
}

/// NUMBER: of the rule in its chain, from 0 on; COUNT: rules of the chain in the text.
std::string rule_text(const RulePart& rule, const Live& live, std::size_t number,
                      std::size_t count) {
  std::string out = cat("      ", rule.text, "\n");
  std::string says = rule.comment;
  const auto chain = live.chains.find(rule.name);
  if (chain != live.chains.end() && chain->second.size() == count) {
    const auto& counter = chain->second[number].counter;
    if (counter)
      says +=
          cat(says.empty() ? "" : ": ", counter->packets, " packets, ", counter->bytes, " bytes");
  }
  if (!says.empty()) out += cat("          ^ ", says, "\n");
  return out;
}

std::string above(const RulePart& part, std::string_view indent) {
  std::string out;
  for (const auto& line : part.above) out += cat(indent, line.empty() ? "#" : "# ", line, "\n");
  return out;
}

std::string walk() {
  const auto parts = netsetup::parts_of(configs::Ruleset);
  std::map<std::string, Live> tables;
  std::string out;
  std::size_t number = 0;
  for (const auto& part : parts) {
    const auto& live = tables.try_emplace(part.family, part.family).first->second;
    const auto counts = [&](const RulePart& other) {
      return other.kind == RulePart::Kind::Rule && other.family == part.family &&
             other.name == part.name;
    };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(parts, counts));
    switch (part.kind) {
      case RulePart::Kind::Heading:
        out += cat(above(part, ""), heading(part.text));
        break;
      case RulePart::Kind::Table:
        out += cat("\n", above(part, ""), "table ", part.family, " ", part.name, "\n");
        if (live.chains.empty()) out += "    (not loaded: no container runs)\n";
        break;
      case RulePart::Kind::Set:
        out += cat("\n", above(part, "  "), "  ", part.name, "   ", part.text, "\n",
                   elements_text(part));
        break;
      case RulePart::Kind::Chain:
        number = 0;
        out += cat("\n", above(part, "  "), "  chain ", part.name, part.text.empty() ? "" : "   ",
                   part.text, "\n");
        if (const auto chain = live.chains.find(part.name);
            !live.chains.empty() &&
            (chain == live.chains.end() ? 0 : chain->second.size()) != count)
          out += "      (somebody has changed it: no counters)\n";
        break;
      case RulePart::Kind::Rule:
        out += cat(above(part, "      "), rule_text(part, live, number++, count));
        break;
    }
  }
  return out.substr(out.find_first_not_of('\n'));
}

}  // namespace

int explain(const std::string& name) {
  if (name == "nft") {
    print(walk());
    return 0;
  }
  const auto container = find_running(name);
  if (!container.described)
    throw base::Error(cat("the container ", container.name, " has lost its record"));
  const auto parts = netsetup::wiring(wired(container));
  std::string out = cat("# How ", container.name, " was wired; as root.\n");
  for (const auto& part : parts) {
    out += heading(part.title);
    for (const auto& step : part.made)
      out += cat("\n# ", reason(step), "\n", command(step, container.name), "\n");
  }
  out += "\n# What undoes it when it ends, from the journals: newest first.\n";
  std::for_each(parts.rbegin(), parts.rend(), [&](const netsetup::WiringPart& part) {
    out += heading(part.title);
    for (const auto& step : part.undo)
      out += cat("\n# ", title(step), "\n", command(step, container.name), "\n");
  });
  print(out);
  return 0;
}

}  // namespace runtime::ctl
