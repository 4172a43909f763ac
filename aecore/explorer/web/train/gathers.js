// Results whose values are those of another one at other places, or sums of them: pictures as grids, the patches that a
// convolution sees, grids that are cut, doubled or flattened. A grid is a matrix with a row for each place of an
// example, and `grid`, its height and width; a column is a channel.

// A result of `width` columns and `places` rows: its value at (place, column) is that of x at locate(place, column),
// itself [place, column], or 0 where that is null.
export function addGather(graph, x, { width, places = 1, grid }, locate) {
  const hasGradient = x.gradient !== null,
    out = { ...graph.addMatrix(width, { places, hasGradient }), grid },
    offsets = listOffsets(x, out, locate);
  graph.add({
    forward: ({ rows }) => gather(graph.floats, offsets, x, x.value, out, out.value, rows),
    backward({ rows }) {
      if (hasGradient) scatter(graph.floats, offsets, x, x.gradient, out, out.gradient, rows);
    },
  });
  return out;
}

// The way back: each value of x is added to that at locate(place, column) of the result, a grid of so many channels.
export function addScatter(graph, x, { width, grid }, locate) {
  const out = { ...graph.addMatrix(width, { places: grid[0] * grid[1] }), grid },
    offsets = listOffsets(out, x, locate);
  graph.add({
    forward({ rows }) {
      graph.floats.fill(0, out.value, out.value + rows * out.places * out.lanes);
      scatter(graph.floats, offsets, out, out.value, x, x.value, rows);
    },
    backward: ({ rows }) => gather(graph.floats, offsets, out, out.gradient, x, x.gradient, rows),
  });
  return out;
}

// Where in an example of x each value of an example of `out` is; -1 for none.
function listOffsets(x, { width, places }, locate) {
  return Int32Array.from({ length: places * width }, (_, i) => {
    const place = locate(Math.floor(i / width), i % width);
    return place === null ? -1 : place[0] * x.lanes + place[1];
  });
}

function gather(floats, offsets, x, from, { width, places, lanes }, to, rows) {
  for (let n = 0, at = to; n < rows; n++) {
    const first = from + n * x.places * x.lanes;
    for (let p = 0, i = 0; p < places; p++, at += lanes)
      for (let c = 0; c < width; c++, i++) floats[at + c] = offsets[i] < 0 ? 0 : floats[first + offsets[i]];
  }
}

function scatter(floats, offsets, x, to, { width, places, lanes }, from, rows) {
  for (let n = 0, at = from; n < rows; n++) {
    const first = to + n * x.places * x.lanes;
    for (let p = 0, i = 0; p < places; p++, at += lanes)
      for (let c = 0; c < width; c++, i++) if (offsets[i] >= 0) floats[first + offsets[i]] += floats[at + c];
  }
}

// -- pictures and grids

// x (N, C H W) -> the grid (N H W, C).
export function addGrid(graph, x, [channels, height, width]) {
  const places = height * width;
  return addGather(graph, x, { width: channels, places, grid: [height, width] }, (p, c) => [0, c * places + p]);
}

// A grid (N H W, C) -> x (N, C H W).
export function addFlattened(graph, x) {
  const { places } = x;
  return addGather(graph, x, { width: x.width * places }, (_, j) => [j % places, Math.floor(j / places)]);
}

// A grid -> the code that lies on it: of each of the `parts` of its channels all places, their channels side by side.
export function addPlaces(graph, x, parts) {
  const size = x.width / parts,
    length = x.places * size;
  return addGather(graph, x, { width: x.width * x.places }, (_, j) => {
    const rest = j % length;
    return [Math.floor(rest / size), Math.floor(j / length) * size + (rest % size)];
  });
}

// A code -> the grid (height, width) that it lies on.
export function addCodeGrid(graph, x, grid) {
  const places = grid[0] * grid[1],
    width = x.width / places;
  return addGather(graph, x, { width, places, grid }, (p, c) => [0, p * width + c]);
}

// The first places of a grid, to `grid` (height, width); beyond an edge its values are repeated.
export function addWindow(graph, x, grid) {
  const [height, width] = x.grid;
  if (grid[0] === height && grid[1] === width) return x;
  return addGather(graph, x, { width: x.width, places: grid[0] * grid[1], grid }, (p, c) => {
    const row = Math.min(height - 1, Math.floor(p / grid[1])),
      column = Math.min(width - 1, p % grid[1]);
    return [row * width + column, c];
  });
}

// Twice as many rows and columns: each place four times, or by `shuffle` a quarter of the channels for each of the
// four.
export function addDoubled(graph, x, { shuffle }) {
  const [height, width] = x.grid,
    grid = [2 * height, 2 * width],
    channels = shuffle ? x.width / 4 : x.width;
  return addGather(graph, x, { width: channels, places: 4 * x.places, grid }, (p, c) => {
    const [i, j] = [Math.floor(p / grid[1]), p % grid[1]],
      place = (i >> 1) * width + (j >> 1);
    return [place, shuffle ? 4 * c + 2 * (i % 2) + (j % 2) : c];
  });
}
