// The colours of the points: by class, or by a number on a scale; and the legend, whose classes can be selected.

import { element, formatNumbers } from "./dom.js";
import { formatColour, makePalette } from "./palette.js";

const NAMES = { class: "class", error: "squared error", neighbours: "neighbours kept" };

export class Colours {
  constructor(explorer) {
    this.explorer = explorer;
    this.root = element("div", { class: "legend" });
  }

  // by: class, error or neighbours; values: {labels, errors, preserved} of all points, or null.
  setValues(by, values) {
    Object.assign(this, { by, values, shades: null });
    this.showLegend();
  }

  // What the points can be coloured by, and its name.
  listChoices() {
    const { labels, errors, preserved } = this.values,
      available = { class: labels, error: errors, neighbours: preserved };
    return Object.fromEntries(Object.entries(NAMES).filter(([by]) => available[by]));
  }

  colourBy(by) {
    Object.assign(this, { by, shades: null });
    const { explorer } = this;
    explorer.map.show(explorer.positions, this.getShades(), this.getPalette(), true);
    this.showLegend();
  }

  get name() {
    return NAMES[this.by];
  }

  getPalette() {
    return makePalette(this.by === "class" ? "class" : "scale");
  }

  // A byte a point into the palette; the same array until the values change.
  getShades() {
    return (this.shades ??= this.computeShades());
  }

  computeShades() {
    const { labels, errors, preserved } = this.values;
    if (this.by === "class") return labels ?? new Uint8Array(errors.length);
    const [low, high] = this.findLimits(),
      toShare = (value) => (value - low) / (high - low || 1);
    const values = this.by === "neighbours" ? preserved : errors;
    return Uint8Array.from(values, (value) => Math.round(255 * Math.max(0, Math.min(1, toShare(value)))));
  }

  // Errors from the 1st to the 99th hundredth: a few outliers would take all colours from the rest.
  findLimits() {
    if (this.by === "neighbours") return [0, 1];
    const sorted = this.values.errors.slice().sort();
    return [0.01, 0.99].map((part) => sorted[Math.round(part * (sorted.length - 1))]);
  }

  showLegend() {
    if (this.by !== "class") {
      const [low, high] = this.findLimits();
      const scale = element("span", { class: "scale" });
      this.root.replaceChildren(`${this.name}: ${formatNumbers([low])} `, scale, ` ${formatNumbers([high])}`);
      return;
    }
    const palette = makePalette("class"),
      { classes } = this.explorer.mapMeta;
    this.root.replaceChildren(...classes.slice(0, 30).map((name, i) => this.makeChip(name, i, palette)));
  }

  makeChip(name, i, palette) {
    const dot = element("span", { class: "dot" }),
      title = `Select class ${name}; with Shift to add`;
    dot.style.background = formatColour(palette, i);
    return element(
      "button",
      { type: "button", title, onclick: (event) => this.selectClass(i, event.shiftKey) },
      dot,
      name,
    );
  }

  selectClass(i, add) {
    const { labels } = this.values,
      rows = [];
    for (let row = 0; row < labels.length; row++) if (labels[row] === i) rows.push(row);
    this.explorer.selections.select(rows, add);
  }
}
