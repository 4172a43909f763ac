// The scaling of columns: from the units of a table to numbers of the size that networks expect, as the Python package
// fits it (aecore/model/scaling.py). Every value x of a column becomes (x - shift) / scale.

const ROUNDING = 1e-6; // deviations below this share of the mean are little more than float32's rounding
const CONSTANT = 1e-12; // deviations below this are none
const LONG_TAIL = 10; // deviation of all values over that of the middle ones, in columns with long tails
const MIDDLE = [0.05, 0.95]; // quantiles between which the middle values lie
const KEPT = 0.99; // share of the values of a column with a long tail that are not clipped, at least
const CLIP = 30;
const SAMPLE_ROWS = 4096; // from which the middle values are known well enough

// {shift, scale} of rows of so many columns; of one value each for none.
export function fitScaling(rows, columns, kind) {
  if (kind === "none") return { shift: Float32Array.of(0), scale: Float32Array.of(1) };
  const fitted = Array.from({ length: columns }, (_, j) => {
    const values = Float64Array.from({ length: rows.length / columns }, (_, i) => rows[i * columns + j]);
    return kind === "standard" ? standardise(values) : findRange(values);
  });
  return {
    shift: Float32Array.from(fitted, ([shift]) => shift),
    scale: Float32Array.from(fitted, ([, scale]) => scale),
  };
}

// Rows in the network's units, in place.
export function scaleRows(rows, { shift, scale }, { scaling, clip }, isUnit) {
  if (scaling === "none") return rows;
  for (let i = 0; i < rows.length; i++) {
    let value = (rows[i] - shift[i % shift.length]) / scale[i % shift.length];
    if (clip !== null) value = Math.min(clip, Math.max(-clip, value));
    rows[i] = isUnit ? Math.min(1, Math.max(0, value)) : value;
  }
  return rows;
}

// And back, in place.
export function unscaleRows(rows, { shift, scale }, { scaling }) {
  if (scaling !== "none")
    for (let i = 0; i < rows.length; i++) rows[i] = rows[i] * scale[i % shift.length] + shift[i % shift.length];
  return rows;
}

// To zero mean and unit variance. A column of 0 and 1 is centred and doubled; in one with a long tail, mean and
// variance are those of the middle values.
function standardise(values) {
  let [shift, scale] = measure(values);
  if (isBinary(values)) return [shift, 0.5];
  const isVaried = scale > CONSTANT,
    middle = measureMiddle(values);
  scale = Math.max(scale, ROUNDING * Math.abs(shift));
  if (middle[1] > CONSTANT && scale > LONG_TAIL * middle[1]) [shift, scale] = middle;
  return [shift, isVaried ? scale : 1];
}

function findRange(values) {
  const low = values.reduce((a, b) => Math.min(a, b)),
    range = values.reduce((a, b) => Math.max(a, b)) - low;
  return [low, range > CONSTANT ? range : 1];
}

function isBinary(values) {
  return values.includes(0) && values.includes(1) && values.every((value) => value === 0 || value === 1);
}

function measure(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)];
}

// Mean and deviation without the ends: values beyond the quantiles count as these.
function measureMiddle(values) {
  const every = Math.max(1, Math.floor(values.length / SAMPLE_ROWS)),
    some = values.filter((_, i) => i % every === 0),
    [low, high] = [findQuantile(some, MIDDLE[0], Math.ceil), findQuantile(some, MIDDLE[1], Math.floor)],
    [shift, deviation] = measure(some.map((value) => Math.min(high, Math.max(low, value)))),
    distances = some.map((value) => Math.abs(value - shift)),
    farthest = findQuantile(distances, KEPT, Math.floor);
  return [shift, deviation > CONSTANT ? Math.max(deviation, farthest / CLIP) : deviation];
}

function findQuantile(values, share, round) {
  return values.slice().sort()[round((values.length - 1) * share)];
}
