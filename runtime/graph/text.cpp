// SPDX-License-Identifier: MIT
// The drawing is made of blocks, rows of text that are put above each other: a line of cells (a
// device each, or a box of a namespace), with a stem below each cell, the bar of a bridge, the
// border of the machine. All cells of a line have one width, so that stems meet what is below them.
#include "graph/text.h"

#include <algorithm>

#include "base/text.h"
#include "graph/scene.h"

namespace graph {

using base::cat;

namespace {

using Lines = std::vector<std::string>;

constexpr std::size_t Margin = 1;  // left of the first cell
constexpr std::size_t Gap = 1;     // between cells
constexpr std::size_t Stem = 5;    // where a cell's stem is, from its left

std::string plug(const Topology::Device& device) { return cat("[ ", label(device), " ]"); }

std::size_t widest(const Lines& lines) {
  std::size_t width = 0;
  for (const auto& line : lines) width = std::max(width, line.size());
  return width;
}

/// WORDS in as few lines of WIDTH as hold them.
Lines packed(const Lines& words, std::size_t width) {
  Lines lines;
  for (const auto& word : words) {
    if (lines.empty() || lines.back().size() + 2 + word.size() > width)
      lines.push_back(word);
    else
      lines.back() += cat("  ", word);
  }
  return lines;
}

class Drawing {
 public:
  Drawing(const Topology& topology, std::size_t width)
      : topology_(topology), scene_(arrange(topology)), width_(std::max<std::size_t>(width, 60)) {}

  std::string draw() {
    for (const auto& machine : scene_.machines) draw(machine);
    for (const auto& cable : scene_.cables) draw(cable);
    Lines alone;
    for (const auto space : scene_.alone) alone.push_back(name(space));
    if (!alone.empty()) {
      separate();
      row(cat(" joined to nothing: ", base::join(alone, ", ")));
    }
    return out_;
  }

 private:
  // ------------------------------------------------------------------------------------- rows

  void row(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    out_ += text + "\n";
  }

  void separate() {
    if (!out_.empty()) out_ += "\n";
  }

  [[nodiscard]] const Topology::Device& device(const End& end) const {
    return topology_.device(end);
  }
  [[nodiscard]] const std::string& name(std::size_t space) const {
    return topology_.spaces[space].name;
  }

  /// CHARACTER over each of COUNT stems of cells of WIDTH, on FILL up to the right edge.
  [[nodiscard]] std::string stems(std::size_t count, std::size_t width, char character,
                                  char fill = ' ') const {
    std::string line(fill == ' ' ? 0 : width_ - 2, fill);
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = Margin + i * (width + Gap) + Stem;
      line.resize(std::max(line.size(), at + 1), ' ');
      line[at] = character;
    }
    return line;
  }

  /// CELLS side by side, each at most WIDTH wide.
  void cells(const std::vector<Lines>& all, std::size_t width) {
    std::size_t height = 0;
    for (const auto& cell : all) height = std::max(height, cell.size());
    for (std::size_t i = 0; i < height; ++i) {
      std::string line;
      for (std::size_t j = 0; j < all.size(); ++j) {
        line.resize(Margin + j * (width + Gap), ' ');
        if (i < all[j].size()) line += all[j][i];
      }
      row(line);
    }
  }

  // ------------------------------------------------------------------------------------ cells

  /// A device, with what hangs on it.
  [[nodiscard]] Lines facts(const End& end) const {
    const auto& its = device(end);
    Lines lines = its.addresses;
    for (const auto& gateway : its.gateways) lines.push_back(cat("via ", gateway));
    for (const auto& door : doors_to(scene_, end)) lines.push_back(door);
    return lines;
  }

  [[nodiscard]] Lines cell(const End& end) const {
    Lines lines = {cat("  ", plug(device(end)))};
    for (const auto& fact : facts(end)) lines.push_back(cat("  ", fact));
    return lines;
  }

  [[nodiscard]] Lines inside_of(const Cable& cable) const {
    Lines lines;
    if (cable.far) {
      lines.push_back(plug(device(*cable.far)));
      for (auto& fact : facts(*cable.far)) lines.push_back(std::move(fact));
    } else if (device(cable.near).peer_is_elsewhere) {
      lines = {"a namespace that", "nobody here has"};
    }
    return lines;
  }

  /// What is at the far end of CABLE, in a box of WIDTH; the stem comes in from ABOVE or below.
  [[nodiscard]] Lines box(const Cable& cable, std::size_t width, std::size_t height,
                          bool above) const {
    auto content = inside_of(cable);
    if (content.empty()) return {};
    content.resize(height);
    const auto border = [&](const std::string& title, bool stem) {
      std::string line = cat("+", std::string(width - 2, '-'), "+");
      if (stem) line[Stem] = '|';
      const auto room = width - 10;
      const auto cut = title.substr(0, room);
      if (!cut.empty()) line.replace(width - cut.size() - 3, cut.size() + 2, cat(" ", cut, " "));
      return line;
    };
    const std::string title = cable.far ? name(cable.far->space) : "";
    Lines lines = {border(above ? "" : title, above)};
    for (auto& line : content) {
      line.resize(width - 4, ' ');
      lines.push_back(cat("| ", line, " |"));
    }
    lines.push_back(border(above ? title : "", !above));
    return lines;
  }

  /// The width of cells for the devices of CABLES and what is at their far ends.
  [[nodiscard]] std::size_t cell_width(const std::vector<Cable>& cables, bool near_facts) const {
    std::size_t width = 20;
    for (const auto& cable : cables) {
      const auto near = near_facts ? widest(cell(cable.near)) : plug(device(cable.near)).size() + 2;
      width = std::max({width, near, widest(inside_of(cable)) + 4});
      if (cable.far) width = std::max(width, name(cable.far->space).size() + 10);
    }
    return width;
  }

  [[nodiscard]] bool fits(std::size_t count, std::size_t cell) const {
    return Margin + count * (cell + Gap) <= width_;
  }

  void boxes(const std::vector<Cable>& cables, std::size_t width, bool above) {
    std::size_t height = 0;
    for (const auto& cable : cables) height = std::max(height, inside_of(cable).size());
    std::vector<Lines> all;
    for (const auto& cable : cables) all.push_back(box(cable, width, height, above));
    cells(all, width);
  }

  // ---------------------------------------------------------------------------------- machine

  void draw(const Machine& machine) {
    separate();
    const auto& uplinks = machine.uplinks;
    const auto width = cell_width(uplinks, true);
    const bool side_by_side = !uplinks.empty() && fits(uplinks.size(), width);
    if (side_by_side) {
      boxes(uplinks, width, false);
      row(stems(uplinks.size(), width, '|'));
    }
    std::string border = stems(side_by_side ? uplinks.size() : 0, width, '|', '=');
    const std::string title = cat(" ", name(machine.space), " ");
    border.replace(border.size() - std::min(border.size() - 40, title.size() + 4), title.size(),
                   title);
    row(border.substr(0, width_ - 2));
    if (side_by_side) {
      row(stems(uplinks.size(), width, '|'));
      std::vector<Lines> near;
      for (const auto& uplink : uplinks) near.push_back(cell(uplink.near));
      cells(near, width);
      std::string joint = stems(uplinks.size(), width, '+', ' ');
      for (std::size_t i = Margin + Stem; i < joint.size(); ++i)
        if (joint[i] == ' ') joint[i] = '-';
      const bool leads_on = !machine.bridges.empty() || has_rules(machine.space);
      if (leads_on) row(stems(uplinks.size(), width, '|'));
      if (leads_on && uplinks.size() > 1) row(joint);
    } else {
      for (const auto& uplink : uplinks) {
        Lines facts_of = facts(uplink.near);
        facts_of.insert(facts_of.begin(), plug(device(uplink.near)));
        if (uplink.far)
          facts_of.push_back(cat("-- ", plug(device(*uplink.far)), " ", name(uplink.far->space)));
        row(cat("   ", base::join(facts_of, "  ")));
      }
    }
    draw_rules(machine);
    for (const auto& bridge : machine.bridges) {
      if (&bridge != &machine.bridges.front()) row("");
      draw(bridge);
    }
  }

  [[nodiscard]] bool has_rules(std::size_t space) const {
    return !masqueraded(topology_, space).empty() ||
           std::ranges::find(scene_.doors, space, &Door::space) != scene_.doors.end();
  }

  void draw_rules(const Machine& machine) {
    constexpr std::size_t Most = 8;
    std::vector<Lines> rows;
    std::size_t count = 0;
    for (const auto& door : scene_.doors) {
      if (door.space != machine.space || ++count > Most) continue;
      rows.push_back({"DNAT", door.text});
      if (door.end) rows.back().insert(rows.back().end(), {name(door.end->space), door.to});
    }
    if (count > Most) rows.push_back({"", cat("and ", count - Most, " more")});
    const auto subnets = masqueraded(topology_, machine.space);
    const bool stem = !machine.uplinks.empty() || !machine.bridges.empty();
    const std::string left = stem ? "      |   " : "          ";
    for (const auto& line : columns(rows)) row(left + line);
    std::string what = "masquerade  ";
    for (const auto& line : packed(subnets, width_ - left.size() - what.size())) {
      row(cat(left, what, line));
      what.assign(what.size(), ' ');
    }
    if (!rows.empty() || !subnets.empty()) row(left);
  }

  /// ROWS with their words below each other; the last of a row may be of any length.
  static Lines columns(const std::vector<Lines>& rows) {
    std::vector<std::size_t> widths = {std::string_view("masquerade").size()};
    for (const auto& row : rows)
      for (std::size_t i = 0; i + 1 < row.size(); ++i) {
        widths.resize(std::max(widths.size(), i + 1));
        widths[i] = std::max(widths[i], row[i].size());
      }
    Lines lines;
    for (const auto& row : rows) {
      std::string line;
      std::size_t at = 0;
      for (std::size_t i = 0; i < row.size(); ++i) {
        line.resize(at, ' ');
        line += row[i];
        if (i + 1 < row.size()) at += widths[i] + 2;
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }

  void draw(const Bridge& bridge) {
    const auto& its = device(bridge.self);
    const auto width = cell_width(bridge.ports, false);
    const bool pictured = fits(bridge.ports.size(), width);
    const std::size_t stem_count = pictured ? bridge.ports.size() : 1;
    auto bar = [&](std::size_t count) {
      std::string line = stems(count, width, '+', '-');
      line[0] = ' ';
      line[Margin] = '+';
      line.back() = '+';
      return line;
    };
    row(bar(1));
    Lines facts_of = facts(bridge.self);
    facts_of.insert(facts_of.begin(), {plug(its), "bridge"});
    std::string middle = cat(" | ", base::join(facts_of, "  "));
    middle.resize(std::max(middle.size() + 2, width_ - 3), ' ');
    row(cat(middle, "|"));
    row(bar(bridge.ports.empty() ? 0 : stem_count));
    if (bridge.ports.empty()) return;
    if (!pictured) return list(bridge);
    row(stems(stem_count, width, '|'));
    std::vector<Lines> near;
    for (const auto& port : bridge.ports) near.push_back({cat("  ", plug(device(port.near)))});
    cells(near, width);
    row(stems(stem_count, width, '|'));
    boxes(bridge.ports, width, true);
  }

  /// What is at the far end of CABLE, in lines of WIDTH. The bar tells the
  /// subnet.
  [[nodiscard]] Lines summary(const Cable& cable, std::size_t width) const {
    if (!cable.far) return {};
    Lines all;
    for (const auto& address : device(*cable.far).addresses)
      all.push_back(address.substr(0, address.find('/')));
    for (auto& door : doors_to(scene_, *cable.far)) all.push_back(std::move(door));
    return packed(all, width);
  }

  /// A bridge's ports below each other: the cable, who is at its end, and with what.
  void list(const Bridge& bridge) {
    constexpr std::size_t LongestName = 20;
    const std::string stem(Margin + Stem, ' ');
    Lines cables, names;
    for (const auto& port : bridge.ports) {
      cables.push_back(cat(stem, "+-[", label(device(port.near)), "]"));
      if (port.far) cables.back() += cat("-[", label(device(*port.far)), "]");
      names.push_back(port.far ? name(port.far->space).substr(0, LongestName) : "");
    }
    const std::size_t left = widest(cables) + 2;
    const std::size_t middle = left + widest(names) + 2;
    for (std::size_t i = 0; i < cables.size(); ++i) {
      auto facts_of = summary(bridge.ports[i], width_ - std::min(width_, middle));
      if (facts_of.empty()) facts_of.emplace_back();
      for (std::size_t j = 0; j < facts_of.size(); ++j) {
        const bool goes_on = i + 1 < cables.size();
        std::string line = j == 0 ? cables[i] : cat(stem, goes_on ? "|" : "");
        line.resize(left, ' ');
        if (j == 0) line += names[i];
        line.resize(middle, ' ');
        row(line + facts_of[j]);
      }
    }
  }

  // ------------------------------------------------------------------------------------ cable

  /// Two boxes with a cable between them, as between the two ends of a veth pair.
  void draw(const Cable& cable) {
    separate();
    constexpr std::size_t Between = 8;
    const std::size_t width = (width_ - 1 - Between) / 2;
    const auto side = [&](const End& end, bool to_right) {
      Lines lines = {plug(device(end))};
      for (auto& fact : facts(end)) lines.push_back(std::move(fact));
      for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::size_t room = width - 4;
        const std::string fill(room - std::min(room, lines[i].size()), ' ');
        lines[i] = to_right ? cat("| ", fill, lines[i], i == 0 ? "-|" : " |")
                            : cat(i == 0 ? "|-" : "| ", lines[i], fill, " |");
      }
      const std::string title = cat(" ", name(end.space).substr(0, width - 8), " ");
      std::string border = cat("+", std::string(width - 2, '-'), "+");
      lines.push_back(border);
      border.replace(2, title.size(), title);
      lines.insert(lines.begin(), border);
      return lines;
    };
    Lines a = side(cable.near, true);
    Lines b = side(*cable.far, false);
    const auto pad = [&](Lines& lines, std::size_t height) {
      while (lines.size() < height)
        lines.insert(lines.end() - 1, cat("|", std::string(width - 2, ' '), "|"));
    };
    pad(a, b.size());
    pad(b, a.size());
    for (std::size_t i = 0; i < a.size(); ++i)
      row(cat(" ", a[i], std::string(Between - 1, i == 1 ? '-' : ' '), b[i]));
  }

  const Topology& topology_;
  Scene scene_;
  std::size_t width_;
  std::string out_;
};

}  // namespace

std::string text(const netsetup::Topology& topology, std::size_t width) {
  return Drawing(topology, width).draw();
}

}  // namespace graph
