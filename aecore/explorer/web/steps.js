// The steps of a network on vectors: each takes values that it may change, and returns the next ones.

import { ACTIVATIONS, sigmoid } from "./activations.js";
import { runGrid } from "./grid_program.js";

const STEPS = {
  linear,
  path,
  grid: runGrid,
  add,
  layer_norm: layerNorm,
  activation,
  take,
  columns,
  mixture,
  scale,
  unscale,
  top_k: topK,
  threshold: applyThreshold,
  nearest,
  round,
  round_to_steps: roundToSteps,
};

// What the steps make of x, which keeps its values.
export function runSteps(steps, x) {
  return steps.reduce((h, step) => STEPS[step.op](h, step), Float32Array.from(x));
}

function linear(x, { weight, bias, weightShape, transposed }) {
  const width = x.length,
    out = Float32Array.from(bias);
  if (transposed) {
    const outputs = weightShape[1];
    for (let i = 0; i < width; i++)
      if (x[i] !== 0) for (let o = 0, start = i * outputs; o < outputs; o++) out[o] += x[i] * weight[start + o];
    return out;
  }
  for (let o = 0, next = 0; o < out.length; o++) {
    let a = 0,
      b = 0,
      i = 0; // two sums: the processor need not wait for one
    for (; i + 1 < width; i += 2, next += 2) {
      a += x[i] * weight[next];
      b += x[i + 1] * weight[next + 1];
    }
    if (i < width) a += x[i] * weight[next++];
    out[o] += a + b;
  }
  return out;
}

// What `steps` make of x, with a linear map of x added to its first values.
function path(x, { weight, weightShape, steps }) {
  const out = runSteps(steps, x);
  const along = linear(x, { weight, weightShape, bias: new Float32Array(weightShape[0]) });
  return out.map((value, i) => (i < along.length ? value + along[i] : value));
}

function add(x, { bias }) {
  return x.map((value, i) => value + bias[i]);
}

// Means of mixed columns: probabilities of words and flags, rates of counts, expected ranks.
function columns(x, { words, flags, counts, ordered }) {
  for (const [from, to] of words) {
    const largest = Math.max(...x.subarray(from, to));
    let total = 0;
    for (let i = from; i < to; i++) total += x[i] = Math.exp(x[i] - largest);
    for (let i = from; i < to; i++) x[i] /= total;
  }
  for (const { place, shift, scale } of flags) x[place] = (sigmoid(x[place]) - shift) / scale;
  for (const { place, shift, scale } of counts) x[place] = (Math.exp(Math.min(x[place], 20)) - shift) / scale;
  for (const { place, cuts, shift, scale } of ordered) {
    const rank = cuts.reduce((sum, cut) => sum + sigmoid(x[place] - cut), 0);
    x[place] = (rank - shift) / scale;
  }
  return x;
}

function layerNorm(x, { weight, bias, eps }) {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  return x.map((value, i) => ((value - mean) / Math.sqrt(variance + eps)) * weight[i] + bias[i]);
}

function activation(x, { kind, first = x.length }) {
  const f = ACTIVATIONS[kind];
  for (let i = 0; i < first; i++) x[i] = f(x[i]);
  return x;
}

function take(x, { first }) {
  return x.slice(0, first);
}

// The mean of each pixel's mixture, from maps of the components' weights, then of their means.
function mixture(x, { components, channels, pixels }) {
  const out = new Float32Array(channels * pixels);
  for (let p = 0; p < pixels; p++) {
    const weights = Array.from({ length: components }, (_, k) => x[k * pixels + p]);
    const largest = Math.max(...weights);
    const shares = weights.map((weight) => Math.exp(weight - largest));
    const total = shares.reduce((sum, share) => sum + share, 0);
    for (let k = 0; k < components; k++)
      for (let c = 0; c < channels; c++) {
        const mean = x[(components + k * channels + c) * pixels + p];
        out[c * pixels + p] += (shares[k] / total) * Math.min(1, Math.max(0, mean));
      }
  }
  return out;
}

function scale(x, { scale, shift }) {
  return x.map((value, i) => value * scale[i] + shift[i]);
}

function unscale(x, { scale, shift, missing, clip = null, clamp }) {
  return x.map((value, i) => {
    let scaled = missing && Number.isNaN(value) ? 0 : (value - shift[i]) / scale[i];
    if (clip !== null) scaled = Math.min(clip, Math.max(-clip, scaled));
    return clamp ? Math.min(1, Math.max(0, scaled)) : scaled;
  });
}

function topK(z, { k, magnitude }) {
  const rank = (value) => (magnitude ? Math.abs(value) : value);
  const largest = Array.from(z.keys())
    .sort((i, j) => rank(z[j]) - rank(z[i]))
    .slice(0, k);
  const out = new Float32Array(z.length);
  for (const i of largest) out[i] = z[i];
  return out;
}

function applyThreshold(z, { threshold }) {
  return z.map((value, i) => (value > threshold[i] ? value : 0));
}

function nearest(z, { codebook, dim, stages = 1 }) {
  const out = new Float32Array(z.length),
    rest = Float32Array.from(z),
    size = codebook.length / stages;
  for (let first = 0; first < codebook.length; first += size)
    for (let part = 0; part < z.length; part += dim) {
      let smallest = Infinity,
        nearestRow = first;
      for (let row = first; row < first + size; row += dim) {
        let distance = 0;
        for (let i = 0; i < dim; i++) distance += (codebook[row + i] - rest[part + i]) ** 2;
        if (distance < smallest) [smallest, nearestRow] = [distance, row];
      }
      for (let i = 0; i < dim; i++) {
        out[part + i] += codebook[nearestRow + i];
        rest[part + i] -= codebook[nearestRow + i];
      }
    }
  return out;
}

function round(z, { levels }) {
  const steps = levels - 1;
  return z.map((value) => (Math.round(((Math.min(1, Math.max(-1, value)) + 1) / 2) * steps) / steps) * 2 - 1);
}

function roundToSteps(z, { scale }) {
  return z.map((value, i) => Math.round(value / scale[i]) * scale[i]);
}
