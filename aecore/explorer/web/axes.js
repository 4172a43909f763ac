// The choice of other planes than the one that was sent: along two code units, or through three picked points.

import { element } from "./dom.js";
import { Plane } from "./plane.js";

export class Axes {
  constructor(explorer) {
    this.explorer = explorer;
    this.root = element("span", { class: "axes" });
    this.pickedRows = []; // points of a plane to be
  }

  // Offer the units of the codes that have come, if any.
  offerUnits() {
    this.pickedRows = [];
    const { codes, map } = this.explorer;
    map.toolbar.offer("plane", Boolean(codes));
    if (!codes) return this.root.replaceChildren();
    const { mean, variance } = computeMoments(codes);
    this.mean = mean;
    if (codes.width < 2) return this.root.replaceChildren();
    const order = Array.from(variance.keys()).sort((a, b) => variance[b] - variance[a]);
    this.units = ["Horizontal", "Vertical"].map((name, axis) => this.makeUnitSelect(name, order[axis]));
    this.button = element(
      "button",
      {
        type: "button",
        title: "Raw code units as axes, or the map as it was",
        "aria-pressed": "false",
        onclick: () => this.toggle(),
      },
      "z axes",
    );
    this.root.replaceChildren(this.button, ...this.units);
  }

  makeUnitSelect(name, selectedUnit) {
    const options = Array.from(this.mean.keys(), (i) =>
      element("option", { value: i, selected: i === selectedUnit }, this.explorer.network.nameUnit(i)),
    );
    const attributes = { "aria-label": `${name} code unit`, hidden: true, onchange: () => this.useUnits() };
    return element("select", attributes, ...options);
  }

  toggle() {
    const on = this.button.getAttribute("aria-pressed") === "false";
    this.button.setAttribute("aria-pressed", String(on));
    for (const select of this.units) select.hidden = !on;
    if (on) this.useUnits();
    else this.explorer.restoreMap();
  }

  useUnits() {
    const [i, j] = this.units.map((select) => Number(select.value));
    const names = [i, j].map((unit) => this.explorer.network.nameUnit(unit));
    if (i !== j) this.explorer.usePlane(Plane.along(i, j, this.mean), names);
  }

  // One more point of a plane; the third makes it.
  pickPoint(row) {
    const { explorer } = this;
    this.pickedRows = [...this.pickedRows.filter((other) => other !== row), row];
    if (this.pickedRows.length < 3) return explorer.map.overlay.request();
    const [a, b, c] = this.pickedRows,
      plane = Plane.through(...this.pickedRows.map((i) => explorer.codes.row(i)));
    this.pickedRows = [];
    if (plane) explorer.usePlane(plane, [`from input ${a} to ${b}`, `towards input ${c}`]);
    explorer.map.useTool("move");
  }
}

// Mean and variance of each code unit.
function computeMoments(codes) {
  const { count, width } = codes;
  const mean = new Float64Array(width),
    square = new Float64Array(width),
    z = new Float32Array(width);
  for (let i = 0; i < count; i++) {
    codes.row(i, z);
    for (let j = 0; j < width; j++) {
      mean[j] += z[j] / count;
      square[j] += (z[j] * z[j]) / count;
    }
  }
  return { mean: Float32Array.from(mean), variance: square.map((value, j) => value - mean[j] ** 2) };
}
