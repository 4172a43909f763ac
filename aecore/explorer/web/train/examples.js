// The examples of a run: divided, in the network's units, in batches.

import { Random } from "./random.js";
import { fitScaling, scaleRows } from "./scaling.js";

const DEFAULT_SHARE = 0.05; // held out

export class Examples {
  // rows: in the data's own units; they are copied. Throws an Error where they do not suit the model.
  constructor(rows, { model, data }) {
    this.width = model.input_shape.reduce((a, b) => a * b, 1);
    checkRows(rows, this.width);
    [this.train, this.validation] = this.holdOut(rows, data);
    this.isUnit = model.likelihood.kind === "bernoulli";
    this.options = model;
    this.scaling = fitScaling(this.train, this.width, model.scaling);
    for (const part of [this.train, this.validation]) this.scale(part);
    if (this.isUnit) checkUnitInterval(this.train);
    this.count = this.train.length / this.width;
  }

  // [rows to train on, rows held out to choose the best epoch].
  holdOut(rows, data) {
    const count = rows.length / this.width,
      held = Math.ceil(count * (data?.validation_fraction ?? DEFAULT_SHARE) - 0.5); // half an example is none
    if (held <= 0 || held >= count) return [Float32Array.from(rows), new Float32Array(0)];
    const order = new Random((data?.split_seed ?? 0) + 1).permute(count);
    return [this.pick(order.slice(held).sort(), rows), this.pick(order.slice(0, held), rows)];
  }

  // The rows of these numbers.
  pick(numbers, rows = this.train) {
    const { width } = this,
      picked = new Float32Array(numbers.length * width);
    numbers.forEach((row, i) => picked.set(rows.subarray(row * width, (row + 1) * width), i * width));
    return picked;
  }

  // Rows in the network's units, in place.
  scale(rows) {
    return scaleRows(rows, this.scaling, this.options, this.isUnit);
  }

  // The mean of the rows to train on (width,).
  findMean() {
    const sums = new Float64Array(this.width);
    for (let i = 0; i < this.train.length; i++) sums[i % this.width] += this.train[i];
    return Float32Array.from(sums, (sum) => sum / this.count);
  }
}

function checkRows(rows, width) {
  const count = rows.length / width;
  if (!Number.isInteger(count)) throw new Error(`Examples have ${width} values each, got ${rows.length} in all.`);
  if (count < 2) throw new Error(`Training needs 2 examples or more, got ${count}.`);
  if (!rows.every(Number.isFinite))
    throw new Error("Examples have cells that are no numbers: fill them, or leave them out.");
}

function checkUnitInterval(rows) {
  let low = Infinity,
    high = -Infinity;
  for (const value of rows) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low < 0 || high > 1)
    throw new Error(
      `A bernoulli likelihood needs values between 0 and 1, but these go from ${low.toPrecision(3)} to ` +
        `${high.toPrecision(3)}. Set scaling to minmax, or use the gaussian likelihood.`,
    );
}
