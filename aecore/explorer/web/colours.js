// What colours the points: their class, or a number on a scale; and the legend, whose classes can be selected.

import { element, numbers } from "./dom.js";
import { css, palette } from "./points.js";

const NAMES = { class: "class", error: "squared error", neighbours: "neighbours kept" };

export class Colours {
  constructor(explorer) {
    this.explorer = explorer;
    this.root = element("div", { class: "legend" });
  }

  // by: class, error or neighbours; values: {labels, errors, preserved} of all points, or null.
  set(by, values) {
    Object.assign(this, { by, values });
    this.showLegend();
  }

  // What the points can be coloured by, and what that is called.
  choices() {
    const { labels, errors, preserved } = this.values,
      there = { class: labels, error: errors, neighbours: preserved };
    return Object.fromEntries(Object.entries(NAMES).filter(([by]) => there[by]));
  }

  use(by) {
    this.by = by;
    const { explorer } = this;
    explorer.map.show(explorer.positions, this.shades(), this.palette(), true);
    this.showLegend();
    explorer.marks();
  }

  get name() {
    return NAMES[this.by];
  }

  palette() {
    return palette(this.by === "class" ? "class" : "scale");
  }

  // A byte a point into the palette.
  shades() {
    const { labels, errors, preserved } = this.values;
    if (this.by === "class") return labels ?? new Uint8Array(errors.length);
    const [low, high] = this.limits(),
      share = (value) => (value - low) / (high - low || 1);
    const values = this.by === "neighbours" ? preserved : errors;
    return Uint8Array.from(values, (value) => Math.round(255 * Math.max(0, Math.min(1, share(value)))));
  }

  // Errors from the 1st to the 99th hundredth: a few outliers would take all colours from the rest.
  limits() {
    if (this.by === "neighbours") return [0, 1];
    const sorted = this.values.errors.slice().sort();
    return [0.01, 0.99].map((part) => sorted[Math.round(part * (sorted.length - 1))]);
  }

  showLegend() {
    if (this.by !== "class") {
      const [low, high] = this.limits();
      const scale = element("span", { class: "scale" });
      this.root.replaceChildren(`${this.name}: ${numbers([low])} `, scale, ` ${numbers([high])}`);
      return;
    }
    const colours = palette("class"),
      { classes } = this.explorer.about;
    const chips = classes.slice(0, 30).map((name, i) => {
      const dot = element("span", { class: "dot" }),
        title = `Select class ${name}; with Shift to add`;
      dot.style.background = css(colours, i);
      return element(
        "button",
        { type: "button", title, onclick: (event) => this.select(i, event.shiftKey) },
        dot,
        name,
      );
    });
    this.root.replaceChildren(...chips);
  }

  select(i, add) {
    const { labels } = this.values;
    this.explorer.selections.select(
      Array.from(labels.keys()).filter((row) => labels[row] === i),
      add,
    );
  }
}
