// How the linear path of a residual network begins: as the transform of Karhunen and Loève of blocks of pictures that
// do not overlap, in the middle of kernels that do; or of whole pictures, for a code that is one vector.

import { beginBiases, clearParameter, writeColumns } from "./layers.js";

// Its weights are kept in larger units: a sum over many pixels, they are to move by less a step.
export const PATH_GAIN = 1 / 16;

// The pixels of a block of pictures (channels, height, width) and whose it is, block by block; beyond an edge the last
// pixels are repeated.
export function cutBlocks(rows, [channels, height, width], stride, places) {
  const size = channels * height * width,
    blocks = new Float32Array((rows.length / size) * places[0] * places[1] * channels * stride * stride);
  let at = 0;
  for (let first = 0; first < rows.length; first += size)
    for (let p = 0; p < places[0] * places[1]; p++)
      for (let c = 0; c < channels; c++)
        for (let pixel = 0; pixel < stride * stride; pixel++) {
          const row = Math.min(height - 1, Math.floor(p / places[1]) * stride + Math.floor(pixel / stride)),
            column = Math.min(width - 1, (p % places[1]) * stride + (pixel % stride));
          blocks[at++] = rows[first + (c * height + row) * width + column];
        }
  return blocks;
}

// Let codes begin as rows weight^T + biases.
export function beginResidualPath({ graph, encoder, head, isDense, stride }, weight, biases, logVariances) {
  const path = encoder.path;
  for (const parameter of [head.weight, path]) clearParameter(graph, parameter);
  if (isDense)
    graph.writeParameter(
      path,
      weight.map((value) => value / PATH_GAIN),
    );
  else setCentralBlocks(graph, path, weight, stride);
  beginBiases(graph, head.bias, biases, logVariances);
}

// Let logits begin as z directions^T + bias, for the first units of z.
export function beginResidualPathBack({ graph, decoder, isDense, stride, outputBias }, directions, bias, units) {
  const { path, toPixels } = decoder;
  for (const parameter of [toPixels.weight, toPixels.bias, path]) clearParameter(graph, parameter);
  if (isDense) {
    writeColumns(
      graph,
      path,
      directions.map((value) => value / PATH_GAIN),
      units,
    );
    return graph.writeParameter(outputBias, bias);
  }
  const width = bias.length,
    blocks = Float32Array.from(
      { length: units * width },
      (_, i) => directions[(i % width) * units + Math.floor(i / width)],
    ),
    means = new Float32Array(outputBias.columns);
  setCentralBlocks(graph, path, blocks, stride);
  bias.forEach((value, j) => (means[Math.floor((j * means.length) / width)] += (value * means.length) / width));
  return graph.writeParameter(outputBias, means);
}

// Set the middle of the kernels (units, channels, 2 stride, 2 stride) to blocks (units x channels stride stride).
function setCentralBlocks({ floats }, { value, shape, lanes }, blocks, stride) {
  const [, channels, side] = shape,
    size = channels * stride * stride;
  blocks.forEach((weight, i) => {
    const [unit, j] = [Math.floor(i / size), i % size],
      [c, pixel] = [Math.floor(j / stride ** 2), j % stride ** 2],
      row = stride / 2 + Math.floor(pixel / stride),
      column = stride / 2 + (pixel % stride);
    floats[value + unit * lanes + (c * side + row) * side + column] = weight / PATH_GAIN;
  });
}
