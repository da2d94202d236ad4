// SPDX-License-Identifier: MIT
// An SVG image that is being drawn. What a KIND looks like, light and dark, is said in canvas.cpp.
#pragma once

#include <string>
#include <string_view>

namespace graph {

/// Coordinates and sizes are pixels, from the left and from the top.
class Canvas {
 public:
  void rect(std::string_view kind, int x, int y, int width, int height, int round);
  /// CONTENT with its base line at Y; "->" in it becomes an arrow.
  void text(int x, int y, std::string_view kind, std::string_view content, bool centred = false);
  void line(std::string_view kind, int x1, int y1, int x2, int y2);
  /// Upright, from Y1 to Y2, with a head at Y2.
  void arrow(std::string_view kind, int x, int y1, int y2);
  /// All of it.
  [[nodiscard]] std::string image(int width, int height) const;

 protected:
  std::string out_;
  int right_ = 0;  // of all rectangles
};

}  // namespace graph
