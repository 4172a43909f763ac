// The steps of a grid. Each plan* takes a Plan, a grid and a step, adds the work of the step, and returns the grid of
// its result, which is none of the given ones.

import { ACTIVATIONS } from "./activations.js";
import { planAttention } from "./attention.js";
import { planConv, planConvTranspose, planUpsampledConv } from "./convolution.js";

const PLANNERS = {
  conv: planConv,
  conv_transpose: planConvTranspose,
  upsampled_conv: planUpsampledConv,
  attention: planAttention,
  group_norm: planGroupNorm,
  activation: planActivation,
  sum: planSum,
  shuffle: planShuffle,
  unshuffle: planUnshuffle,
  window: planWindow,
};

// The grid after all steps; x itself where there are none. x keeps its values.
export function planSteps(plan, x, steps) {
  let h = x;
  for (const step of steps) {
    const next = PLANNERS[step.op](plan, h, step);
    if (h !== x) plan.release(h);
    h = next;
  }
  return h;
}

// The sum of what several lists of steps make of x. One with fewer channels is added to the first ones.
function planSum(plan, x, { branches }) {
  const results = branches.map((steps) => planSteps(plan, x, steps));
  const total = results.reduce((a, b) => (a === x || (b !== x && b.channels > a.channels) ? b : a));
  for (const grid of results)
    if (grid !== total) {
      plan.do((kernel) => addGrid(kernel, total, grid));
      if (grid !== x) plan.release(grid);
    }
  return total;
}

function addGrid(kernel, total, { position, height, width, lanes }) {
  if (lanes === total.lanes) return kernel.add(total.position, position, height * width * lanes);
  for (let p = 0; p < height * width; p++) kernel.add(total.position + p * total.lanes, position + p * lanes, lanes);
}

// Groups of channels to mean 0 and variance 1 (Wu & He, 2018), times a weight, plus a bias; SiLU behind it if asked for.
function planGroupNorm(plan, x, { weight, bias, groups, eps, silu = false }) {
  const out = plan.placeGrid(x.height, x.width, x.channels),
    places = x.height * x.width,
    [sums, squares, factor, shift] = Array.from({ length: 4 }, () => plan.hold(new Float32Array(x.lanes)));
  plan.do((kernel) => {
    const { floats } = kernel,
      size = x.channels / groups;
    kernel.measure(x.position, places, x.lanes, sums, squares);
    for (let first = 0; first < x.channels; first += size) {
      const means = [],
        variances = [];
      for (let c = first; c < first + size; c++) {
        const offset = floats[sums + c] / places; // from the first place
        means.push(floats[x.position + c] + offset);
        variances.push(floats[squares + c] / places - offset * offset);
      }
      const average = (values) => values.reduce((a, b) => a + b, 0) / size;
      const mean = average(means),
        variance = average(variances.map((value, i) => value + (means[i] - mean) ** 2));
      for (let c = first; c < first + size; c++) {
        floats[factor + c] = weight[c] / Math.sqrt(variance + eps);
        floats[shift + c] = bias[c] - mean * floats[factor + c];
      }
    }
    kernel.normalise(x.position, out.position, places, x.lanes, factor, shift, silu);
  });
  return out;
}

function planActivation(plan, x, { kind }) {
  const out = plan.placeGrid(x.height, x.width, x.channels),
    places = x.height * x.width;
  if (kind === "silu") {
    const one = plan.hold(new Float32Array(x.lanes).fill(1)),
      zero = plan.hold(new Float32Array(x.lanes));
    plan.do((kernel) => kernel.normalise(x.position, out.position, places, x.lanes, one, zero, true));
  } else
    plan.do(({ floats }) => {
      for (let p = 0; p < places; p++)
        for (let c = 0; c < x.channels; c++)
          floats[out.position + p * x.lanes + c] = ACTIVATIONS[kind](floats[x.position + p * x.lanes + c]);
    });
  return out;
}

// Channels become places: (C r r, H, W) -> (C, H r, W r), as torch.nn.PixelShuffle has them.
function planShuffle(plan, x, { factor }) {
  const out = plan.placeGrid(x.height * factor, x.width * factor, x.channels / factor ** 2);
  plan.do(({ floats }) => visitShuffled(out, x, factor, (fine, coarse) => (floats[fine] = floats[coarse])));
  return out;
}

// The inverse of `shuffle`.
function planUnshuffle(plan, x, { factor }) {
  const out = plan.placeGrid(x.height / factor, x.width / factor, x.channels * factor ** 2);
  plan.do(({ floats }) => visitShuffled(x, out, factor, (fine, coarse) => (floats[coarse] = floats[fine])));
  return out;
}

// Call visit(position in the fine grid, position in the coarse one) for each value.
function visitShuffled(fine, coarse, factor, visit) {
  for (let i = 0; i < fine.height; i++)
    for (let j = 0; j < fine.width; j++) {
      const from = fine.position + (i * fine.width + j) * fine.lanes,
        place = Math.floor(i / factor) * coarse.width + Math.floor(j / factor),
        to = coarse.position + place * coarse.lanes + (i % factor) * factor + (j % factor);
      for (let c = 0; c < fine.channels; c++) visit(from + c, to + c * factor ** 2);
    }
}

// The places from `start` (top, left) on, `size` (height, width) in all; beyond an edge its values are repeated.
function planWindow(plan, x, { start: [top, left], size: [height, width] }) {
  const out = plan.placeGrid(height, width, x.channels),
    clamp = (value, count) => Math.max(0, Math.min(count - 1, value));
  plan.do(({ floats }) => {
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const from = x.position + (clamp(i + top, x.height) * x.width + clamp(j + left, x.width)) * x.lanes;
        floats.copyWithin(out.position + (i * width + j) * x.lanes, from, from + x.lanes);
      }
  });
  return out;
}
