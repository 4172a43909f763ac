// An autoencoder as lists of steps over Float32Array (aecore/explorer/portable.py describes each step).

import { floats } from "./tensors.js";

const ACTIVATIONS = {
  relu: (a) => (a > 0 ? a : 0),
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  tanh: Math.tanh,
  gelu: (a) => 0.5 * a * (1 + erf(a * Math.SQRT1_2)),
};
const STEPS = {
  linear,
  path,
  conv,
  conv_transpose: convTranspose,
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

export class Network {
  // meta: of a model, as aecore.explorer.portable writes it; tensors: of a pack, named "model." and as in the steps.
  constructor(meta, tensors) {
    Object.assign(this, { shape: meta.input_shape, dim: meta.latent_dim });
    const bindAll = (steps) => steps.map((step) => bindWeights(step, tensors));
    this.steps = { encode: bindAll(meta.encode ?? []), snap: bindAll(meta.snap), decode: bindAll(meta.decode) };
  }

  get canEncode() {
    return this.steps.encode.length > 0;
  }

  // x (features,) -> {z, logVariance}; logVariance of variational codes alone.
  encode(x) {
    const out = runSteps(this.steps.encode, x);
    const logVariance = out.length > this.dim ? out.slice(this.dim) : null;
    return { z: this.snap(out.slice(0, this.dim)), logVariance };
  }

  // z (dim,) -> the valid code nearest to it.
  snap(z) {
    return runSteps(this.steps.snap, z);
  }

  // z (dim,) -> x^ (features,), in the data's own units.
  decode(z) {
    return runSteps(this.steps.decode, z);
  }
}

// A step with its weights in place of their names.
function bindWeights(step, tensors) {
  const bound = { ...step };
  if (step.steps) bound.steps = step.steps.map((inner) => bindWeights(inner, tensors));
  for (const name of ["weight", "bias", "shift", "scale", "codebook", "threshold"])
    if (typeof step[name] === "string") {
      const tensor = tensors[`model.${step[name]}`];
      tensor.floats ??= floats(tensor); // tied layers share it
      bound[name] = tensor.floats;
      bound[`${name}Shape`] = tensor.shape;
    }
  return bound;
}

function runSteps(steps, x) {
  return steps.reduce((h, step) => STEPS[step.op](h, step), Float32Array.from(x));
}

// -- steps: each takes values that it may change, and returns the next ones

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

// Means of mixed columns: probabilities of words and flags, rates of counts, expected ranks.
function columns(x, { words, flags, counts, ordered }) {
  const { sigmoid } = ACTIVATIONS;
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

// y[o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] x[c, 2 i + u - 1, 2 j + v - 1]
function conv(x, { weight, bias, weightShape, size, to }) {
  const [outputs, inputs] = weightShape,
    [height, width] = size,
    [rows, columns] = to;
  const y = new Float32Array(outputs * rows * columns);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        let sum = bias[o];
        for (let u = 0; u < 3; u++) {
          const row = 2 * i + u - 1;
          if (row < 0 || row >= height) continue;
          for (let v = 0; v < 3; v++) {
            const column = 2 * j + v - 1;
            if (column < 0 || column >= width) continue;
            for (let c = 0; c < inputs; c++)
              sum += weight[((o * inputs + c) * 3 + u) * 3 + v] * x[(c * height + row) * width + column];
          }
        }
        y[(o * rows + i) * columns + j] = sum;
      }
  return y;
}

// y[o, 2 i + u - 1, 2 j + v - 1] += w[c, o, u, v] x[c, i, j], from y = b
function convTranspose(x, { weight, bias, weightShape, size, to }) {
  const [inputs, outputs] = weightShape,
    [height, width] = size,
    [rows, columns] = to,
    area = rows * columns;
  const y = new Float32Array(outputs * area);
  for (let o = 0; o < outputs; o++) y.fill(bias[o], o * area, (o + 1) * area);
  for (let c = 0, next = 0; c < inputs; c++)
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++, next++) {
        const value = x[next];
        if (value === 0) continue;
        for (let o = 0; o < outputs; o++)
          for (let u = 0; u < 3; u++) {
            const row = 2 * i + u - 1;
            if (row < 0 || row >= rows) continue;
            const start = o * area + row * columns,
              w = ((c * outputs + o) * 3 + u) * 3;
            for (let v = 0; v < 3; v++) {
              const column = 2 * j + v - 1;
              if (column >= 0 && column < columns) y[start + column] += value * weight[w + v];
            }
          }
      }
  return y;
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
      for (let c = 0; c < channels; c++)
        out[c * pixels + p] += (shares[k] / total) * x[(components + k * channels + c) * pixels + p];
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

function nearest(z, { codebook, dim }) {
  const out = new Float32Array(z.length);
  for (let part = 0; part < z.length; part += dim) {
    let smallest = Infinity,
      nearestRow = 0;
    for (let row = 0; row < codebook.length; row += dim) {
      let distance = 0;
      for (let i = 0; i < dim; i++) distance += (codebook[row + i] - z[part + i]) ** 2;
      if (distance < smallest) [smallest, nearestRow] = [distance, row];
    }
    out.set(codebook.subarray(nearestRow, nearestRow + dim), part);
  }
  return out;
}

function round(z, { levels }) {
  const steps = levels - 1;
  return z.map((value) => (Math.round(((Math.min(1, Math.max(-1, value)) + 1) / 2) * steps) / steps) * 2 - 1);
}

function roundToSteps(z, { steps }) {
  return z.map((value, i) => Math.round(value / steps[i]) * steps[i]);
}

// The error function, within 1.5e-7 (Abramowitz & Stegun, 1964, 7.1.26).
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}
