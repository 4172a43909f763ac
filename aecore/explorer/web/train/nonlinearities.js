// Non-linearities with their slopes, and of a code the bound on its log variances.

import { ACTIVATIONS, sigmoid } from "../activations.js";

const DENSITY = 1 / Math.sqrt(2 * Math.PI);
const MAX_LOG_VARIANCE = 6; // above which one grows like a logarithm

// f'(a), also by y = f(a)
const SLOPES = {
  relu: (a) => (a > 0 ? 1 : 0),
  sigmoid: (a, y) => y * (1 - y),
  tanh: (a, y) => 1 - y * y,
  gelu: (a, y) => (a === 0 ? 0.5 : y / a) + a * DENSITY * Math.exp(-0.5 * a * a),
  silu: (a, y) => {
    const share = sigmoid(a);
    return share + y * (1 - share);
  },
};

// f(x) of each value; x itself where f is linear.
export function addActivation(graph, x, kind) {
  if (kind === "linear") return x;
  const out = copyShape(graph, x),
    slopes = graph.take(graph.batch * x.places * x.lanes);
  graph.add({
    forward: (pass) => activate(graph.floats, kind, x, out, slopes, pass.rows * x.places, 0, x.width),
    backward: (pass) => addSlopes(graph.floats, x, out, slopes, pass.rows * x.places),
  });
  return out;
}

// What the encoder gives -> its first `dim` values through the code's non-linearity, and log variances within bounds.
export function addCodeActivation(graph, x, kind, dim) {
  if (x.width === dim) return addActivation(graph, x, kind);
  const out = copyShape(graph, x),
    slopes = graph.take(graph.batch * x.lanes);
  graph.add({
    forward({ rows }) {
      const { floats } = graph;
      activate(floats, kind, x, out, slopes, rows, 0, dim);
      for (let i = 0; i < rows; i++)
        for (let j = dim, at = i * x.lanes + dim; j < x.width; j++, at++) {
          const a = floats[x.value + at],
            excess = Math.max(0, a - MAX_LOG_VARIANCE);
          floats[out.value + at] = a - excess + Math.log1p(excess);
          floats[slopes + at] = 1 / (1 + excess);
        }
    },
    backward: ({ rows }) => addSlopes(graph.floats, x, out, slopes, rows),
  });
  return out;
}

function copyShape(graph, x) {
  return { ...graph.addMatrix(x.width, { places: x.places }), grid: x.grid };
}

// Set out = f(x) and the slopes there, of the values from `first` to before `end` in each row.
function activate(floats, kind, x, out, slopes, rows, first, end) {
  if (kind === "relu") return rectify(floats, x, out, slopes, rows * x.lanes);
  const f = ACTIVATIONS[kind] ?? ((a) => a),
    slope = SLOPES[kind] ?? (() => 1);
  for (let i = 0; i < rows; i++)
    for (let at = i * x.lanes + first, last = i * x.lanes + end; at < last; at++) {
      const a = floats[x.value + at],
        y = f(a);
      floats[out.value + at] = y;
      floats[slopes + at] = slope(a, y);
    }
}

// The same for relu, which grids have most of: without a call for each value. What lies beyond `end` is set again or 0.
function rectify(floats, x, out, slopes, count) {
  for (let at = 0; at < count; at++) {
    const a = floats[x.value + at];
    floats[out.value + at] = a > 0 ? a : 0;
    floats[slopes + at] = a > 0 ? 1 : 0;
  }
}

function addSlopes(floats, x, out, slopes, rows) {
  for (let at = 0; at < rows * x.lanes; at++)
    floats[x.gradient + at] += floats[out.gradient + at] * floats[slopes + at];
}
