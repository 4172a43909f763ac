// The inner loops of a network on grids, on the floats of one memory: by a WebAssembly module with SIMD (kernel.c), or
// in plain JavaScript where there is none. Positions and counts are in floats.

import { KERNEL_CODE } from "./kernel_code.js";

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

// Compiled at once: browsers allow that up to 4 kB.
function compileKernel() {
  try {
    return new WebAssembly.Module(Uint8Array.from(atob(KERNEL_CODE), (letter) => letter.charCodeAt(0)));
  } catch {
    return null;
  }
}

class CompiledKernel {
  constructor(count, module) {
    const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * count) / PAGE) });
    this.code = new WebAssembly.Instance(module, { env: { memory } }).exports;
    this.floats = new Float32Array(memory.buffer);
  }

  multiply(from, { weights, biases, columns }, to) {
    const patches = [4 * from.position, from.step, from.row, from.taps, from.inner];
    this.code.multiply(...patches, 4 * weights, 4 * biases, 4 * to.position, to.step, to.count, columns);
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

  // to[m, n] = biases[n] + sum over t < taps, k < inner of from[m * step + t * row + k] * weights[t, k, n], for m < count
  // and n < columns. `weights` is in panels of 8 columns (locateInPanels); rows of the product are `to.step` apart.
  multiply(from, { weights, biases, columns }, to) {
    for (let n = 0; n < columns; n += 4) {
      const panel = n - (n % 8),
        width = Math.min(8, columns - panel),
        four = weights + panel * from.taps * from.inner + (n % 8);
      for (let m = 0; m < to.count; m++)
        this.multiplyFour(from.position + m * from.step, from, four, width, biases + n, to.position + m * to.step + n);
    }
  }

  // Four neighbours in a row of the product; rows of `weights` are `width` apart.
  multiplyFour(position, { row, taps, inner }, weights, width, bias, out) {
    const { floats } = this;
    let [s, t, u, v] = [floats[bias], floats[bias + 1], floats[bias + 2], floats[bias + 3]];
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
