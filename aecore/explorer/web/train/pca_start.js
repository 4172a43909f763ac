// The start of a model with a linear path: as PCA of its training examples (aecore/training/pca_start.py).

import { sigmoid } from "../activations.js";
import { fitComponents } from "./components.js";
import { Graph } from "./graph.js";
import { multiply, operand, transpose } from "./products.js";

const PCA_VALUES = 2 ** 22; // of the examples to which components are fitted
const MIN_BETA = 1e-6; // of a code whose KL has no weight: log variances have to begin somewhere
const LOGISTIC_STEPS = 50; // of the fit of a linear path to values between 0 and 1
const LOGISTIC_ROWS = 2048; // examples for it

// Begin the linear path as principal components of rows (N x features) in the network's units, or of the blocks of
// pictures that a place of the code stands for: codes have unit variance, and the layers beside the path are zero.
export function startAsPca(model, rows, tools) {
  const { features, likelihood, network } = model,
    some = network.cutPathRows(takeEvenly(rows, features, Math.max(2, Math.floor(PCA_VALUES / features)))),
    { width } = network.pathSize,
    { mean, components, deviations } = fitPath(model, some, tools),
    units = deviations.length,
    weight = components.map((value, i) => value / deviations[Math.floor(i / width)]),
    shift = deviations.map((_, k) => sumProducts(weight, k * width, mean)),
    changes = transposeRows(
      components.map((value, i) => value * deviations[Math.floor(i / width)]),
      units,
    );
  const line = { directions: changes, bias: network.pathBias },
    codes = encodeLinearly(some, width, weight, shift);
  if (likelihood.hasSigmoid) fitLogistic(line, codes, some, units, width, tools);
  if (likelihood.spread) likelihood.startSpread(decodeLinearly(codes, units, line), some, width);
  const biases = shift.map((value) => -value);
  network.beginPath(weight, biases, findLogVariances(model, line, units));
  network.beginPathBack(line.directions, line.bias, units);
}

// The components of rows, with deviations all alike for codes whose nearest ones are to be those of the nearest
// pictures.
function fitPath({ network, bottleneck }, rows, tools) {
  const { width, units } = network.pathSize,
    fitted = fitComponents(rows, width, units, tools);
  if (bottleneck.options.kind !== "vector_quantized") return fitted;
  const square = fitted.deviations.reduce((sum, value) => sum + value * value, 0) / fitted.deviations.length;
  return { ...fitted, deviations: fitted.deviations.map(() => Math.sqrt(square)) };
}

// At most `count` rows, at even distances.
export function takeEvenly(rows, width, count) {
  const number = rows.length / width;
  if (number <= count) return rows;
  const some = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * (number - 1)) / (count - 1)) * width;
    some.set(rows.subarray(from, from + width), i * width);
  }
  return some;
}

function sumProducts(values, first, others) {
  let sum = 0;
  for (let i = 0; i < others.length; i++) sum += values[first + i] * others[i];
  return sum;
}

// Rows (count x width) -> (width x count).
function transposeRows(rows, count) {
  const width = rows.length / count;
  return rows.map((_, i) => rows[(i % count) * width + Math.floor(i / count)]);
}

function encodeLinearly(rows, width, weight, shift) {
  const units = shift.length;
  return Float32Array.from({ length: (rows.length / width) * units }, (_, i) => {
    const row = rows.subarray(Math.floor(i / units) * width, (Math.floor(i / units) + 1) * width);
    return sumProducts(weight, (i % units) * width, row) - shift[i % units];
  });
}

function decodeLinearly(codes, units, { directions, bias }) {
  const width = bias.length;
  return Float32Array.from({ length: (codes.length / units) * width }, (_, i) => {
    const row = Math.floor(i / width) * units;
    return bias[i % width] + sumProducts(directions, (i % width) * units, codes.subarray(row, row + units));
  });
}

// Fit logits W z + b to values between 0 and 1, by steps that never raise the cross-entropy (Böhning & Lindsay, 1988).
// Codes have mean 0 and variance 1 and are uncorrelated. Replaces directions (features x units) and bias.
function fitLogistic(line, codes, rows, units, features, { makeKernel }) {
  const x = takeEvenly(rows, features, LOGISTIC_ROWS),
    number = x.length / features,
    graph = new Graph(number),
    [z, scaled, logits] = [units, units, features].map((width) => graph.addMatrix(width, { hasGradient: false })),
    [weight, bias] = [[features, units], [features]].map((shape) =>
      graph.addParameter("", shape, { isLearned: false }),
    );
  graph.reserveProduct(units, features);
  graph.reserveProduct(number, units);
  graph.build(makeKernel);
  const some = takeEvenly(codes, units, LOGISTIC_ROWS);
  graph.write(z.value, z, some);
  graph.write(
    scaled.value,
    scaled,
    some.map((value) => (4 * value) / number),
  );
  graph.writeParameter(bias, line.bias);
  const [codesOf, scaledCodes, residuals, weights] = [z, scaled, logits, weight].map((part) =>
    operand(part.value, part),
  );
  for (let step = 0; step < LOGISTIC_STEPS; step++) {
    const forward = { rows: number, inner: units, columns: features, biases: bias.value };
    multiply(graph, codesOf, transpose(weights), residuals, forward);
    subtractSigmoids(graph, logits, bias, x, number, features);
    multiply(graph, transpose(residuals), scaledCodes, weights, {
      rows: features,
      inner: number,
      columns: units,
      adds: true,
    });
  }
  Object.assign(line, { directions: graph.readParameter(weight), bias: graph.readParameter(bias) });
}

// Replace logits by x - sigmoid(logit), and move the biases by four times their mean.
function subtractSigmoids({ floats }, logits, bias, x, number, features) {
  const sums = new Float64Array(features);
  for (let n = 0, i = 0; n < number; n++)
    for (let j = 0, at = logits.value + n * logits.lanes; j < features; j++, at++, i++)
      sums[j] += floats[at] = x[i] - sigmoid(floats[at]);
  sums.forEach((sum, j) => (floats[bias.value + j] += (4 * sum) / number));
}

// Log variances of Gaussian codes in a linear model: those of probabilistic PCA (Tipping & Bishop, 1999) with a noise
// of beta times the likelihood's; none for other codes.
function findLogVariances({ bottleneck, likelihood }, { directions, bias }, units) {
  if (bottleneck.options.kind !== "gaussian") return [];
  const precisions = likelihood.findPrecisions(bias),
    gains = new Float64Array(units),
    beta = Math.max(MIN_BETA, bottleneck.options.beta);
  directions.forEach((value, i) => (gains[i % units] += value * value * precisions[Math.floor(i / units)]));
  return Array.from(gains, (gain) => -Math.log1p(gain / beta));
}
