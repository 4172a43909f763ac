// The inner loops of networks on grids, and in training, on the floats of one memory: by a WebAssembly module with SIMD
// (kernel.c), or in plain JavaScript where there is none. Positions and counts are in floats.

import { KERNEL_CODES } from "./kernel_code.js";
import { locateInPanels, roundToLanes } from "./plan.js";

const PAGE = 65536; // bytes of a page of WebAssembly's memory
let compiled; // the module; null where this browser, or its page's policy, allows none

// A kernel with `count` floats, all zero.
export function createKernel(count) {
  if (compiled === undefined) compiled = compileKernel();
  try {
    if (compiled) return new CompiledKernel(count, compiled);
  } catch {
    // so much of WebAssembly's memory is not to be had
  }
  return new PlainKernel(count);
}

// The first of the modules that this browser takes. Compiled at once: browsers allow that up to 4 kB.
function compileKernel() {
  for (const code of KERNEL_CODES)
    try {
      return new WebAssembly.Module(Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0)));
    } catch {
      // the next one needs less
    }
  return null;
}

class CompiledKernel {
  constructor(count, module) {
    const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * count) / PAGE) });
    this.code = new WebAssembly.Instance(module, { env: { memory } }).exports;
    this.floats = new Float32Array(memory.buffer);
  }

  multiply(from, { weights, biases, columns }, to) {
    const patches = [4 * from.position, from.step, from.row, from.taps, from.inner],
      start = to.adds ? [4 * to.position, to.step] : [4 * biases, 0];
    this.code.multiply(...patches, 4 * weights, ...start, 4 * to.position, to.step, to.count, columns);
  }

  pack({ position, row, column }, rows, columns, out) {
    this.code.pack(4 * position, row, column, rows, columns, 4 * out);
    return roundToLanes(columns);
  }

  adam({ weight, gradient, mean, square, count }, { rate, root, shrink, decay }) {
    this.code.adam(4 * weight, 4 * gradient, 4 * mean, 4 * square, count, rate, root, shrink, decay);
  }

  normalise(x, out, places, lanes, factor, shift, silu) {
    this.code.normalise(4 * x, 4 * out, places, lanes, 4 * factor, 4 * shift, silu);
  }

  measure(x, places, lanes, sums, squares) {
    this.code.measure(4 * x, places, lanes, 4 * sums, 4 * squares);
  }

  add(out, x, count) {
    this.code.add(4 * out, 4 * x, count);
  }
}

export class PlainKernel {
  constructor(count) {
    this.floats = new Float32Array(count);
  }

  // to[m, n] = biases[n] + sum over t < taps, k < inner of from[m * step + t * row + k] * weights[t, k, n], for m <
  // count and n < columns; where `to.adds`, to[m, n] itself takes the place of biases[n]. `weights` is in panels of 8
  // columns (locateInPanels); rows of the product are `to.step` apart.
  multiply(from, { weights, biases, columns }, to) {
    for (let n = 0; n < columns; n += 4) {
      const panel = n - (n % 8),
        width = Math.min(8, columns - panel),
        four = weights + panel * from.taps * from.inner + (n % 8);
      for (let m = 0; m < to.count; m++) {
        const out = to.position + m * to.step + n;
        this.multiplyFour(from.position + m * from.step, from, four, width, to.adds ? out : biases + n, out);
      }
    }
  }

  // Four neighbours in a row of the product; rows of `weights` are `width` apart.
  multiplyFour(position, { row, taps, inner }, weights, width, start, out) {
    const { floats } = this;
    let [s, t, u, v] = [floats[start], floats[start + 1], floats[start + 2], floats[start + 3]];
    for (let tap = 0, w = weights; tap < taps; tap++)
      for (let k = position + tap * row, end = k + inner; k < end; k++, w += width) {
        const value = floats[k];
        s += value * floats[w];
        t += value * floats[w + 1];
        u += value * floats[w + 2];
        v += value * floats[w + 3];
      }
    floats[out] = s;
    floats[out + 1] = t;
    floats[out + 2] = u;
    floats[out + 3] = v;
  }

  // A matrix (rows, columns), whose values are `row` and `column` apart, as `multiply` takes its weights: in panels,
  // the last one filled up with zeros. Returns its number of columns then.
  pack({ position, row, column }, rows, columns, out) {
    const { floats } = this,
      lanes = roundToLanes(columns);
    for (let k = 0; k < rows; k++)
      for (let n = 0; n < lanes; n++)
        floats[out + locateInPanels(k, n, rows, lanes)] = n < columns ? floats[position + k * row + n * column] : 0;
    return lanes;
  }

  // A step of Adam (Kingma & Ba, 2015): running means of the gradients and of their squares, by which weights move at
  // `rate`, that of the run without the bias of the first mean; `root` is that of the second one. Weights shrink by a
  // factor before it (AdamW), or their gradients have a part `decay` of them.
  adam({ weight, gradient, mean, square, count }, { rate, root, shrink, decay }) {
    const { floats } = this;
    for (let i = 0; i < count; i++) {
      const w = floats[weight + i] * shrink,
        g = floats[gradient + i] + decay * w,
        m = (floats[mean + i] += 0.1 * (g - floats[mean + i])),
        v = (floats[square + i] += 0.001 * (g * g - floats[square + i]));
      floats[weight + i] = w - (rate * m) / (Math.sqrt(v) / root + 1e-8);
    }
  }

  // y = x * factor + shift of each channel; where `silu`, y * sigmoid(y).
  normalise(x, out, places, lanes, factor, shift, silu) {
    const { floats } = this;
    for (let p = 0; p < places; p++)
      for (let c = 0; c < lanes; c++, x++, out++) {
        const y = floats[x] * floats[factor + c] + floats[shift + c];
        floats[out] = silu ? y / (1 + Math.exp(-y)) : y;
      }
  }

  // Of each channel the sum over places of its differences to the first place, and of their squares.
  measure(x, places, lanes, sums, squares) {
    const { floats } = this;
    for (let c = 0; c < lanes; c++) {
      let sum = 0,
        square = 0;
      for (let p = 0; p < places; p++) {
        const difference = floats[x + p * lanes + c] - floats[x + c];
        sum += difference;
        square += difference * difference;
      }
      floats[sums + c] = sum;
      floats[squares + c] = square;
    }
  }

  // out += x
  add(out, x, count) {
    const { floats } = this;
    for (let i = 0; i < count; i++) floats[out + i] += floats[x + i];
  }
}
