// An example as a picture: pixels as they are, columns as bars, points among the points of their manifold.

import { formatColour, makePalette } from "./palette.js";

const SIDE = 224; // pixels of drawn pictures; images keep their own size
const BAR = 14; // pixels of one column's line
const NAME_WIDTH = 150; // pixels of a column's name
const MAX_BARS = 40;
const CERTAIN = 0.995; // a probability from which on it is not said
const [BLUE, RED] = [0, 1].map((i) => formatColour(makePalette("class"), i));

export class ExamplePainter {
  // meta: of the model's pack; tensors: its arrays.
  constructor(meta, tensors) {
    this.kind = meta.kind;
    this.lines = meta.cells?.length ? meta.cells : listLines(meta.columns, meta.network.input_shape[0]);
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

  // Each column between its usual lowest and highest value; the other value is a line across the bar. Words are told
  // with their probability, which is the bar then; another word of the other is written at the end.
  paintBars(canvas, x, other) {
    const lines = this.lines.slice(0, MAX_BARS);
    canvas.width = 320;
    canvas.height = lines.length * BAR;
    const context = canvas.getContext("2d"),
      ink = getComputedStyle(canvas).color;
    context.font = "11px sans-serif";
    context.textBaseline = "middle";
    for (const [i, line] of lines.entries()) {
      const cell = readCell(x, line),
        otherCell = other && readCell(other, line);
      this.paintBar(context, i * BAR, line, cell, otherCell);
      context.fillStyle = ink;
      context.fillText(line.name.slice(0, 26), 0, (i + 0.5) * BAR, NAME_WIDTH - 6);
      if (cell.text) context.fillText(cell.text, NAME_WIDTH + 4, (i + 0.5) * BAR, canvas.width - NAME_WIDTH - 8);
    }
  }

  paintBar(context, top, line, cell, other) {
    const room = context.canvas.width - NAME_WIDTH,
      toPixel = (value) => NAME_WIDTH + (line.words.length ? value : this.shareOfColumn(value, line.from)) * room;
    context.fillStyle = BLUE;
    context.globalAlpha = cell.text ? 0.4 : 1;
    context.fillRect(NAME_WIDTH, top + 2, Math.max(1, toPixel(cell.value) - NAME_WIDTH), BAR - 4);
    context.globalAlpha = 1;
    context.fillStyle = RED;
    if (!other || Number.isNaN(other.value)) return;
    if (!line.words.length || line.kind === "ordered") context.fillRect(toPixel(other.value) - 1, top, 3, BAR);
    else if (other.word !== cell.word) {
      context.textAlign = "right";
      context.fillText(other.word, context.canvas.width - 2, top + BAR / 2, room / 2);
      context.textAlign = "left";
    }
  }

  // Where a value lies between the limits of its column, in [0, 1].
  shareOfColumn(value, i) {
    return Math.max(0, Math.min(1, (value - this.low[i]) / (this.high[i] - this.low[i] || 1)));
  }
}

// Lines of a table of numbers, or of which no more is known than the names of its features.
function listLines(columns, count) {
  const names = Array.from({ length: count }, (_, i) => columns[i] ?? `x${i}`);
  return names.map((name, i) => ({ name, kind: "number", from: i, to: i + 1, words: [] }));
}

// A cell of an example: its value, of words in [0, 1], and for words the likeliest and what is written of it.
export function readCell(x, { kind, from, to, words }) {
  if (!words.length || Number.isNaN(x[from])) return { value: x[from], word: "", text: "" };
  if (kind === "ordered") {
    const value = Math.max(0, Math.min(1, x[from] / Math.max(1, words.length - 1))),
      word = words[Math.round(value * (words.length - 1))];
    return { value, word, text: word };
  }
  const chances = kind === "boolean" ? [1 - x[from], x[from]] : x.subarray(from, to);
  let best = 0;
  for (let i = 1; i < chances.length; i++) if (chances[i] > chances[best]) best = i;
  const value = Math.max(0, Math.min(1, chances[best])),
    word = words[best];
  return { value, word, text: value < CERTAIN ? `${word} ${Math.round(100 * value)}%` : word };
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
