// The weights of a layer, and how they begin.

const RECTIFIERS = new Set(["relu", "gelu", "silu"]);

// A layer {name, weight, bias, kind}: of a weight of some shape, `kind` being the non-linearity behind it.
export function addLayer(graph, name, shape, outputs, kind) {
  const weight = graph.addParameter(`${name}.weight`, shape);
  return { name, weight, bias: graph.addParameter(`${name}.bias`, [outputs]), kind };
}

// Draw the initial weights of a layer; its biases are zero. He et al. (2015) for rectifiers, Glorot & Bengio (2010) for
// the rest.
export function beginLayer(graph, { weight, bias, kind }, random) {
  const values = new Float32Array(weight.rows * weight.columns),
    [outputs, inputs, ...kernel] = weight.shape,
    taps = kernel.reduce((a, b) => a * b, 1);
  if (RECTIFIERS.has(kind)) {
    random.fillNormal(values);
    const deviation = Math.sqrt(2 / (inputs * taps));
    for (let i = 0; i < values.length; i++) values[i] *= deviation;
  } else {
    random.fillUniform(values);
    const bound = Math.sqrt(6 / ((inputs + outputs) * taps));
    for (let i = 0; i < values.length; i++) values[i] = (2 * values[i] - 1) * bound;
  }
  graph.writeParameter(weight, values);
  graph.writeParameter(bias, new Float32Array(bias.columns));
}

export function clearParameter({ floats }, { value, count }) {
  floats.fill(0, value, value + count);
}

// Set the first columns of a parameter to values, `columns` a row.
export function writeColumns({ floats }, { value, rows, lanes }, values, columns) {
  for (let row = 0; row < rows; row++)
    floats.set(values.subarray(row * columns, (row + 1) * columns), value + row * lanes);
}

// Set the biases of the layer that gives the code, of variational codes with log variances behind the means.
export function beginBiases(graph, bias, biases, logVariances) {
  const values = new Float32Array(bias.columns);
  values.set(biases);
  values.set(logVariances, logVariances.length ? values.length / 2 : 0);
  graph.writeParameter(bias, values);
}
