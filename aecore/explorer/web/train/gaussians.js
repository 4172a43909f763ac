// Gaussian likelihoods: |x - x^|^2 / (2 v) for a noise variance v that is set, learned, or the best for each batch.

import { sigmoid } from "../activations.js";
import { Likelihood } from "./likelihood.js";

const LN_TAU = Math.log(2 * Math.PI);
const MIN_VARIANCE = 1e-6; // below that of rounding to 8 bits, for values in [0, 1]
const WINDOW = 100; // batches whose mean variance is kept

// The variance is set. What is constant then is left out.
export class Gaussian extends Likelihood {
  constructor(graph, features, options, groups = 1) {
    super(graph, features);
    Object.assign(this, { options, groups, hasSigmoid: options.output === "sigmoid" });
  }

  prepare(rows) {
    this.errors = new Float64Array(rows * this.groups); // squared, summed over the features of each group
    this.variances = new Float64Array(rows * this.groups);
  }

  // The variance of each group, outside of training.
  get presentVariances() {
    return [this.options.variance];
  }

  // Set the variance of each group of so many rows of logits.
  setVariances(rows, _pass) {
    const present = this.presentVariances;
    for (let i = 0; i < rows * this.groups; i++) this.variances[i] = present[i % this.groups];
  }

  // What a variance adds to the loss of a value.
  normalise(_variance) {
    return 0;
  }

  findPrecisions(logits) {
    const present = this.presentVariances,
      size = logits.length / this.groups;
    return logits.map((logit, j) => {
      const mean = sigmoid(logit),
        slope = this.hasSigmoid ? mean * (1 - mean) : 1;
      return (slope * slope) / present[Math.floor(j / size)];
    });
  }

  setNats(logits, target, pass) {
    const { errors, variances, features, groups, nats } = this,
      rows = pass.rows * logits.places;
    errors.fill(0);
    nats.fill(0);
    this.visitErrors(logits, target, rows, (_, error, __, group) => (errors[group] += error * error));
    this.setVariances(rows, pass);
    for (let i = 0; i < rows * groups; i++)
      nats[Math.floor(i / groups)] +=
        errors[i] / (2 * variances[i]) + (features / groups) * this.normalise(variances[i]);
  }

  addGradients(logits, target, rows, shares) {
    const { floats } = this.graph,
      { groups } = this;
    this.visitErrors(logits, target, rows * logits.places, (at, error, slope, group) => {
      floats[logits.gradient + at] += (shares[Math.floor(group / groups)] * error * slope) / this.variances[group];
    });
  }

  // Call visit(place in logits, error of the mean, its slope, group of the row) for each value of so many rows of
  // logits.
  visitErrors(logits, target, rows, visit) {
    const { floats } = this.graph,
      size = this.features / this.groups;
    for (let n = 0; n < rows; n++) {
      const to = target.value + Math.floor(n / logits.places) * target.lanes;
      for (let j = 0, at = n * logits.lanes; j < this.features; j++, at++) {
        const logit = floats[logits.value + at],
          mean = this.hasSigmoid ? sigmoid(logit) : logit,
          slope = this.hasSigmoid ? mean * (1 - mean) : 1;
        visit(at, mean - floats[to + j], slope, n * this.groups + Math.floor(j / size));
      }
    }
  }
}

// The variance is learned: nothing in the negative log density is constant.
export class LearnedGaussian extends Gaussian {
  constructor(graph, features, options) {
    super(graph, features, options);
    this.logVariance = graph.addParameter("likelihood.log_variance", []);
  }

  begin() {
    this.graph.writeParameter(this.logVariance, Float32Array.of(Math.log(this.options.variance)));
  }

  get presentVariances() {
    return [Math.exp(this.graph.floats[this.logVariance.value])];
  }

  normalise(variance) {
    return 0.5 * (LN_TAU + Math.log(variance));
  }

  addGradients(logits, target, rows, shares) {
    super.addGradients(logits, target, rows, shares);
    for (let n = 0; n < rows * logits.places; n++) {
      const change = this.features / 2 - this.errors[n] / (2 * this.variances[n]);
      this.graph.floats[this.logVariance.gradient] += shares[n] * change;
    }
  }
}

// The variance is the best for each batch, shared, of each channel or of each image; outside of training its mean over
// the last batches (Rybkin et al., 2021, Simple and Effective VAE Training with Calibrated Decoders).
export class Calibrated extends Gaussian {
  constructor(graph, features, options, channels) {
    super(graph, features, options, options.variance === "channel" ? channels : 1);
    const buffer = { isLearned: false };
    this.spread = graph.addParameter("likelihood.spread", [this.groups], buffer);
    this.batches = graph.addParameter("likelihood.batches", [], { ...buffer, isInteger: true });
  }

  begin() {
    this.graph.writeParameter(this.spread, new Float32Array(this.groups).fill(1));
  }

  get presentVariances() {
    const spread = this.graph.readParameter(this.spread);
    return Array.from(spread, (value) => Math.max(MIN_VARIANCE, value));
  }

  normalise(variance) {
    return 0.5 * (LN_TAU + Math.log(variance));
  }

  setVariances(rows, { followsBatch }) {
    if (!followsBatch) return super.setVariances(rows);
    const { errors, variances, groups } = this,
      size = this.features / groups,
      pooled = this.pool(errors, rows, size);
    this.keep(pooled);
    for (let i = 0; i < rows * groups; i++)
      variances[i] = this.options.variance === "image" ? Math.max(MIN_VARIANCE, errors[i] / size) : pooled[i % groups];
  }

  // The best variance of each group for errors of so many rows, each summed over `size` values.
  pool(errors, rows, size) {
    const pooled = new Float64Array(this.groups);
    for (let i = 0; i < rows * this.groups; i++) pooled[i % this.groups] += errors[i];
    return pooled.map((sum) => Math.max(MIN_VARIANCE, sum / (rows * size)));
  }

  // Take the variance of one more batch into the mean.
  keep(pooled) {
    const { floats } = this.graph,
      count = (floats[this.batches.value] += 1),
      share = Math.max(1 / count, 1 / WINDOW);
    pooled.forEach((variance, group) => {
      const place = this.spread.value + group;
      floats[place] += share * (variance - floats[place]);
    });
  }

  // Begin with the noise that these logits leave of x, rows of some width both.
  startSpread(logits, x, width) {
    const rows = x.length / width,
      size = width / this.groups,
      errors = new Float64Array(rows * this.groups);
    x.forEach((value, i) => {
      const mean = this.hasSigmoid ? sigmoid(logits[i]) : logits[i];
      errors[Math.floor(i / size)] += (mean - value) ** 2;
    });
    this.graph.writeParameter(this.spread, Float32Array.from(this.pool(errors, rows, size)));
  }
}
