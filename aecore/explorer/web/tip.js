// What is said of the point under the pointer, above it and never on it: its input, its reconstruction, its class.

import { element, numbers } from "./dom.js";
import { paintPixels } from "./picture.js";

export class Tip {
  constructor(explorer) {
    this.explorer = explorer;
    this.root = element("div", { class: "tip", hidden: true });
  }

  show(row) {
    const { explorer } = this,
      { codes, network, preserved, map } = explorer,
      cells = [];
    if (explorer.model.kind === "image") {
      const input = explorer.input(row);
      if (input)
        cells.push(
          thumbnail(
            input.map((value) => value / 255),
            "input",
            explorer.inputShape,
          ),
        );
      if (codes) cells.push(thumbnail(network.decode(codes.row(row)), "rebuilt", network.shape));
    }
    const facts = [`input ${row}${explorer.className(row)}`, `error ${numbers([explorer.errors[row]])}`];
    if (preserved) facts.push(`${Math.round(100 * preserved[row])} % of neighbours kept`);
    this.root.replaceChildren(...cells, element("span", {}, facts.join(" · ")));
    this.root.hidden = false;
    const [x, y] = map.camera.toScreen(...map.at(row)),
      { width, height } = map.camera;
    const { offsetWidth: w, offsetHeight: h } = this.root;
    this.root.style.left = `${Math.max(2, Math.min(width - w - 2, x - w / 2))}px`;
    this.root.style.top = `${y - h - 14 > 0 ? y - h - 14 : Math.min(height - h, y + 16)}px`;
  }

  hide() {
    this.root.hidden = true;
  }
}

function thumbnail(values, name, shape) {
  const canvas = element("canvas", { "aria-label": name });
  paintPixels(canvas, values, shape);
  return element("figure", {}, canvas, element("figcaption", {}, name));
}
