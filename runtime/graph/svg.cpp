// SPDX-License-Identifier: MIT
// The machine is a panel from top to bottom: its uplinks, what its rules do on the way in and out,
// each bridge as a bar with the containers hung below it, one card each. Text is measured in
// characters of a fixed width, so that boxes hold it whatever the reader's font is.
#include "graph/svg.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"
#include "graph/canvas.h"
#include "graph/scene.h"

namespace graph {

using base::cat;

namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view Dot = " \u00b7 ";  // between words

constexpr int Line = 18;        // from one line of text to the next
constexpr int Margin = 24;      // around all, and within the panel
constexpr int Gap = 20;         // between cards
constexpr int PillHeight = 24;  // of a device
constexpr int Hang = 26;        // of a cable between two of them
constexpr int Padding = 14;     // within a card
constexpr int BarHeight = 34;
constexpr int UplinkCentre = 60;  // of its cable, from the left of its column

int width_of(std::size_t characters) { return static_cast<int>((characters * 15 + 1) / 2); }
int width_of(const std::string& text) { return width_of(text.size()); }
int width_of(const Lines& lines) {
  int width = 0;
  for (const auto& line : lines) width = std::max(width, width_of(line));
  return width;
}
int height_of(const Lines& lines) { return static_cast<int>(lines.size()) * Line; }

/// What a device has to say for itself below its pill or in its card.
struct Facts {
  Lines addresses, gateways, doors;
  [[nodiscard]] Lines all() const {
    Lines lines = addresses;
    lines.insert(lines.end(), gateways.begin(), gateways.end());
    lines.insert(lines.end(), doors.begin(), doors.end());
    return lines;
  }
};

class Picture : private Canvas {
 public:
  explicit Picture(const Topology& topology) : topology_(topology), scene_(arrange(topology)) {}

  std::string draw() {
    for (const auto& machine : scene_.machines) draw(machine);
    for (const auto& cable : scene_.cables) draw(cable);
    if (!scene_.alone.empty()) {
      Lines names;
      for (const auto space : scene_.alone) names.push_back(topology_.spaces[space].name);
      text(Margin, y_ + Line, "soft", cat("joined to nothing: ", base::join(names, ", ")));
      y_ += 2 * Line;
    }
    return image(right_ + Margin, y_ + Margin - Gap);
  }

 private:
  // ----------------------------------------------------------------------------------- devices

  [[nodiscard]] const Topology::Device& device(const End& end) const {
    return topology_.device(end);
  }
  [[nodiscard]] Facts facts(const End& end) const {
    Facts found{device(end).addresses, {}, doors_to(scene_, end)};
    for (const auto& gateway : device(end).gateways)
      found.gateways.push_back(cat("default via ", gateway));
    return found;
  }
  [[nodiscard]] int pill_width(const End& end) const { return width_of(label(device(end))) + 20; }

  void pill(const End& end, int centre, int y) {
    const auto& its = device(end);
    const int width = pill_width(end);
    rect(its.up ? "pill" : "pill-down", centre - width / 2, y, width, PillHeight, PillHeight / 2);
    text(centre, y + 16, its.up ? "" : "down", label(its), true);
  }

  /// LINES below each other, the first's base at Y + 13.
  void lines(int x, int y, std::string_view kind, const Lines& all) {
    for (std::size_t i = 0; i < all.size(); ++i)
      text(x, y + 13 + static_cast<int>(i) * Line, kind, all[i]);
  }
  int facts(int x, int y, const Facts& found) {
    lines(x, y, "", found.addresses);
    y += height_of(found.addresses);
    lines(x, y, "soft", found.gateways);
    y += height_of(found.gateways);
    lines(x, y, "in head", found.doors);
    return y + height_of(found.doors);
  }

  // ------------------------------------------------------------------------------------- cards

  /// Who is at the far end of a cable, as a card.
  [[nodiscard]] std::string title(const Cable& cable) const {
    if (cable.far) return topology_.spaces[cable.far->space].name;
    return device(cable.near).peer_is_elsewhere ? "a namespace unknown here" : "";
  }
  [[nodiscard]] int card_width(const Cable& cable) const {
    int width = std::max(pill_width(cable.near), width_of(title(cable)) * 7 / 6);
    if (cable.far)
      width = std::max({width, pill_width(*cable.far), width_of(facts(*cable.far).all())});
    return std::max(120, width + 2 * Padding);
  }
  [[nodiscard]] int card_height(const Cable& cable) const {
    return 2 * Padding + PillHeight / 2 + Line +
           (cable.far ? height_of(facts(*cable.far).all()) : 0);
  }
  /// The cable comes in at CENTRE, from ABOVE or below.
  void card(const Cable& cable, int x, int y, int width, int height, int centre, bool above) {
    if (title(cable).empty()) return;
    rect("card", x, y, width, height, 10);
    const int top = y + Padding + (above ? PillHeight / 2 - 4 : 0);
    text(x + Padding, top + 13, cable.far ? "name" : "soft", title(cable));
    if (!cable.far) return;
    facts(x + Padding, top + Line + 4, facts(*cable.far));
    pill(*cable.far, centre, above ? y - PillHeight / 2 : y + height - PillHeight / 2);
  }

  // ----------------------------------------------------------------------------------- machine

  void draw(const Machine& machine) {
    const int top = draw_beyond(machine.uplinks);
    const std::size_t panel = out_.size();
    const int widest = right_;
    right_ = 0;
    y_ = top + Margin;
    text(2 * Margin, y_ + 8, "name", topology_.spaces[machine.space].name);
    y_ += Line;
    draw_uplinks(machine.uplinks, top);
    const int from = y_;
    draw_rules(machine, from);
    // Where there is more than one bridge, a way to each along the left edge.
    const bool trunk = machine.bridges.size() > 1 && !machine.uplinks.empty();
    int last = from;
    for (const auto& bridge : machine.bridges) {
      if (trunk) line("route", Margin + 10, y_ + BarHeight / 2, 2 * Margin, y_ + BarHeight / 2);
      last = y_ + BarHeight / 2;
      draw(bridge);
    }
    if (trunk) {
      line("route", Margin + 10, from, Margin + 10, last);
      line("route", Margin + 10, from, 2 * Margin + UplinkCentre, from);
    }
    right_ = std::max(right_ + Margin, Margin + 440);
    // The panel and the bars are below all that, and as wide as that.
    std::string drawn = out_.substr(panel);
    out_.resize(panel);
    rect("panel", Margin, top, right_ - Margin, y_ - top, 16);
    for (const auto& [y, height, up] : bars_)
      rect(up ? "bar" : "bar-down", 2 * Margin, y, right_ - 3 * Margin, height, height / 3);
    bars_.clear();
    out_ += drawn;
    right_ = std::max(right_, widest);
    y_ += Gap;
  }

  [[nodiscard]] int uplink_width(const std::vector<Cable>& uplinks) const {
    int width = 160;
    for (const auto& uplink : uplinks)
      width = std::max(
          {width, card_width(uplink), UplinkCentre + Padding + width_of(facts(uplink.near).all())});
    return width;
  }
  [[nodiscard]] int uplink_left(const std::vector<Cable>& uplinks, std::size_t i) const {
    return 2 * Margin + static_cast<int>(i) * (uplink_width(uplinks) + Gap);
  }
  [[nodiscard]] int uplink_centre(const std::vector<Cable>& uplinks, std::size_t i) const {
    return uplink_left(uplinks, i) + UplinkCentre;
  }

  /// Those whom the uplinks lead to, above the panel, whose top this returns.
  int draw_beyond(const std::vector<Cable>& uplinks) {
    int height = 0;
    for (const auto& uplink : uplinks)
      if (uplink.far) height = std::max(height, card_height(uplink));
    const int top = y_ + height + (uplinks.empty() ? 0 : Hang + PillHeight / 2);
    const int width = uplink_width(uplinks);
    for (std::size_t i = 0; i < uplinks.size(); ++i) {
      const int centre = uplink_centre(uplinks, i);
      const int from = uplinks[i].far ? y_ + height : top - Hang;
      line("cable", centre, from, centre, top + Margin + Line);
      if (uplinks[i].far)
        card(uplinks[i], uplink_left(uplinks, i), y_, width, height, centre, false);
    }
    return top;
  }

  void draw_uplinks(const std::vector<Cable>& uplinks, int top) {
    if (uplinks.empty()) return;
    int height = 0;
    for (const auto& uplink : uplinks)
      height = std::max(height, height_of(facts(uplink.near).all()));
    const int joint = y_ + PillHeight + height + Padding;
    for (std::size_t i = 0; i < uplinks.size(); ++i) {
      const int centre = uplink_centre(uplinks, i);
      line("cable", centre, top, centre, y_);
      line("route", centre, y_ + PillHeight, centre, joint);
      pill(uplinks[i].near, centre, y_);
      const auto found = facts(uplinks[i].near);
      facts(centre + Padding, y_ + PillHeight + 4, found);
      right_ = std::max(right_, centre + Padding + width_of(found.all()));
    }
    y_ = joint;
  }

  /// What the rules do between the uplinks, which end at the joint FROM, and the bridges.
  void draw_rules(const Machine& machine, int from) {
    constexpr std::size_t Most = 8;
    Lines in;
    std::size_t count = 0;
    for (const auto& door : scene_.doors)
      if (door.space == machine.space && ++count <= Most)
        in.push_back(door.end ? cat(door.text, Dot, topology_.spaces[door.end->space].name)
                              : door.text);
    if (count > Most) in.push_back(cat("and ", count - Most, " more"));
    const Lines out = masqueraded(topology_, machine.space);
    const bool up = !machine.uplinks.empty();
    const bool down = !machine.bridges.empty();
    const int top = from + (up && (down || !in.empty() || !out.empty()) ? Hang : 0);
    const int height = std::max(height_of(in), height_of(out)) + Line + 2 * 10;
    int x = 2 * Margin + Gap;
    int end = up ? uplink_centre(machine.uplinks, machine.uplinks.size() - 1) : 0;
    y_ = top + (in.empty() && out.empty() ? 0 : height) + (down ? Hang : Margin);
    const auto box = [&](std::string_view way, const char* head, const Lines& all) {
      const int width = std::max(width_of(all), width_of(std::string(head))) + 2 * Padding;
      rect(cat("way-", way), x, top, width, height, 8);
      text(x + Padding, top + 10 + 12, cat(way, " head"), head);
      lines(x + Padding, top + 10 + Line + 2, "", all);
      const int centre = x + UplinkCentre - Gap;
      const bool inwards = way == "in";
      const auto kind = cat("arrow-", way);
      if (up) arrow(kind, centre, inwards ? from : top, inwards ? top : from);
      if (down) arrow(kind, centre, inwards ? top + height : y_, inwards ? y_ : top + height);
      end = std::max(end, centre);
      x += width + Gap;
    };
    if (!in.empty()) box("in", "the way in: DNAT", in);
    if (!out.empty()) box("out", "the way out: masquerade", out);
    if (!up) return;
    line("route", uplink_centre(machine.uplinks, 0), from, end, from);
    if (in.empty() && out.empty() && down)
      line("route", 2 * Margin + UplinkCentre, from, 2 * Margin + UplinkCentre, y_);
  }

  // ------------------------------------------------------------------------------------ bridge

  void draw(const Bridge& bridge) {
    constexpr std::size_t MostAcross = 5;
    constexpr int BranchHeight = 8;
    const auto& its = device(bridge.self);
    auto found = facts(bridge.self);
    found.addresses.insert(found.addresses.begin(), cat("bridge ", label(its)));
    const std::string name = base::join(found.all(), Dot);
    bars_.push_back({y_, BarHeight, its.up});
    text(2 * Margin + Padding, y_ + 22, "on", name);
    right_ = std::max(right_, 2 * Margin + width_of(name) + 2 * Padding);
    const std::size_t rows = (bridge.ports.size() + MostAcross - 1) / MostAcross;
    const std::size_t across = rows == 0 ? 0 : (bridge.ports.size() + rows - 1) / rows;
    int width = 0;
    int height = 0;
    for (const auto& port : bridge.ports) {
      width = std::max(width, card_width(port));
      height = std::max(height, card_height(port));
    }
    const int left = 2 * Margin + (rows > 1 ? 2 * BranchHeight : 0);
    const int trunk = y_ + BarHeight / 2;
    y_ += BarHeight;
    for (std::size_t i = 0; i < bridge.ports.size(); ++i) {
      if (i != 0 && i % across == 0) {  // the bar goes on below
        y_ += Hang + PillHeight + Hang + height + Gap;
        bars_.push_back({y_, BranchHeight, its.up});
        y_ += BranchHeight;
      }
      const auto& port = bridge.ports[i];
      const int x = left + static_cast<int>(i % across) * (width + Gap);
      const int below = y_ + Hang + PillHeight + Hang;
      line("cable", x + width / 2, y_, x + width / 2, title(port).empty() ? y_ + Hang : below);
      pill(port.near, x + width / 2, y_ + Hang - 8);
      card(port, x, below, width, height, x + width / 2, true);
    }
    if (rows > 1)
      rect(its.up ? "bar" : "bar-down", 2 * Margin, trunk, BranchHeight, y_ - trunk,
           BranchHeight / 2);
    y_ += (rows == 0 ? 0 : Hang + PillHeight + Hang + height) + Margin;
  }

  // ------------------------------------------------------------------------------------- cable

  /// Two cards with a cable between them.
  void draw(const Cable& cable) {
    constexpr int Between = 120;
    const Cable other{*cable.far, cable.near};
    const int width = std::max(card_width(cable), card_width(other)) + Gap;
    const int height = std::max(card_height(cable), card_height(other)) + Line;
    const int second = Margin + width + Between;
    line("cable", Margin + width, y_ + Padding + 12, second, y_ + Padding + 12);
    const auto side = [&](const End& end, int x, bool to_right) {
      rect("card", x, y_, width, height, 10);
      const int at = pill_width(end) / 2;
      text(to_right ? x + Padding
                    : x + width - Padding - width_of(topology_.spaces[end.space].name) * 7 / 6,
           y_ + height - Padding, "name", topology_.spaces[end.space].name);
      const auto found = facts(end);
      facts(to_right ? x + width - Padding - width_of(found.all()) : x + Padding,
            y_ + Padding + PillHeight + 4, found);
      pill(end, to_right ? x + width - at : x + at, y_ + Padding);
    };
    side(other.near, second, false);
    side(cable.near, Margin, true);
    y_ += height + Gap;
  }

  struct Bar {
    int y, height;
    bool up;
  };
  const Topology& topology_;
  Scene scene_;
  int y_ = Margin;
  std::vector<Bar> bars_;
};

}  // namespace

std::string svg(const netsetup::Topology& topology) { return Picture(topology).draw(); }

}  // namespace graph
