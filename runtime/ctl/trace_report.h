// SPDX-License-Identifier: MIT
// What `minictl trace` prints: packets as they come, or JSON at the end.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "netsetup/tell.h"
#include "runtime/ctl/containers.h"

namespace runtime::ctl {

class TraceReport {
 public:
  /// WHAT: as the user said it. ALL: every packet, not only the first each way, and what is
  /// dropped.
  TraceReport(const Container& container, std::string what, bool all, bool as_json);

  /// Notes the interfaces. Needs: the container's network namespace.
  void look_inside();

  /// The next packet of the connection. What the kernel knows of its rules and routes is asked for.
  void add(netsetup::trace::Way& way, netsetup::nft::Tracer& tracer,
           const std::optional<netsetup::conntrack::Connection>& connection);
  /// How it ended. LOST: not all was heard.
  void end(const netsetup::trace::Follower& follower, bool lost);

  [[nodiscard]] bool dropped() const { return dropped_; }
  [[nodiscard]] bool is_tcp() const { return tcp_; }

 private:
  void look_around();
  void explain(netsetup::trace::Way& way, netsetup::nft::Tracer& tracer);
  void show(const netsetup::trace::Way& way);

  netsetup::trace::Scene scene_;
  std::map<std::string, std::string> cables_;  // of the container: its ends on the host, and inside
  std::string what_;
  bool all_;
  bool as_json_;
  nlohmann::json json_ = nlohmann::json::array();
  std::int64_t first_ = 0, last_ = 0;  // when its packets were seen
  unsigned untold_ = 0;
  bool told_[2] = {false, false};  // one on the way there, one on the way back
  bool dropped_ = false;
  bool refused_ = false;  // the first answer was a reset
  bool tcp_ = false;
};

}  // namespace runtime::ctl
