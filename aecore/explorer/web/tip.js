// The tip above the point under the pointer, never on it: its input, its reconstruction, its class.

import { element, formatNumbers } from "./dom.js";
import { paintPixels } from "./picture.js";

export class Tip {
  constructor(explorer) {
    this.explorer = explorer;
    this.root = element("div", { class: "tip", hidden: true });
  }

  show(row) {
    if (row !== this.row) this.fill(row); // a slow model decodes a point once, not at each move
    this.row = row;
    this.root.hidden = false;
    this.moveAbove(row);
  }

  fill(row) {
    const { errors, preserved } = this.explorer;
    const facts = [`input ${row}${this.explorer.describeClass(row)}`, `error ${formatNumbers([errors[row]])}`];
    if (preserved) facts.push(`${Math.round(100 * preserved[row])} % of neighbours kept`);
    this.root.replaceChildren(...this.makeThumbnails(row), element("span", {}, facts.join(" · ")));
  }

  hide() {
    this.row = null;
    this.root.hidden = true;
  }

  // The input and its reconstruction, where they are pictures.
  makeThumbnails(row) {
    const { codes, network, modelMeta, inputShape } = this.explorer;
    if (modelMeta.kind !== "image") return [];
    const thumbnails = [],
      bytes = this.explorer.readInput(row);
    if (bytes) {
      const values = bytes.map((value) => value / 255);
      thumbnails.push(makeThumbnail(values, "input", inputShape));
    }
    if (codes) thumbnails.push(makeThumbnail(network.decode(codes.row(row)), "rebuilt", network.shape));
    return thumbnails;
  }

  moveAbove(row) {
    const { map } = this.explorer;
    const [x, y] = map.camera.toScreen(...map.positionOf(row)),
      { width, height } = map.camera;
    const { offsetWidth: w, offsetHeight: h } = this.root;
    this.root.style.left = `${Math.max(2, Math.min(width - w - 2, x - w / 2))}px`;
    this.root.style.top = `${y - h - 14 > 0 ? y - h - 14 : Math.min(height - h, y + 16)}px`;
  }
}

function makeThumbnail(values, name, shape) {
  const canvas = element("canvas", { "aria-label": name });
  paintPixels(canvas, values, shape);
  return element("figure", {}, canvas, element("figcaption", {}, name));
}
