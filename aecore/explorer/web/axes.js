// Other planes than the one that was sent: along two code units, one click away, and through three chosen points.

import { element } from "./dom.js";
import { Plane } from "./plane.js";

export class Axes {
  constructor(explorer) {
    this.explorer = explorer;
    this.root = element("span", { class: "axes" });
    this.picked = []; // points of a plane to be
  }

  // Offer the units of the codes that have come, if any.
  show() {
    this.picked = [];
    const { codes } = this.explorer;
    this.explorer.map.offer("plane", Boolean(codes));
    if (!codes) return this.root.replaceChildren();
    const { mean, variance } = moments(codes);
    this.mean = mean;
    if (codes.width < 2) return this.root.replaceChildren();
    const order = Array.from(variance.keys()).sort((a, b) => variance[b] - variance[a]);
    this.units = ["Horizontal", "Vertical"].map((name, axis) => {
      const options = Array.from(mean.keys(), (i) =>
        element("option", { value: i, selected: i === order[axis] }, `z${i}`),
      );
      const about = { "aria-label": `${name} code unit`, hidden: true, onchange: () => this.along() };
      return element("select", about, ...options);
    });
    const title = "Raw code units as axes, or the map as it was";
    this.button = element(
      "button",
      { type: "button", title, "aria-pressed": "false", onclick: () => this.toggle() },
      "z axes",
    );
    this.root.replaceChildren(this.button, ...this.units);
  }

  toggle() {
    const on = this.button.getAttribute("aria-pressed") === "false";
    this.button.setAttribute("aria-pressed", String(on));
    for (const select of this.units) select.hidden = !on;
    if (on) this.along();
    else this.explorer.restore();
  }

  along() {
    const [i, j] = this.units.map((select) => Number(select.value));
    if (i !== j) this.explorer.usePlane(Plane.along(i, j, this.mean), [`z${i}`, `z${j}`]);
  }

  // One more point of a plane; the third makes it.
  pick(row) {
    const { explorer } = this;
    this.picked = [...this.picked.filter((other) => other !== row), row];
    if (this.picked.length < 3) return explorer.marks();
    const [a, b, c] = this.picked,
      plane = Plane.through(...this.picked.map((i) => explorer.codes.row(i)));
    this.picked = [];
    if (plane) explorer.usePlane(plane, [`from input ${a} to ${b}`, `towards input ${c}`]);
    explorer.map.use("move");
  }
}

// Mean and variance of each code unit.
function moments(codes) {
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
