// An example as a picture: pixels as they are, columns as bars, points among the points of their manifold.

import { formatColour, makePalette } from "./palette.js";

const SIDE = 224; // pixels of drawn pictures; images keep their own size
const BAR = 14; // pixels of one column's line
const NAME_WIDTH = 150; // pixels of a column's name
const MAX_BARS = 40;
const [BLUE, RED] = [0, 1].map((i) => formatColour(makePalette("class"), i));

export class ExamplePainter {
  // meta: of the model's pack; tensors: its arrays.
  constructor(meta, tensors) {
    this.kind = meta.kind;
    this.columns = meta.columns;
    this.shape = meta.network.input_shape;
    if (this.kind === "cloud") this.cloud = new Cloud(tensors.ground);
    if (this.kind === "table") [this.low, this.high] = ["low", "high"].map((name) => tensors[`columns.${name}`].data);
  }

  // x (features,) on a canvas; `other`, such as the input of a reconstruction, is marked beside it where it can be.
  // Of points there may be several, one after the other.
  paint(canvas, x, other = null) {
    if (this.kind === "image") paintPixels(canvas, x, this.shape);
    else if (this.kind === "cloud") this.cloud.paint(canvas, x, other);
    else this.paintBars(canvas, x, other);
  }

  // Each column between its usual lowest and highest value; the other value is a line across the bar.
  paintBars(canvas, x, other) {
    const count = Math.min(x.length, MAX_BARS);
    canvas.width = 320;
    canvas.height = count * BAR;
    const context = canvas.getContext("2d"),
      ink = getComputedStyle(canvas).color,
      room = canvas.width - NAME_WIDTH;
    context.font = "11px sans-serif";
    context.textBaseline = "middle";
    for (let i = 0; i < count; i++) {
      const toPixel = (value) => NAME_WIDTH + this.shareOfColumn(value, i) * room;
      context.fillStyle = ink;
      context.fillText((this.columns[i] ?? `x${i}`).slice(0, 26), 0, (i + 0.5) * BAR, NAME_WIDTH - 6);
      context.fillStyle = BLUE;
      context.fillRect(NAME_WIDTH, i * BAR + 2, Math.max(1, toPixel(x[i]) - NAME_WIDTH), BAR - 4);
      context.fillStyle = RED;
      if (other && !Number.isNaN(other[i])) context.fillRect(toPixel(other[i]) - 1, i * BAR, 3, BAR);
    }
  }

  // Where a value lies between the limits of its column, in [0, 1].
  shareOfColumn(value, i) {
    return Math.max(0, Math.min(1, (value - this.low[i]) / (this.high[i] - this.low[i] || 1)));
  }
}

// (C, H, W) in [0, 1] on a canvas of W x H pixels; values outside are cut off. Of more channels the first three are shown,
// two are red and cyan.
export function paintPixels(canvas, x, [channels, height, width]) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"),
    image = context.createImageData(width, height),
    area = width * height;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round(255 * x[Math.min(c, channels - 1) * area + i]);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// Points in 2 or 3 dimensions, the third seen from above at an angle.
class Cloud {
  // A tensor (N, 2 or 3): the points of the ground, which set the scale.
  constructor({ data, shape }) {
    this.width = shape[1];
    this.ground = this.flattenPoints(data);
    const [xs, ys] = [0, 1].map((axis) => this.ground.map((point) => point[axis]));
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = (0.84 * SIDE) / Math.max(right - left, high - low, 1e-9);
    this.toPixel = ([x, y]) => [SIDE / 2 + (x - (left + right) / 2) * scale, SIDE / 2 - (y - (low + high) / 2) * scale];
  }

  // Values, a point after the other, as [[x, y], ...].
  flattenPoints(values) {
    const points = [];
    for (let i = 0; i < values.length; i += this.width) points.push(flattenPoint(values.slice(i, i + this.width)));
    return points;
  }

  paint(canvas, x, other) {
    if (canvas.width !== SIDE) canvas.width = canvas.height = SIDE;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    this.paintDots(context, this.ground, "rgb(150 150 155 / 0.5)", 1.2);
    if (other) this.paintDots(context, this.flattenPoints(other), BLUE, 5);
    this.paintDots(context, this.flattenPoints(x), RED, 5);
  }

  paintDots(context, points, colour, size) {
    context.fillStyle = colour;
    for (const point of points) {
      const [px, py] = this.toPixel(point);
      context.beginPath();
      context.arc(px, py, size, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

function flattenPoint([x, y, z]) {
  return z === undefined ? [x, y] : [x + 0.35 * y, z + 0.25 * y];
}
