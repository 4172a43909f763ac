// Convolutions as products of matrices: the channels of neighbours in a row lie together, so that a row of a kernel
// meets them without a copy.

import { locateInPanels, roundToLanes } from "./plan.js";

// A kernel (outputs, inputs, rows, columns) of some stride, over x with a border of zeros.
export function planConv(plan, x, { weight, weightShape, bias, stride, padding }) {
  const [outputs, , rows, columns] = weightShape,
    count = (side, kernel) => Math.floor((side + 2 * padding - kernel) / stride) + 1,
    out = plan.placeGrid(count(x.height, rows), count(x.width, columns), outputs),
    framed = planFrame(plan, x, padding);
  const weights = holdKernel(plan, weight, weightShape, [rows, columns], (u, v) => u * columns + v),
    matrix = { weights, biases: holdLanes(plan, bias, outputs), columns: out.lanes },
    row = framed.width * x.lanes,
    patches = { step: stride * x.lanes, row, taps: rows, inner: columns * x.lanes };
  plan.do((kernel) => {
    for (let i = 0; i < out.height; i++) {
      const from = { ...patches, position: framed.position + i * stride * row },
        to = { position: out.position + i * out.width * out.lanes, step: out.lanes, count: out.width };
      kernel.multiply(from, matrix, to);
    }
  });
  return out;
}

// Nearest upsampling by 2, then a kernel of 3 x 3 with a border of 1. Of the doubled places a kernel sees 2 x 2 different
// ones: four kernels of that size, one for each corner of a place, do the same.
export function planUpsampledConv(plan, x, { weight, weightShape, bias }) {
  const outputs = weightShape[0],
    out = plan.placeGrid(2 * x.height, 2 * x.width, outputs),
    framed = planFrame(plan, x, 1),
    biases = holdLanes(plan, bias, outputs),
    row = framed.width * x.lanes,
    patches = { step: x.lanes, row, taps: 2, inner: 2 * x.lanes };
  for (const corner of [0, 1, 2, 3]) {
    const top = corner >> 1,
      left = corner & 1,
      weights = holdKernel(plan, weight, weightShape, [2, 2], (u, v) => 2 * joinTap(top, u) + joinTap(left, v)),
      matrix = { weights, biases, columns: out.lanes };
    plan.do((kernel) => {
      for (let i = 0; i < x.height; i++) {
        const from = { ...patches, position: framed.position + (i + top) * row + left * x.lanes },
          place = (2 * i + top) * out.width + left;
        kernel.multiply(from, matrix, {
          position: out.position + place * out.lanes,
          step: 2 * out.lanes,
          count: x.width,
        });
      }
    });
  }
  return out;
}

// Which of two places a tap of three falls on, for the first or second half of a doubled place.
function joinTap(half, tap) {
  return half === 0 ? Math.min(tap, 1) : Math.floor(tap / 2);
}

// Each place adds a patch (rows, columns) of its own to the result, `stride` apart.
export function planConvTranspose(plan, x, { weight, weightShape, bias, stride, padding, size }) {
  const [inputs, outputs, rows, columns] = weightShape,
    grow = (side, kernel) => (side - 1) * stride - 2 * padding + kernel,
    [height, width] = size ?? [grow(x.height, rows), grow(x.width, columns)],
    out = plan.placeGrid(height, width, outputs),
    patch = rows * columns * out.lanes,
    patches = plan.take(x.width * patch),
    packed = new Float32Array(x.lanes * patch);
  for (let c = 0, next = 0; c < inputs; c++)
    for (let o = 0; o < outputs; o++)
      for (let tap = 0; tap < rows * columns; tap++)
        packed[locateInPanels(c, tap * out.lanes + o, x.lanes, patch)] = weight[next++];
  const matrix = { weights: plan.hold(packed), biases: plan.hold(new Float32Array(patch)), columns: patch },
    biases = holdLanes(plan, bias, outputs);
  plan.do((kernel) => {
    const { floats } = kernel;
    for (let p = out.position; p < out.position + height * width * out.lanes; p += out.lanes)
      floats.copyWithin(p, biases, biases + out.lanes);
    for (let i = 0; i < x.height; i++) {
      const from = { position: x.position + i * x.width * x.lanes, step: x.lanes, row: 0, taps: 1, inner: x.lanes };
      kernel.multiply(from, matrix, { position: patches, step: patch, count: x.width });
      for (let j = 0; j < x.width; j++)
        addPatch(kernel, patches + j * patch, [rows, columns], out, i * stride - padding, j * stride - padding);
    }
  });
  plan.give(patches, x.width * patch);
  return out;
}

// Add a patch to a grid, its first corner at (top, left); what lies outside is left out.
function addPatch(kernel, patch, [rows, columns], out, top, left) {
  const first = Math.max(0, -left),
    end = Math.min(columns, out.width - left);
  if (end <= first) return;
  for (let u = Math.max(0, -top); u < Math.min(rows, out.height - top); u++) {
    const to = out.position + ((top + u) * out.width + left + first) * out.lanes;
    kernel.add(to, patch + (u * columns + first) * out.lanes, (end - first) * out.lanes);
  }
}

// x with a border of zeros; x itself without one.
function planFrame(plan, x, border) {
  if (!border) return x;
  const framed = plan.placeFrame(x, border),
    length = x.width * x.lanes;
  plan.do(({ floats }) => {
    for (let i = 0; i < x.height; i++) {
      const from = x.position + i * length;
      floats.copyWithin(framed.position + ((i + border) * framed.width + border) * x.lanes, from, from + length);
    }
  });
  return framed;
}

// Weights (outputs, inputs, rows, columns) as the kernel takes them; of lanes without a channel they are 0. Tap (u, v)
// is added to that with the number placeTap(u, v) of the `size` (rows, columns) that the kernel has.
function holdKernel(plan, weight, [outputs, inputs, rows, columns], size, placeTap) {
  const [lanes, outLanes] = [inputs, outputs].map(roundToLanes),
    inner = size[0] * size[1] * lanes,
    packed = new Float32Array(inner * outLanes);
  for (let o = 0, next = 0; o < outputs; o++)
    for (let c = 0; c < inputs; c++)
      for (let u = 0; u < rows; u++)
        for (let v = 0; v < columns; v++)
          packed[locateInPanels(placeTap(u, v) * lanes + c, o, inner, outLanes)] += weight[next++];
  return plan.hold(packed);
}

// A value for each channel, 0 for the other lanes and where there is none.
function holdLanes(plan, values, channels) {
  const lanes = new Float32Array(roundToLanes(channels));
  if (values) lanes.set(values);
  return plan.hold(lanes);
}
