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

  multiply(a, step, row, taps, inner, weight, bias, out, outStep, count, columns) {
    this.code.multiply(4 * a, step, row, taps, inner, 4 * weight, 4 * bias, 4 * out, outStep, count, columns);
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

  // out[m, n] = bias[n] + sum over t < taps, k < inner of a[m * step + t * row + k] * weight[t, k, n], for m < count and
  // n < columns. `weight` is in panels of 8 columns (packPanels); rows of `out` are `outStep` apart.
  multiply(a, step, row, taps, inner, weight, bias, out, outStep, count, columns) {
    for (let panel = 0; panel < columns; panel += 8) {
      const width = Math.min(8, columns - panel);
      for (let n = 0; n < width; n += 4)
        for (let m = 0; m < count; m++)
          this.multiplyFour(a + m * step, row, taps, inner, weight + n, width, bias + panel + n, out + m * outStep + panel + n);
      weight += taps * inner * width;
    }
  }

  // Four neighbours in a row of the product; rows of `weight` are `width` apart.
  multiplyFour(a, row, taps, inner, weight, width, bias, out) {
    const { floats } = this;
    let [s, t, u, v] = [floats[bias], floats[bias + 1], floats[bias + 2], floats[bias + 3]];
    for (let tap = 0, w = weight; tap < taps; tap++)
      for (let k = a + tap * row, end = k + inner; k < end; k++, w += width) {
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
