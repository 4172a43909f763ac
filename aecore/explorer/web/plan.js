// The memory of a network on grids, shared out before it runs: each result gets a place, which the next ones may take
// over when it is no longer needed.

export const KERNEL_FLOATS = 1024; // before all others: the kernel's own
const PANEL = 8; // columns of weights that lie together

export class Plan {
  constructor() {
    this.work = []; // functions of the kernel, in order
    this.constants = []; // [position, values]
    this.freed = new Map(); // size -> positions
    this.frames = new Map(); // grids with a border of zeros, by their size
    this.size = KERNEL_FLOATS;
  }

  // The position of `count` floats.
  take(count) {
    const freed = this.freed.get(count);
    if (freed?.length) return freed.pop();
    const position = this.size;
    this.size += roundToLanes(count);
    return position;
  }

  give(position, count) {
    if (!this.freed.has(count)) this.freed.set(count, []);
    this.freed.get(count).push(position);
  }

  // The position of values that stay as they are.
  hold(values) {
    const position = this.size;
    this.size += roundToLanes(values.length);
    this.constants.push([position, values]);
    return position;
  }

  // A grid (height, width, channels): the channels of a place together, filled up to `lanes` with zeros.
  placeGrid(height, width, channels) {
    const lanes = roundToLanes(channels);
    return { position: this.take(height * width * lanes), height, width, channels, lanes };
  }

  release({ position, height, width, lanes }) {
    this.give(position, height * width * lanes);
  }

  // A grid with `border` more places on all sides, which hold zeros: one for all grids of this size.
  placeFrame({ height, width, channels, lanes }, border) {
    const key = `${height} ${width} ${lanes} ${border}`;
    if (!this.frames.has(key)) {
      const [rows, columns] = [height + 2 * border, width + 2 * border];
      const position = this.hold(new Float32Array(rows * columns * lanes));
      this.frames.set(key, { position, height: rows, width: columns, channels, lanes });
    }
    return this.frames.get(key);
  }

  do(work) {
    this.work.push(work);
  }

  // A kernel with all constants in their place.
  build(createKernel) {
    const kernel = createKernel(this.size);
    for (const [position, values] of this.constants) kernel.floats.set(values, position);
    this.constants = null;
    return kernel;
  }
}

// Channels are filled up to a multiple of 4, which the kernel computes together.
export function roundToLanes(count) {
  return 4 * Math.ceil(count / 4);
}

// Where a value of a matrix (rows, columns) lies as the kernel reads it: in panels of 8 columns, one after the other.
export function locateInPanels(row, column, rows, columns) {
  const panel = column - (column % PANEL);
  return panel * rows + row * Math.min(PANEL, columns - panel) + column - panel;
}
