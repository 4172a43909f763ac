// The attribute vector: from the mean code of one selection to that of another (Larsen et al., 2016), times a slider.

import { element, numbers } from "./dom.js";
import { members } from "./selections.js";

const ALL = "";

export class Direction {
  constructor(explorer) {
    this.explorer = explorer;
    this.ends = ["from", "to"].map((name) =>
      element("select", { "aria-label": `Direction ${name}`, onchange: () => this.follow() }),
    );
    this.slider = element("input", {
      type: "range",
      min: -2,
      max: 2,
      step: 0.05,
      value: 0,
      "aria-label": "Strength",
      oninput: () => this.follow(),
    });
    this.strength = element("output", {});
    this.canvas = element("canvas", { role: "img", "aria-label": "The picture, moved in this direction" });
    this.root = element(
      "details",
      { class: "direction", hidden: true, ontoggle: () => this.follow() },
      element("summary", {}, "Move in a direction"),
      element("div", { class: "row" }, "from ", this.ends[0], " to ", this.ends[1]),
      element("div", { class: "row" }, "strength ", this.slider, this.strength),
      this.canvas,
    );
  }

  // The named selections are the ends; all inputs are one, too.
  update() {
    const { named } = this.explorer.selections,
      names = [ALL, ...named.keys()];
    this.root.hidden = !named.size || !this.explorer.codes;
    this.ends.forEach((select, i) => {
      const before =
        names.includes(select.value) && select.options.length > 1 ? select.value : names[Math.min(i, names.length - 1)];
      select.replaceChildren(
        ...names.map((name) => element("option", { value: name, selected: name === before }, name || "all inputs")),
      );
    });
    this.means = new Map();
    this.follow();
  }

  // What is in the large picture, moved.
  follow() {
    const { explorer } = this,
      strength = Number(this.slider.value);
    explorer.moved = null;
    if (!this.root.open || this.root.hidden || !explorer.code) return explorer.marks();
    const [from, to] = this.ends.map((select) => this.mean(select.value));
    const z = explorer.network.snap(explorer.code.map((value, i) => value + strength * (to[i] - from[i])));
    explorer.painter.paint(this.canvas, explorer.network.decode(z));
    this.strength.textContent = numbers([strength]);
    if (strength) explorer.moved = z;
    explorer.marks();
  }

  mean(name) {
    if (name === ALL) return this.explorer.axes.mean;
    if (!this.means.has(name)) {
      const { codes, selections } = this.explorer,
        rows = members(selections.named.get(name)),
        sum = new Float32Array(codes.width);
      for (const row of rows) codes.row(row).forEach((value, i) => (sum[i] += value / rows.length));
      this.means.set(name, sum);
    }
    return this.means.get(name);
  }
}
