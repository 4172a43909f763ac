// Principal components of rows: the largest eigenvectors of their covariance, by subspace iteration.

import { Graph } from "./graph.js";
import { multiply, operand, transpose } from "./products.js";

const SPARE = 8; // more vectors than asked for, which makes these converge
const ITERATIONS = 60;
const SWEEPS = 12; // of Jacobi's rotations
const NO_DEVIATION = 1e-4; // of the rows along a component, as a share of the largest: rounding errors

// {mean, components (K x width), deviations (K)}: at most `count`, and none along which rows do not vary.
export function fitComponents(rows, width, count, { makeKernel, random }) {
  const number = rows.length / width,
    size = Math.min(count + SPARE, width, number),
    mean = findMean(rows, width),
    graph = new Graph(number),
    x = graph.addMatrix(width, { hasGradient: false }),
    covariance = graph.addParameter("covariance", [width, width], { isLearned: false }),
    basis = graph.addParameter("basis", [width, size], { isLearned: false }),
    image = graph.addParameter("image", [width, size], { isLearned: false });
  graph.reserveProduct(number, width);
  graph.reserveProduct(width, size);
  graph.build(makeKernel);
  graph.write(
    x.value,
    x,
    rows.map((value, i) => value - mean[i % width]),
  );
  const values = operand(x.value, x),
    products = operand(covariance.value, covariance);
  multiply(graph, transpose(values), values, products, { rows: width, inner: number, columns: width });
  let vectors = orthonormalise(random.fillNormal(new Float32Array(width * size)), size);
  for (let i = 0; i < ITERATIONS; i++) {
    const applied = applyCovariance(graph, covariance, basis, image, vectors);
    vectors = i + 1 < ITERATIONS ? orthonormalise(applied, size) : rotate(vectors, applied, size);
  }
  return describe(vectors, width, size, Math.min(count, size), mean, number);
}

function findMean(rows, width) {
  const mean = new Float64Array(width);
  rows.forEach((value, i) => (mean[i % width] += value));
  return mean.map((sum) => (sum * width) / rows.length);
}

function applyCovariance(graph, covariance, basis, image, vectors) {
  const sizes = { rows: covariance.rows, inner: covariance.rows, columns: basis.columns };
  graph.writeParameter(basis, vectors);
  const [a, b, to] = [covariance, basis, image].map((part) => operand(part.value, part));
  multiply(graph, a, b, to, sizes);
  return graph.readParameter(image);
}

// Make the columns of a matrix (width x size) orthogonal to each other, of length 1 (Gram-Schmidt, twice).
function orthonormalise(matrix, size) {
  const columns = splitColumns(matrix, size);
  columns.forEach((column, k) => {
    for (const other of [...columns.slice(0, k), ...columns.slice(0, k)]) {
      const share = dot(column, other);
      for (let i = 0; i < column.length; i++) column[i] -= share * other[i];
    }
    const length = Math.sqrt(dot(column, column));
    for (let i = 0; i < column.length; i++) column[i] = length > 1e-30 ? column[i] / length : 0;
  });
  return joinColumns(columns);
}

// Turn orthonormal vectors to eigenvectors, largest first: [vector, eigenvalue], given what the covariance makes of
// them.
function rotate(vectors, applied, size) {
  const columns = splitColumns(vectors, size),
    images = splitColumns(applied, size),
    small = columns.map((column) => images.map((image) => dot(column, image))),
    turns = diagonalise(small);
  const pairs = columns.map((_, k) => {
    const vector = new Float64Array(columns[0].length);
    columns.forEach((column, j) => {
      for (let i = 0; i < vector.length; i++) vector[i] += turns[j][k] * column[i];
    });
    return [vector, small[k][k]];
  });
  return pairs.sort((a, b) => b[1] - a[1]);
}

// Jacobi's rotations: makes a symmetric matrix diagonal, and returns its eigenvectors as columns.
function diagonalise(a) {
  const size = a.length,
    vectors = a.map((_, i) => a.map((__, j) => Number(i === j)));
  for (let sweep = 0; sweep < SWEEPS; sweep++)
    for (let p = 0; p < size; p++)
      for (let q = p + 1; q < size; q++) {
        if (Math.abs(a[p][q]) <= 1e-15 * Math.sqrt(Math.abs(a[p][p] * a[q][q]))) continue;
        const slope = (a[q][q] - a[p][p]) / (2 * a[p][q]),
          tangent = (slope < 0 ? -1 : 1) / (Math.abs(slope) + Math.sqrt(slope * slope + 1)),
          cosine = 1 / Math.sqrt(tangent * tangent + 1),
          sine = tangent * cosine;
        for (let k = 0; k < size; k++)
          [a[k][p], a[k][q]] = [cosine * a[k][p] - sine * a[k][q], sine * a[k][p] + cosine * a[k][q]];
        for (let k = 0; k < size; k++) {
          [a[p][k], a[q][k]] = [cosine * a[p][k] - sine * a[q][k], sine * a[p][k] + cosine * a[q][k]];
          [vectors[k][p], vectors[k][q]] = [
            cosine * vectors[k][p] - sine * vectors[k][q],
            sine * vectors[k][p] + cosine * vectors[k][q],
          ];
        }
      }
  return vectors;
}

function describe(pairs, width, size, count, mean, number) {
  const found = pairs.slice(0, count).map(([vector, value]) => [vector, Math.sqrt(Math.max(0, value) / (number - 1))]),
    kept = found.filter(([, deviation]) => deviation > NO_DEVIATION * found[0][1]),
    components = new Float32Array(kept.length * width);
  kept.forEach(([vector], k) => components.set(vector, k * width));
  return { mean, components, deviations: kept.map(([, deviation]) => deviation) };
}

function splitColumns(matrix, size) {
  const width = matrix.length / size;
  return Array.from({ length: size }, (_, k) => Float64Array.from({ length: width }, (__, i) => matrix[i * size + k]));
}

function joinColumns(columns) {
  const matrix = new Float32Array(columns.length * columns[0].length);
  columns.forEach((column, k) => column.forEach((value, i) => (matrix[i * columns.length + k] = value)));
  return matrix;
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
