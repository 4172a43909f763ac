// Products of matrices in the memory of a graph, and the layers that are made of them. An operand is
// {position, row, column}: where it begins, and how far apart its rows and columns are; so a transpose needs no copy.

export function transpose({ position, row, column }) {
  return { position, row: column, column: row };
}

// The values or gradients of a matrix or parameter as an operand.
export function operand(position, { lanes }) {
  return { position, row: lanes, column: 1 };
}

// out (rows, columns) = a (rows, inner) b (inner, columns) + biases (columns,); or `adds` it to what is there.
export function multiply(graph, a, b, out, { rows, inner, columns, biases = graph.zeros, adds = false }) {
  const { kernel, panels } = graph,
    from =
      a.column === 1
        ? { position: a.position, step: a.row, row: 0, taps: 1, inner }
        : { position: a.position, step: a.row, row: a.column, taps: inner, inner: 1 };
  const lanes = kernel.pack(b, inner, columns, panels);
  kernel.multiply(
    from,
    { weights: panels, biases, columns: lanes },
    { position: out.position, step: out.row, count: rows, adds },
  );
}

// x (N, in) -> x W^T + b (N, out), W (out, in); `transposed`: x W + b, of whose rows the first ones are taken. `into`
// an earlier result: added to its first values.
export function addAffine(graph, x, weight, bias, { transposed = false, into = null } = {}) {
  const inner = x.width,
    columns = transposed ? weight.columns : weight.rows,
    out = into ?? graph.addMatrix(columns, { places: x.places }),
    most = graph.batch * x.places;
  graph.reserveProduct(inner, columns);
  graph.reserveProduct(columns, inner);
  graph.reserveProduct(most, Math.max(inner, columns));
  const orient = (position) => (transposed ? operand(position, weight) : transpose(operand(position, weight)));
  graph.add({
    forward(pass) {
      const rows = pass.rows * x.places,
        sizes = { rows, inner, columns, biases: bias?.value, adds: into !== null };
      multiply(graph, operand(x.value, x), orient(weight.value), operand(out.value, out), sizes);
    },
    backward(pass) {
      const rows = pass.rows * x.places,
        change = operand(out.gradient, out),
        values = operand(x.value, x),
        to = operand(weight.gradient, weight);
      if (transposed) multiply(graph, transpose(values), change, to, { rows: inner, inner: rows, columns, adds: true });
      else multiply(graph, transpose(change), values, to, { rows: columns, inner: rows, columns: inner, adds: true });
      if (bias) addRowsTo(graph, bias.gradient, out.gradient, out, rows);
      if (x.gradient === null) return;
      const sizes = { rows, inner: columns, columns: inner, adds: true };
      multiply(graph, change, transpose(orient(weight.value)), operand(x.gradient, x), sizes);
    },
  });
  return out;
}

// The sum of all rows of a matrix, added to the floats at `sum`.
export function addRowsTo({ kernel }, sum, position, { lanes }, rows) {
  for (let i = 0; i < rows; i++) kernel.add(sum, position + i * lanes, lanes);
}
