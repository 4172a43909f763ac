// One example as a picture: pixels as they are, columns as bars, points among the points of their manifold.

import { css, palette } from "./points.js";

const SIDE = 224; // of drawn pictures; those of pixels keep their own size
const BAR = 14; // pixels of one column's line
const [BLUE, RED] = [css(palette("class"), 0), css(palette("class"), 1)];

export class Painter {
  // about: of the model's pack; tensors: its arrays.
  constructor(about, tensors) {
    this.kind = about.kind;
    this.columns = about.columns;
    this.shape = about.network.input_shape;
    if (this.kind === "cloud") this.ground = Cloud.of(tensors.ground);
    if (this.kind === "table") [this.low, this.high] = ["low", "high"].map((name) => tensors[`columns.${name}`].data);
  }

  // x (features,) on a canvas; `other`, such as the input of a reconstruction, is marked beside it where it can be.
  // Of points there may be several, one after the other.
  paint(canvas, x, other = null) {
    if (this.kind === "image") paintPixels(canvas, x, this.shape);
    else if (this.kind === "cloud") this.ground.paint(canvas, x, other);
    else this.paintBars(canvas, x, other);
  }

  // Each column between its usual lowest and highest value; what it was is a line across the bar.
  paintBars(canvas, x, other) {
    const shown = Math.min(x.length, 40);
    canvas.width = 320;
    canvas.height = shown * BAR;
    const context = canvas.getContext("2d"),
      ink = getComputedStyle(canvas).color,
      name = 150,
      room = canvas.width - name;
    context.font = "11px sans-serif";
    context.textBaseline = "middle";
    for (let i = 0; i < shown; i++) {
      const at = (value) =>
        name + Math.max(0, Math.min(1, (value - this.low[i]) / (this.high[i] - this.low[i] || 1))) * room;
      context.fillStyle = ink;
      context.fillText((this.columns[i] ?? `x${i}`).slice(0, 26), 0, (i + 0.5) * BAR, name - 6);
      context.fillStyle = BLUE;
      context.fillRect(name, i * BAR + 2, Math.max(1, at(x[i]) - name), BAR - 4);
      context.fillStyle = RED;
      if (other && !Number.isNaN(other[i])) context.fillRect(at(other[i]) - 1, i * BAR, 3, BAR);
    }
  }
}

// (C, H, W) in [0, 1] on a canvas of W x H pixels; values outside are cut off.
export function paintPixels(canvas, x, [channels, height, width]) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"),
    image = context.createImageData(width, height),
    area = width * height;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round(255 * x[channels === 3 ? c * area + i : i]);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// Points in 2 or 3 dimensions, the third seen from above at an angle.
class Cloud {
  constructor(points, width) {
    this.width = width;
    const places = [];
    for (let i = 0; i < points.length; i += width) places.push(this.flat(points.subarray(i, i + width)));
    this.places = places;
    const [xs, ys] = [0, 1].map((axis) => places.map((place) => place[axis]));
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = (0.84 * SIDE) / Math.max(right - left, high - low, 1e-9);
    this.at = ([x, y]) => [SIDE / 2 + (x - (left + right) / 2) * scale, SIDE / 2 - (y - (low + high) / 2) * scale];
  }

  static of({ data, shape }) {
    return new Cloud(data, shape[1]);
  }

  flat(point) {
    return this.width === 2 ? [point[0], point[1]] : [point[0] + 0.35 * point[1], point[2] + 0.25 * point[1]];
  }

  paint(canvas, x, other) {
    if (canvas.width !== SIDE) canvas.width = canvas.height = SIDE;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    const dot = (place, colour, size) => {
      const [px, py] = this.at(place);
      context.fillStyle = colour;
      context.beginPath();
      context.arc(px, py, size, 0, 2 * Math.PI);
      context.fill();
    };
    for (const place of this.places) dot(place, "rgb(150 150 155 / 0.5)", 1.2);
    const dots = (points, colour) => {
      for (let i = 0; i < points.length; i += this.width) dot(this.flat(points.slice(i, i + this.width)), colour, 5);
    };
    if (other) dots(other, BLUE);
    dots(x, RED);
  }
}
