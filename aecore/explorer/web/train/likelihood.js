// The cross-entropy of values between 0 and 1, sum softplus(l) - x l: the Bernoulli likelihood, and the base of the
// others. Losses are sums over features, means over the batch.

import { sigmoid } from "../activations.js";

const FACTORS = 32; // whose logarithm is taken at once

export class Likelihood {
  loss = 0; // of the last pass
  hasSigmoid = true; // means are those of logits

  // For examples of so many features.
  constructor(graph, features) {
    Object.assign(this, { graph, features });
  }

  // Set what is learned or measured to where it begins.
  begin() {}

  // Logits -> means, in place.
  finish(values) {
    if (this.hasSigmoid) for (let i = 0; i < values.length; i++) values[i] = sigmoid(values[i]);
    return values;
  }

  // The steps of that, as steps.js runs them.
  get steps() {
    return this.hasSigmoid ? [{ op: "activation", kind: "sigmoid" }] : [];
  }

  // Means (features,) -> logits: means are kept at least 1e-3 from 0 and 1.
  invert(means) {
    if (!this.hasSigmoid) return means;
    return means.map((mean) => {
      const p = Math.min(1 - 1e-3, Math.max(1e-3, mean));
      return Math.log(p / (1 - p));
    });
  }

  // About the second derivative of the loss in each of the logits.
  findPrecisions(logits) {
    return logits.map((logit) => sigmoid(logit) * (1 - sigmoid(logit)));
  }

  // Add the operation that sets `loss`, and `nats` of each row of logits, of which an example may have several;
  // gradients begin here, each row having its share in the loss.
  connect(logits, target) {
    const { graph } = this,
      { places } = logits;
    this.nats = new Float64Array(graph.batch * places);
    this.prepare(graph.batch * places);
    graph.add({
      forward: (pass) => {
        this.setNats(logits, target, pass);
        this.loss = this.nats.subarray(0, pass.rows * places).reduce((a, b) => a + b, 0) / (pass.rows * places);
      },
      backward: ({ rows, shares }) => this.addGradients(logits, target, rows, shares),
    });
  }

  // Make room for so many rows of logits.
  prepare(rows) {
    this.residuals = new Float32Array(rows * this.features); // sigmoid(l) - x, the gradients
  }

  setNats(logits, target, { rows }) {
    const { floats } = this.graph,
      { features, residuals, nats } = this;
    for (let n = 0; n < rows * logits.places; n++) {
      const from = logits.value + n * logits.lanes,
        to = target.value + Math.floor(n / logits.places) * target.lanes;
      nats[n] = 0;
      for (let first = 0; first < features; first += FACTORS) {
        let product = 1; // of 1 + e^-|l|
        for (let j = first; j < Math.min(first + FACTORS, features); j++) {
          const logit = floats[from + j],
            value = floats[to + j],
            tail = Math.exp(-Math.abs(logit));
          product *= 1 + tail;
          nats[n] += Math.max(0, logit) - value * logit;
          residuals[n * features + j] = (logit < 0 ? tail : 1) / (1 + tail) - value;
        }
        nats[n] += Math.log(product);
      }
    }
  }

  addGradients(logits, _target, rows, shares) {
    const { floats } = this.graph,
      { features, residuals } = this;
    for (let n = 0; n < rows * logits.places; n++)
      for (let j = 0, at = logits.gradient + n * logits.lanes; j < features; j++, at++)
        floats[at] += shares[n] * residuals[n * features + j];
  }
}
