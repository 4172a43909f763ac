// Normalisation of hidden units: over the batch (Ioffe & Szegedy, 2015), over the layer of each example (Ba et al.,
// 2016), or over groups of the channels of a picture (Wu & He, 2018). All are y = x^ * weight + bias for values x^ of
// mean 0 and variance 1.

const EPS = 1e-5;
const MOMENTUM = 0.1; // of the running statistics
const MAX_GROUPS = 8; // of channels that are normalised together

// Normalise x by `kind`: x itself where that is "none". `norm` are its parameters, as addNormParameters made them.
export function addNorm(graph, x, kind, norm) {
  if (kind === "none") return x;
  return kind === "batch" ? addBatchNorm(graph, x, norm) : addLayerNorm(graph, x, norm);
}

export function addNormParameters(graph, name, kind, width) {
  if (kind === "none") return null;
  const norm = {
    weight: graph.addParameter(`${name}.weight`, [width]),
    bias: graph.addParameter(`${name}.bias`, [width]),
  };
  if (kind !== "batch") return norm;
  const buffer = { isLearned: false };
  return {
    ...norm,
    mean: graph.addParameter(`${name}.running_mean`, [width], buffer),
    variance: graph.addParameter(`${name}.running_var`, [width], buffer),
    batches: graph.addParameter(`${name}.num_batches_tracked`, [], { ...buffer, isInteger: true }),
  };
}

export function beginNorm(graph, norm) {
  const ones = norm?.variance ? [norm.weight, norm.variance] : norm ? [norm.weight] : [];
  for (const parameter of ones) graph.writeParameter(parameter, new Float32Array(parameter.columns).fill(1));
}

function addBatchNorm(graph, x, norm) {
  const out = graph.addMatrix(x.width, { places: x.places }),
    normalised = graph.take(graph.batch * x.places * x.lanes),
    factors = graph.take(x.lanes); // 1 / deviation
  let follows = false;
  graph.add({
    forward(pass) {
      const { floats } = graph,
        rows = pass.rows * x.places;
      follows = pass.followsBatch && rows > 1; // a single example has no statistics of its own
      for (let j = 0; j < x.width; j++) {
        const [mean, variance] = follows
          ? measure(floats, x.value + j, rows, x.lanes)
          : [floats[norm.mean.value + j], floats[norm.variance.value + j]];
        const factor = (floats[factors + j] = 1 / Math.sqrt(variance + EPS));
        for (let i = 0, at = j; i < rows; i++, at += x.lanes) {
          const value = (floats[normalised + at] = (floats[x.value + at] - mean) * factor);
          floats[out.value + at] = value * floats[norm.weight.value + j] + floats[norm.bias.value + j];
        }
        if (!follows) continue;
        floats[norm.mean.value + j] += MOMENTUM * (mean - floats[norm.mean.value + j]);
        const unbiased = (variance * rows) / (rows - 1);
        floats[norm.variance.value + j] += MOMENTUM * (unbiased - floats[norm.variance.value + j]);
      }
      if (follows) floats[norm.batches.value] += 1;
    },
    backward(pass) {
      const { floats } = graph,
        rows = pass.rows * x.places;
      for (let j = 0; j < x.width; j++) {
        const line = { first: j, step: x.lanes, count: rows, unit: j, unitStep: 0, factor: floats[factors + j] };
        backNormalise(floats, x, out, normalised, norm, line, follows);
      }
    },
  });
  return out;
}

function addLayerNorm(graph, x, norm) {
  const out = graph.addMatrix(x.width, { places: x.places }),
    normalised = graph.take(graph.batch * x.places * x.lanes),
    factors = graph.take(graph.batch * x.places);
  graph.add({
    forward(pass) {
      const { floats } = graph,
        rows = pass.rows * x.places;
      for (let i = 0; i < rows; i++) {
        const [mean, variance] = measure(floats, x.value + i * x.lanes, x.width, 1),
          factor = (floats[factors + i] = 1 / Math.sqrt(variance + EPS));
        for (let j = 0, at = i * x.lanes; j < x.width; j++, at++) {
          const value = (floats[normalised + at] = (floats[x.value + at] - mean) * factor);
          floats[out.value + at] = value * floats[norm.weight.value + j] + floats[norm.bias.value + j];
        }
      }
    },
    backward(pass) {
      const { floats } = graph,
        rows = pass.rows * x.places;
      for (let i = 0; i < rows; i++) {
        const line = { first: i * x.lanes, step: 1, count: x.width, unit: 0, unitStep: 1, factor: floats[factors + i] };
        backNormalise(floats, x, out, normalised, norm, line, true);
      }
    },
  });
  return out;
}

// Normalise the channels of a few over all places of a picture.
export function addGroupNorm(graph, x, norm) {
  const out = { ...graph.addMatrix(x.width, { places: x.places }), grid: x.grid },
    normalised = graph.take(graph.batch * x.places * x.lanes),
    groups = findGroups(x.width),
    factors = new Float64Array(graph.batch * groups),
    size = x.width / groups,
    count = size * x.places;
  // Call visit(place, channel) for the values of group g of picture n.
  const visitGroup = (n, g, visit) => {
    for (let p = 0, at = n * x.places * x.lanes; p < x.places; p++, at += x.lanes)
      for (let c = g * size; c < (g + 1) * size; c++) visit(at + c, c);
  };
  graph.add({
    forward({ rows }) {
      const { floats } = graph;
      for (let i = 0; i < rows * groups; i++) {
        const [n, g] = [Math.floor(i / groups), i % groups];
        let [sum, square] = [0, 0];
        visitGroup(n, g, (at) => (sum += floats[x.value + at]));
        visitGroup(n, g, (at) => (square += (floats[x.value + at] - sum / count) ** 2));
        factors[i] = 1 / Math.sqrt(square / count + EPS);
        visitGroup(n, g, (at, c) => {
          const value = (floats[normalised + at] = (floats[x.value + at] - sum / count) * factors[i]);
          floats[out.value + at] = value * floats[norm.weight.value + c] + floats[norm.bias.value + c];
        });
      }
    },
    backward({ rows }) {
      const { floats } = graph;
      for (let i = 0; i < rows * groups; i++) {
        const [n, g] = [Math.floor(i / groups), i % groups];
        let [sum, along] = [0, 0];
        visitGroup(n, g, (at, c) => {
          const change = floats[out.gradient + at],
            scaled = change * floats[norm.weight.value + c];
          floats[norm.weight.gradient + c] += change * floats[normalised + at];
          floats[norm.bias.gradient + c] += change;
          sum += scaled;
          along += scaled * floats[normalised + at];
        });
        visitGroup(n, g, (at, c) => {
          const scaled = floats[out.gradient + at] * floats[norm.weight.value + c];
          floats[x.gradient + at] += factors[i] * (scaled - (sum + floats[normalised + at] * along) / count);
        });
      }
    },
  });
  return out;
}

// How many groups so many channels have: their greatest common divisor with MAX_GROUPS.
export function findGroups(channels) {
  let groups = MAX_GROUPS;
  while (channels % groups) groups /= 2;
  return groups;
}

// Mean and variance of `count` floats, `step` apart.
function measure(floats, position, count, step) {
  let sum = 0,
    square = 0;
  for (let i = 0, at = position; i < count; i++, at += step) sum += floats[at];
  const mean = sum / count;
  for (let i = 0, at = position; i < count; i++, at += step) square += (floats[at] - mean) ** 2;
  return [mean, square / count];
}

// Gradients of a line of values that were normalised together. Where that was by their `own` mean and deviation, these
// move with them: the mean of the gradients, and their part along the values, have no effect.
function backNormalise(floats, x, out, normalised, norm, { first, step, count, unit, unitStep, factor }, own) {
  let sum = 0,
    along = 0;
  for (let i = 0, p = first, u = unit; i < count; i++, p += step, u += unitStep) {
    const change = floats[out.gradient + p],
      value = floats[normalised + p],
      scaled = change * floats[norm.weight.value + u];
    floats[norm.weight.gradient + u] += change * value;
    floats[norm.bias.gradient + u] += change;
    sum += scaled;
    along += scaled * value;
  }
  for (let i = 0, p = first, u = unit; i < count; i++, p += step, u += unitStep) {
    const scaled = floats[out.gradient + p] * floats[norm.weight.value + u],
      statistics = own ? (sum + floats[normalised + p] * along) / count : 0;
    floats[x.gradient + p] += factor * (scaled - statistics);
  }
}
