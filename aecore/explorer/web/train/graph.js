// A network as operations on one memory: each computes its result from earlier ones and, on the way back, adds to their
// gradients. The memory is shared out once, for batches of some size; a step of training makes no array.

import { KERNEL_FLOATS, roundToLanes } from "../plan.js";

export class Graph {
  // For at most `batch` examples at once.
  constructor(batch) {
    this.batch = batch;
    this.size = KERNEL_FLOATS;
    this.parameters = []; // in the order of the Python model
    this.gradients = []; // [first, end] of each
    this.steps = []; // operations {forward(pass), backward(pass)} that are being collected
    this.panels = this.zeros = 0; // floats that products need: of one operand, and for what has no bias
  }

  // The position of `count` floats.
  take(count) {
    const position = this.size;
    this.size += roundToLanes(count);
    return position;
  }

  // A matrix with a row for each example, or for each of its `places`; rows are filled up to lanes with zeros.
  addMatrix(width, { places = 1, hasGradient = true } = {}) {
    const lanes = roundToLanes(width),
      count = this.batch * places * lanes;
    return { width, lanes, places, value: this.take(count), gradient: hasGradient ? this.takeGradient(count) : null };
  }

  takeGradient(count) {
    const position = this.take(count);
    this.gradients.push([position, position + roundToLanes(count)]);
    return position;
  }

  // A tensor of the model: its first dimension makes rows, the others columns. What is not learned has no gradient.
  addParameter(name, shape, { isLearned = true, isInteger = false } = {}) {
    const rows = shape.length > 1 ? shape[0] : 1,
      columns = shape.reduce((a, b) => a * b, 1) / rows,
      lanes = roundToLanes(columns),
      count = rows * lanes,
      parameter = { name, shape, rows, columns, lanes, count, isLearned, isInteger, value: this.take(count) };
    parameter.gradient = isLearned ? this.takeGradient(count) : null;
    this.parameters.push(parameter);
    return parameter;
  }

  // See to it that products of (inner, columns) have room.
  reserveProduct(inner, columns) {
    this.panels = Math.max(this.panels, inner * roundToLanes(columns));
    this.zeros = Math.max(this.zeros, columns);
  }

  add(step) {
    this.steps.push(step);
  }

  // [what `build` returns, the operations that it added].
  collect(build) {
    const outer = this.steps;
    this.steps = [];
    const result = build(),
      { steps } = this;
    this.steps = outer;
    return [result, steps];
  }

  // Get the memory. Nothing can be added any more.
  build(makeKernel) {
    this.panels = this.take(this.panels);
    this.zeros = this.take(this.zeros);
    this.kernel = makeKernel(this.size);
    this.floats = this.kernel.floats;
  }

  clearGradients() {
    for (const [first, end] of this.gradients) this.floats.fill(0, first, end);
  }

  // Values (rows, width), row by row, into a matrix; and the first values of each row from there.
  write(position, { width, lanes }, values) {
    for (let i = 0, row = position; i < values.length; i += width, row += lanes)
      this.floats.set(values.subarray(i, i + width), row);
  }

  read(position, { lanes }, rows, width) {
    const out = new Float32Array(rows * width);
    for (let i = 0; i < rows; i++)
      out.set(this.floats.subarray(position + i * lanes, position + i * lanes + width), i * width);
    return out;
  }

  readParameter({ value, rows, columns, lanes }) {
    return this.read(value, { lanes }, rows, columns);
  }

  writeParameter({ value, columns, lanes }, values) {
    this.write(value, { width: columns, lanes }, values);
  }
}

export function runForward(steps, pass) {
  for (const step of steps) step.forward(pass);
}

export function runBackward(steps, pass) {
  for (let i = steps.length - 1; i >= 0; i--) steps[i].backward(pass);
}
