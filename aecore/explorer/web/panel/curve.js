// The loss of each epoch, of the training and of the validation examples.

import { element, formatNumbers } from "../dom.js";
import { formatColour, makePalette } from "../palette.js";

const HEIGHT = 120; // CSS pixels
const LINES = { loss: "training", validation_loss: "validation" };
const COLOURS = [0, 1].map((i) => formatColour(makePalette("class"), i));

export class LossCurve {
  constructor() {
    this.canvas = element("canvas", { role: "img" });
    this.caption = element("figcaption");
    this.root = element("figure", { class: "curve" }, this.canvas, this.caption);
    this.clear();
  }

  clear() {
    Object.assign(this, { records: [], limits: [Infinity, -Infinity], drawn: -1 });
    this.draw();
  }

  // A record of an epoch, as in metrics.jsonl. Epochs may be shorter than frames: they are seen when `draw` is called.
  add(record) {
    this.records.push(record);
    for (const loss of Object.keys(LINES).map((name) => record[name]).filter(Number.isFinite))
      this.limits = [Math.min(this.limits[0], loss), Math.max(this.limits[1], loss)];
  }

  draw() {
    const { canvas, records, limits } = this,
      ratio = Math.min(2, devicePixelRatio || 1),
      width = canvas.clientWidth || 240,
      pixels = Math.round(width * ratio);
    if (this.drawn === records.length && canvas.width === pixels) return;
    this.drawn = records.length;
    Object.assign(canvas, { width: pixels, height: HEIGHT * ratio });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    for (const [i, name] of Object.keys(LINES).entries()) {
      context.strokeStyle = COLOURS[i];
      context.lineWidth = 2;
      context.beginPath();
      for (const [epoch, record] of records.entries())
        if (Number.isFinite(record[name])) context.lineTo(...place(epoch, record[name], records.length, limits, width));
      context.stroke();
    }
    this.describe();
  }

  describe() {
    const last = this.records.at(-1);
    if (!last) {
      this.canvas.setAttribute("aria-label", "The loss, before the first epoch");
      this.caption.replaceChildren("Loss: appears after the first epoch.");
      return;
    }
    const parts = Object.entries(LINES)
      .filter(([name]) => Number.isFinite(last[name]))
      .map(([name, text]) => [text, formatNumbers([last[name]])]);
    const text = `Loss after epoch ${last.epoch}: ${parts.map((part) => part.join(" ")).join(", ")}`;
    this.canvas.setAttribute("aria-label", text);
    this.caption.replaceChildren(
      `Loss, epoch ${last.epoch}: `,
      ...parts.map(([name, value], i) => {
        const dot = element("span", { class: "dot" });
        dot.style.background = COLOURS[i];
        return element("span", { class: "key" }, dot, `${name} ${value}`);
      }),
    );
  }
}

// Where a loss stands, with a margin of 4 pixels; one epoch alone is in the middle.
function place(epoch, loss, count, [low, high], width) {
  const across = count > 1 ? epoch / (count - 1) : 0.5,
    up = high > low ? (loss - low) / (high - low) : 0.5;
  return [4 + across * (width - 8), HEIGHT - 4 - up * (HEIGHT - 8)];
}
