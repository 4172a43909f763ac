// From positions on the map to codes and back.

import { floats } from "./tensors.js";

// A plane in the space of codes: (x, y) is origin + x axes[0] + y axes[1], with orthonormal axes.
export class Plane {
  constructor(origin, axes) {
    this.origin = origin;
    this.axes = axes;
  }

  // The plane of a map's pack; null where the map is none.
  static fromTensors(tensors) {
    if (!tensors["plane.axes"]) return null;
    const axes = floats(tensors["plane.axes"]),
      dim = axes.length / 2;
    return new Plane(floats(tensors["plane.origin"]), [axes.slice(0, dim), axes.slice(dim)]);
  }

  // Through three codes, the first at (0, 0), the second on the x axis; null where they lie on a line.
  static through(a, b, c) {
    const x = normalise(b.map((value, i) => value - a[i]));
    if (!x) return null;
    const toC = c.map((value, i) => value - a[i]),
      along = dot(toC, x);
    const y = normalise(
      toC.map((value, i) => value - along * x[i]),
      1e-4 * Math.sqrt(dot(toC, toC)),
    );
    return y && new Plane(a, [x, y]);
  }

  // Along code units i and j, the others at `centre`.
  static along(i, j, centre) {
    const origin = centre.slice(),
      axes = [0, 1].map(() => new Float32Array(centre.length));
    axes[0][i] = axes[1][j] = 1;
    origin[i] = origin[j] = 0;
    return new Plane(origin, axes);
  }

  computeCode(x, y) {
    const [u, v] = this.axes;
    return this.origin.map((value, i) => value + x * u[i] + y * v[i]);
  }

  // The position (x, y) that is nearest to code z.
  project(z) {
    let x = 0,
      y = 0;
    for (let i = 0; i < z.length; i++) {
      const offset = z[i] - this.origin[i];
      x += offset * this.axes[0][i];
      y += offset * this.axes[1][i];
    }
    return [x, y];
  }

  // The same directions, moved so that z lies in it.
  moveThrough(z) {
    const [x, y] = this.project(z),
      projected = this.computeCode(x, y);
    return new Plane(
      this.origin.map((value, i) => value + z[i] - projected[i]),
      this.axes,
    );
  }

  // The positions of all rows, x and y in turn.
  projectRows(rows) {
    const positions = new Float32Array(2 * rows.count),
      z = new Float32Array(rows.width);
    for (let i = 0; i < rows.count; i++) positions.set(this.project(rows.row(i, z)), 2 * i);
    return positions;
  }
}

// A code for a position on a map that is no plane: the neighbours' codes, weighted by 1 / distance^2 (Shepard, 1968).
export function blendCodes(x, y, neighbours, positions, rows) {
  const out = new Float32Array(rows.width),
    z = new Float32Array(rows.width);
  let total = 0;
  for (const i of neighbours) {
    const distance = (positions[2 * i] - x) ** 2 + (positions[2 * i + 1] - y) ** 2;
    if (distance === 0) return rows.row(i);
    rows.row(i, z);
    for (let j = 0; j < out.length; j++) out[j] += z[j] / distance;
    total += 1 / distance;
  }
  return out.map((value) => value / total);
}

export function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

// a at length 1; null where it is no longer than `limit`, a rounding error.
function normalise(a, limit = 1e-9) {
  const length = Math.sqrt(dot(a, a));
  return length > limit ? a.map((value) => value / length) : null;
}
