// The plane of a map whose codes move: for two units the code itself, for more the two directions of largest variance.

import { Plane, dot } from "../plane.js";

const FIRST_ROUNDS = 12; // of orthogonal iteration, from nothing
const ROUNDS = 2; // from the plane before, which the codes have hardly left

// codes: Float32Array, rows of `dim`; before: the plane of earlier codes, or null. It begins at the plane before, so that
// neither the order nor the signs of its axes jump.
export function followPrincipalPlane(codes, dim, before) {
  if (dim < 3) return before ?? makeCodePlane(dim);
  const mean = computeMean(codes, dim);
  let axes = before?.axes ?? pickWidestUnits(codes, mean);
  for (let round = before ? ROUNDS : FIRST_ROUNDS; round > 0; round--)
    axes = orthonormalise(multiplyByCovariance(codes, mean, axes), axes);
  return new Plane(mean, axes);
}

// The share of the variance of the codes that a plane holds.
export function measureShare(codes, { origin, axes: [first, second] }) {
  let [held, total] = [0, 0];
  for (let start = 0; start < codes.length; start += origin.length) {
    let [along, across] = [0, 0];
    for (let j = 0; j < origin.length; j++) {
      const offset = codes[start + j] - origin[j];
      total += offset * offset;
      along += offset * first[j];
      across += offset * second[j];
    }
    held += along ** 2 + across ** 2;
  }
  return total ? held / total : 1;
}

function makeCodePlane(dim) {
  const axes = [0, 1].map((axis) => Float32Array.from({ length: dim }, (_, j) => (j === axis ? 1 : 0)));
  return new Plane(new Float32Array(dim), axes);
}

function computeMean(codes, dim) {
  const mean = new Float32Array(dim);
  for (let i = 0; i < codes.length; i++) mean[i % dim] += (codes[i] * dim) / codes.length;
  return mean;
}

// Unit vectors along the two units of largest variance.
function pickWidestUnits(codes, mean) {
  const dim = mean.length,
    variance = new Float64Array(dim);
  for (let i = 0; i < codes.length; i++) variance[i % dim] += (codes[i] - mean[i % dim]) ** 2;
  const widest = Array.from(variance.keys()).sort((a, b) => variance[b] - variance[a]);
  return widest.slice(0, 2).map((unit) => Float32Array.from({ length: dim }, (_, j) => (j === unit ? 1 : 0)));
}

// The covariance of the codes, which is never built, times each axis.
function multiplyByCovariance(codes, mean, axes) {
  const dim = mean.length,
    products = axes.map(() => new Float32Array(dim));
  for (let start = 0; start < codes.length; start += dim)
    for (const [i, axis] of axes.entries()) {
      let along = 0;
      for (let j = 0; j < dim; j++) along += (codes[start + j] - mean[j]) * axis[j];
      for (let j = 0; j < dim; j++) products[i][j] += along * (codes[start + j] - mean[j]);
    }
  return products;
}

// By Gram and Schmidt; where a vector vanishes, its axis stays as it was.
function orthonormalise([a, b], [oldA, oldB]) {
  const first = normalise(a) ?? oldA,
    along = dot(b, first),
    second = normalise(b.map((value, j) => value - along * first[j])) ?? oldB;
  return Math.abs(dot(first, second)) < 0.5 ? [first, second] : [oldA, oldB];
}

function normalise(vector) {
  const length = Math.sqrt(dot(vector, vector));
  return length > 1e-12 ? vector.map((value) => value / length) : null;
}
