// SPDX-License-Identifier: MIT
// The network as a picture.
#include <functional>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "graph/languages.h"
#include "graph/svg.h"
#include "graph/text.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/table.h"

namespace runtime::ctl {

int graph(const std::string& format) {
  constexpr std::size_t PlainWidth = 80;
  const std::map<std::string, std::function<std::string(const netsetup::Topology&)>> formats = {
      {"text",
       [](const auto& topology) {
         const auto width = terminal_width();
         return ::graph::text(topology, width == 0 ? PlainWidth : width);
       }},
      {"svg", ::graph::svg},
      {"mermaid", ::graph::mermaid},
      {"dot", ::graph::dot},
      {"json", ::graph::json}};
  const auto chosen = formats.find(format);
  if (chosen == formats.end())
    throw base::Error(
        base::cat("--format ", base::printable(format), ": it is text, svg, mermaid, dot or json"));
  print(chosen->second(netsetup::look_around()));
  return 0;
}

}  // namespace runtime::ctl
