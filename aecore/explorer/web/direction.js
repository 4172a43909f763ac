// The direction panel: an attribute vector, from the mean code of one selection to that of another, times a slider.
// Larsen et al. (2016).

import { element, formatNumbers } from "./dom.js";
import { listRows } from "./selections.js";

const ALL = "";

export class Direction {
  constructor(explorer) {
    this.explorer = explorer;
    this.ends = ["from", "to"].map((name) =>
      element("select", { "aria-label": `Direction ${name}`, onchange: () => this.moveCode() }),
    );
    this.slider = element("input", {
      type: "range",
      min: -2,
      max: 2,
      step: 0.05,
      value: 0,
      "aria-label": "Strength",
      oninput: () => this.moveCode(),
    });
    this.strength = element("output", {});
    this.canvas = element("canvas", { role: "img", "aria-label": "The picture, moved in this direction" });
    this.root = element(
      "details",
      { class: "direction", hidden: true, ontoggle: () => this.moveCode() },
      element("summary", {}, "Move in a direction"),
      element("div", { class: "row" }, "from ", this.ends[0], " to ", this.ends[1]),
      element("div", { class: "row" }, "strength ", this.slider, this.strength),
      this.canvas,
    );
  }

  // Offer the named selections, and all inputs, as ends.
  updateEnds() {
    const { selections, codes } = this.explorer,
      names = [ALL, ...selections.named.keys()];
    this.root.hidden = !selections.named.size || !codes;
    this.ends.forEach((select, i) => {
      const keeps = names.includes(select.value) && select.options.length > 1;
      const selected = keeps ? select.value : names[Math.min(i, names.length - 1)];
      select.replaceChildren(
        ...names.map((name) => element("option", { value: name, selected: name === selected }, name || "all inputs")),
      );
    });
    this.means = new Map();
    this.moveCode();
  }

  // Move the code of the large picture, and decode it.
  moveCode() {
    const { explorer } = this,
      strength = Number(this.slider.value);
    explorer.moved = null;
    explorer.map.overlay.request();
    if (!this.root.open || this.root.hidden || !explorer.code) return;
    const [from, to] = this.ends.map((select) => this.meanCode(select.value));
    const z = explorer.network.snap(explorer.code.map((value, i) => value + strength * (to[i] - from[i])));
    explorer.painter.paint(this.canvas, explorer.network.decode(z));
    this.strength.textContent = formatNumbers([strength]);
    if (strength) explorer.moved = z;
  }

  meanCode(name) {
    if (name === ALL) return this.explorer.axes.mean;
    if (!this.means.has(name))
      this.means.set(name, this.computeMean(listRows(this.explorer.selections.named.get(name))));
    return this.means.get(name);
  }

  computeMean(rows) {
    const { codes } = this.explorer,
      mean = new Float32Array(codes.width),
      z = new Float32Array(codes.width);
    for (const row of rows) {
      codes.row(row, z);
      for (let i = 0; i < z.length; i++) mean[i] += z[i] / rows.length;
    }
    return mean;
  }
}
