// SPDX-License-Identifier: MIT
#include "graph/canvas.h"

#include "base/text.h"

namespace graph {

using base::cat;

namespace {

constexpr std::string_view Style = R"(<style>
:root { --page: #ffffff; --panel: #f2f5fa; --edge: #ccd5e3; --card: #ffffff; --ink: #17202e;
  --soft: #5b677a; --bridge: #2563c9; --on: #ffffff; --cable: #1c8c7c; --in: #b4500f;
  --in-soft: #fdf0e4; --out: #6b46c1; --out-soft: #f2ecfd; --down: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #10151d; --panel: #18202b; --edge: #344154;
  --card: #212b39; --ink: #e9eef6; --soft: #9fadc1; --bridge: #4f8df0; --on: #0b1220;
  --cable: #47c2ae; --in: #f2a467; --in-soft: #33261b; --out: #b79bf3; --out-soft: #2a2340;
  --down: #ff8a80; } }
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--ink); }
.name { font: bold 14px system-ui, "DejaVu Sans", sans-serif; }
.soft { fill: var(--soft); }
.on { fill: var(--on); font-weight: bold; }
.in { fill: var(--in); } .out { fill: var(--out); } .down { fill: var(--down); }
.head { font-weight: bold; }

.page { fill: var(--page); }
.panel { fill: var(--panel); stroke: var(--edge); stroke-width: 1.5; }
.card { fill: var(--card); stroke: var(--edge); stroke-width: 1.5; }
.bar { fill: var(--bridge); }
.bar-down { fill: var(--down); }
.pill { fill: var(--card); stroke: var(--cable); stroke-width: 1.5; }
.pill-down { fill: var(--card); stroke: var(--down); stroke-width: 1.5; stroke-dasharray: 4 3; }
.way-in { fill: var(--in-soft); stroke: var(--in); }
.way-out { fill: var(--out-soft); stroke: var(--out); }
.cable { stroke: var(--cable); stroke-width: 3; fill: none; }
.route { stroke: var(--soft); stroke-width: 1.5; fill: none; }
.arrow-in { stroke: var(--in); stroke-width: 2; fill: none; }
.arrow-out { stroke: var(--out); stroke-width: 2; fill: none; }
</style>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char character = text[i];
    if (text.substr(i, 2) == "->") {
      out += " \u2192 ";  // an arrow
      ++i;
      continue;
    }
    switch (character) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += character;
    }
  }
  return out;
}

}  // namespace

void Canvas::rect(std::string_view kind, int x, int y, int width, int height, int round) {
  out_ += cat("<rect class=\"", kind, "\" x=\"", x, "\" y=\"", y, "\" width=\"", width,
              "\" height=\"", height, "\" rx=\"", round, "\"/>\n");
  right_ = std::max(right_, x + width);
}
void Canvas::text(int x, int y, std::string_view kind, std::string_view content, bool centred) {
  out_ += cat("<text x=\"", x, "\" y=\"", y, "\"");
  if (!kind.empty()) out_ += cat(" class=\"", kind, "\"");
  out_ += cat(centred ? " text-anchor=\"middle\"" : "", ">", escaped(content), "</text>\n");
}
void Canvas::line(std::string_view kind, int x1, int y1, int x2, int y2) {
  out_ += cat("<path class=\"", kind, "\" d=\"M", x1, " ", y1, "L", x2, " ", y2, "\"/>\n");
}
void Canvas::arrow(std::string_view kind, int x, int y1, int y2) {
  const int back = y2 > y1 ? -6 : 6;
  out_ += cat("<path class=\"", kind, "\" d=\"M", x, " ", y1, "V", y2, "M", x - 5, " ", y2 + back,
              "L", x, " ", y2, "L", x + 5, " ", y2 + back, "\"/>\n");
}

std::string Canvas::image(int width, int height) const {
  return cat("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", width, " ", height,
             "\" width=\"", width, "\" height=\"", height, "\">\n", Style,
             "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n", out_, "</svg>\n");
}

}  // namespace graph
