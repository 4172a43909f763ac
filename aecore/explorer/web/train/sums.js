// Sums of results.

// a + b, of the same shape.
export function addSum(graph, a, b) {
  const out = { ...graph.addMatrix(a.width, { places: a.places }), grid: a.grid };
  graph.add({
    forward({ rows }) {
      const count = rows * a.places * a.lanes;
      graph.floats.copyWithin(out.value, a.value, a.value + count);
      graph.kernel.add(out.value, b.value, count);
    },
    backward({ rows }) {
      for (const part of [a, b]) graph.kernel.add(part.gradient, out.gradient, rows * a.places * a.lanes);
    },
  });
  return out;
}

// Add `gain` times a result to the first columns of a broader one, in place.
export function addBroad(graph, total, part, gain) {
  const visit = (rows, visitPair) => {
    for (let row = 0; row < rows * part.places; row++)
      for (let c = 0; c < part.width; c++) visitPair(row * total.lanes + c, row * part.lanes + c);
  };
  graph.add({
    forward({ rows }) {
      const { floats } = graph;
      visit(rows, (to, from) => (floats[total.value + to] += gain * floats[part.value + from]));
    },
    backward({ rows }) {
      const { floats } = graph;
      visit(rows, (from, to) => (floats[part.gradient + to] += gain * floats[total.gradient + from]));
    },
  });
}
