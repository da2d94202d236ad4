// SPDX-License-Identifier: MIT
// Published ports, shown and changed. A change is made by the container's own mini-run, which holds
// the reservation of the host's port for as long as it lives.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/json.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/table.h"

namespace runtime::ctl {

int list_ports(const Names& names, bool as_json) {
  nlohmann::json all = nlohmann::json::object();
  std::string text;
  const int status = for_each(names, [&](const Container& container) {
    need_running(container);
    all[container.name] = container.description.ports;
    for (const auto& port : container.description.ports)
      text += base::cat(names.size() > 1 ? container.name + " " : "", port.text(), "\n");
  });
  if (as_json)
    print_json(all);
  else
    print(text);
  return status;
}

int change_ports(const std::string& name, const std::string& change,
                 const std::vector<std::string>& ports) {
  const auto container = find_running(name);
  Words request = {change};
  request.insert(request.end(), ports.begin(), ports.end());
  const auto answer = ask(container, request);
  if (!answer) throw base::Error(base::cat("the container ", container.name, " has ended"));
  print(*answer);
  return 0;
}

}  // namespace runtime::ctl
