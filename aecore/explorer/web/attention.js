// Self-attention between all places of a grid (Vaswani et al., 2017), with one head.

import { locateInPanels, roundToLanes } from "./plan.js";

// The channels of x are queries, keys and values, a third each.
export function planAttention(plan, x) {
  const places = x.height * x.width,
    out = plan.placeGrid(x.height, x.width, x.channels / 3),
    { channels, lanes } = out,
    columns = roundToLanes(places),
    zeros = plan.hold(new Float32Array(Math.max(columns, lanes))),
    sizes = [channels * columns, places * columns, places * lanes];
  const [keys, scores, values] = sizes.map((size) => plan.take(size));
  plan.do((kernel) => {
    const { floats } = kernel;
    for (let p = 0; p < places; p++)
      for (let c = 0, key = x.position + p * x.lanes + channels; c < channels; c++, key++) {
        floats[keys + locateInPanels(c, p, channels, columns)] = floats[key];
        floats[values + locateInPanels(p, c, places, lanes)] = floats[key + channels];
      }
    kernel.multiply(
      { position: x.position, step: x.lanes, row: 0, taps: 1, inner: channels },
      { weights: keys, biases: zeros, columns },
      { position: scores, step: columns, count: places },
    );
    for (let p = 0; p < places; p++) applySoftmax(floats, scores + p * columns, places, 1 / Math.sqrt(channels));
    kernel.multiply(
      { position: scores, step: columns, row: 0, taps: 1, inner: places },
      { weights: values, biases: zeros, columns: lanes },
      { position: out.position, step: lanes, count: places },
    );
  });
  [keys, scores, values].forEach((position, i) => plan.give(position, sizes[i]));
  return out;
}

// Shares that add up to 1, of `count` scores that are scaled first.
function applySoftmax(floats, position, count, scale) {
  let largest = -Infinity,
    total = 0;
  for (let i = position; i < position + count; i++) largest = Math.max(largest, floats[i]);
  for (let i = position; i < position + count; i++) total += floats[i] = Math.exp((floats[i] - largest) * scale);
  for (let i = position; i < position + count; i++) floats[i] /= total;
}
