// Convolutions as products with patches of a grid: a patch has the values that a kernel sees at a place, in the
// kernel's order (channels, rows, columns). Kernels are squares {side, stride, padding}.

import { addGather, addScatter } from "./gathers.js";
import { addAffine, addRowsTo } from "./products.js";

export const HALVING = { side: 3, stride: 2, padding: 1 };

// A kernel (outputs, inputs, side, side) over x, with a border of zeros. A layer {weight, bias} may have no bias.
export function addConvolution(graph, x, { weight, bias = null }, kernel = HALVING) {
  if (kernel.side === 1) return { ...addAffine(graph, x, weight, bias), grid: x.grid };
  const { side, stride, padding } = kernel,
    grid = x.grid.map((length) => Math.floor((length + 2 * padding - side) / stride) + 1),
    shape = { width: x.width * side * side, places: grid[0] * grid[1] },
    patches = addGather(graph, x, shape, (p, j) => locateTap(p, j, kernel, grid, x.grid));
  return { ...addAffine(graph, patches, weight, bias), grid };
}

// The way back, to `grid` (height, width): each place of x adds a patch, by a kernel (inputs, outputs, side, side).
export function addTransposedConvolution(graph, x, { weight, bias = null }, grid, kernel = HALVING) {
  const patches = addAffine(graph, x, weight, null, { transposed: true }),
    shape = { width: weight.shape[1], grid },
    out = addScatter(graph, patches, shape, (p, j) => locateTap(p, j, kernel, x.grid, grid));
  if (bias) addBiases(graph, out, bias);
  return out;
}

// The place and channel of the fine grid that value j of the patch of a place of the coarse one stands for.
function locateTap(place, j, { side, stride, padding }, coarse, fine) {
  const taps = side * side,
    tap = j % taps,
    row = Math.floor(place / coarse[1]) * stride - padding + Math.floor(tap / side),
    column = (place % coarse[1]) * stride - padding + (tap % side);
  if (row < 0 || row >= fine[0] || column < 0 || column >= fine[1]) return null;
  return [row * fine[1] + column, Math.floor(j / taps)];
}

// Add the biases (width,) to each row of x, in place.
export function addBiases(graph, x, bias) {
  graph.add({
    forward({ rows }) {
      for (let i = 0; i < rows * x.places; i++) graph.kernel.add(x.value + i * x.lanes, bias.value, x.lanes);
    },
    backward: ({ rows }) => addRowsTo(graph, bias.gradient, x.gradient, x, rows * x.places),
  });
}
