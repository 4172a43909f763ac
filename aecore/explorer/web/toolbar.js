// The buttons above the map: the tool that the pointer uses, zoom, and the whole map.

import { drawIcon, element } from "./dom.js";

const TOOLS = {
  move: "Move: drag to pan, wheel to zoom, click to choose a point",
  box: "Box: drag to select; with Shift to add",
  lasso: "Lasso: draw round points to select them; with Shift to add",
  path: "Path: press and draw a way; it plays as a film",
  plane: "Plane: click three points; the map becomes the plane through their codes",
};

export class Toolbar {
  // map: a PointMap, whose useTool, zoom and fitView the buttons call.
  constructor(map) {
    this.root = element(
      "div",
      { class: "tools", role: "toolbar", "aria-label": "Map tools" },
      ...Object.entries(TOOLS).map(([name, text]) =>
        makeButton(text, drawIcon(name), () => map.useTool(name), { "data-tool": name }),
      ),
      makeButton("Closer", "+", () => map.zoom(1.5)),
      makeButton("Farther", "−", () => map.zoom(1 / 1.5)),
      makeButton("Show all points", "All", () => map.fitView()),
    );
  }

  // Mark the tool in use.
  press(tool) {
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }

  // Show or hide a tool.
  offer(tool, available) {
    this.root.querySelector(`[data-tool=${tool}]`).hidden = !available;
  }
}

function makeButton(text, label, onclick, attributes = {}) {
  return element("button", { type: "button", title: text, "aria-label": text, onclick, ...attributes }, label);
}
