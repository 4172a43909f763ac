// Convolutions as products: patches of a grid as rows of a matrix, in the order of a kernel (channels, rows, columns).
// A grid is a matrix with a row for each place; `grid` are its height and width.

import { addAffine, addRowsTo } from "./products.js";

const SIDE = 3; // of a kernel
const STRIDE = 2;
const PADDING = 1;

// A kernel (outputs, inputs, 3, 3) of stride 2 over x, with a border of zeros.
export function addConvolution(graph, x, { weight, bias }) {
  const grid = x.grid.map((side) => Math.floor((side + 2 * PADDING - SIDE) / STRIDE) + 1),
    patches = graph.addMatrix(x.width * SIDE * SIDE, { places: grid[0] * grid[1] });
  graph.add({
    forward({ rows }) {
      clear(graph, patches.value, patches, rows);
      movePatches(graph.floats, x, x.value, grid, patches, patches.value, rows, true);
    },
    backward({ rows }) {
      if (x.gradient !== null) movePatches(graph.floats, x, x.gradient, grid, patches, patches.gradient, rows, false);
    },
  });
  return { ...addAffine(graph, patches, weight, bias), grid };
}

// The way back, to `grid` (height, width): each place of x adds a patch, by a kernel (inputs, outputs, 3, 3).
export function addTransposedConvolution(graph, x, { weight, bias }, grid) {
  const outputs = weight.shape[1],
    patches = addAffine(graph, x, weight, null, { transposed: true }),
    out = { ...graph.addMatrix(outputs, { places: grid[0] * grid[1] }), grid };
  graph.add({
    forward({ rows }) {
      clear(graph, out.value, out, rows);
      movePatches(graph.floats, out, out.value, x.grid, patches, patches.value, rows, false);
      for (let p = 0; p < rows * out.places; p++) graph.kernel.add(out.value + p * out.lanes, bias.value, out.lanes);
    },
    backward({ rows }) {
      movePatches(graph.floats, out, out.gradient, x.grid, patches, patches.gradient, rows, true);
      addRowsTo(graph, bias.gradient, out.gradient, out, rows * out.places);
    },
  });
  return out;
}

// x (N, C H W) -> the grid (N H W, C).
export function addGrid(graph, x, [channels, height, width]) {
  const sizes = { places: height * width, hasGradient: x.gradient !== null },
    out = { ...graph.addMatrix(channels, sizes), grid: [height, width] };
  graph.add({
    forward({ rows }) {
      clear(graph, out.value, out, rows);
      moveChannels(graph.floats, out, out.value, x, x.value, rows, true);
    },
    backward({ rows }) {
      if (x.gradient !== null) moveChannels(graph.floats, out, out.gradient, x, x.gradient, rows, false);
    },
  });
  return out;
}

// A grid (N H W, C) -> x (N, C H W).
export function addFlattened(graph, x) {
  const out = graph.addMatrix(x.width * x.places);
  graph.add({
    forward({ rows }) {
      clear(graph, out.value, out, rows);
      moveChannels(graph.floats, x, x.value, out, out.value, rows, false);
    },
    backward: ({ rows }) => moveChannels(graph.floats, x, x.gradient, out, out.gradient, rows, true),
  });
  return out;
}

function clear({ floats }, position, { lanes, places }, rows) {
  floats.fill(0, position, position + rows * places * lanes);
}

// Add the places of a grid to the patches that hold them, or the patches to the places. A patch row of `patches`
// belongs to a place of `coarse` (height, width).
function movePatches(floats, { grid, width, lanes, places }, from, coarse, patches, to, rows, toPatches) {
  const [height, columns] = grid,
    taps = SIDE * SIDE;
  for (let n = 0, patch = to; n < rows; n++)
    for (let i = 0; i < coarse[0]; i++)
      for (let j = 0; j < coarse[1]; j++, patch += patches.lanes)
        for (let tap = 0; tap < taps; tap++) {
          const row = i * STRIDE - PADDING + Math.floor(tap / SIDE),
            column = j * STRIDE - PADDING + (tap % SIDE);
          if (row < 0 || row >= height || column < 0 || column >= columns) continue;
          const place = from + (n * places + row * columns + column) * lanes;
          if (toPatches) for (let c = 0; c < width; c++) floats[patch + c * taps + tap] += floats[place + c];
          else for (let c = 0; c < width; c++) floats[place + c] += floats[patch + c * taps + tap];
        }
}

// Add the channels of a grid to rows (C H W), or these to the grid.
function moveChannels(floats, { places, width, lanes }, from, flat, to, rows, toGrid) {
  for (let n = 0; n < rows; n++)
    for (let p = 0; p < places; p++) {
      const place = from + (n * places + p) * lanes,
        pixel = to + n * flat.lanes + p;
      if (toGrid) for (let c = 0; c < width; c++) floats[place + c] += floats[pixel + c * places];
      else for (let c = 0; c < width; c++) floats[pixel + c * places] += floats[place + c];
    }
}
