// The nearest of some rows, and k-means.

const STEPS = 10;
const ROWS_OF_CENTRE = 64; // to which a centre is fitted, at most

// The number of the row, from `first` to before `end`, that is nearest to the values at `at`. Rows are {values,
// position, step, width}: where they begin, and how far apart they are.
export function findNearestRow({ values, position, step, width }, first, end, others, at) {
  let smallest = Infinity,
    nearest = first;
  for (let row = first; row < end; row++) {
    let distance = 0;
    for (let i = 0, from = position + row * step; i < width; i++) distance += (values[from + i] - others[at + i]) ** 2;
    if (distance < smallest) [smallest, nearest] = [distance, row];
  }
  return nearest;
}

// k-means centres (count, width) of rows, and their sizes: Lloyd's algorithm from random rows. Centres without any keep
// their place.
export function clusterRows(rows, width, count, random) {
  const order = random.permute(rows.length / width).subarray(0, ROWS_OF_CENTRE * count),
    centres = new Float32Array(count * width);
  let sizes = new Float64Array(count).fill(1);
  for (let k = 0; k < count; k++) {
    const from = order[k % order.length] * width;
    centres.set(rows.subarray(from, from + width), k * width);
  }
  for (let step = 0; step < STEPS; step++) {
    const sums = new Float64Array(count * width);
    sizes = new Float64Array(count);
    for (const row of order) {
      const nearest = findNearestRow({ values: centres, position: 0, step: width, width }, 0, count, rows, row * width);
      sizes[nearest]++;
      for (let i = 0; i < width; i++) sums[nearest * width + i] += rows[row * width + i];
    }
    sums.forEach((sum, i) => {
      const size = sizes[Math.floor(i / width)];
      if (size) centres[i] = sum / size;
    });
  }
  return { centres, sizes };
}
