// The cross-entropy of values between 0 and 1, sum softplus(l) - x l: the Bernoulli likelihood, and the base of the others.
// Losses are sums over features, means over the batch.

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

  // Add the operation that sets `loss`, and from which gradients begin.
  connect(logits, target) {
    this.graph.add({
      forward: (pass) => (this.loss = this.sumNats(logits, target, pass) / pass.rows),
      backward: ({ rows }) => this.addGradients(logits, target, rows),
    });
  }

  sumNats(logits, target, { rows }) {
    const { floats } = this.graph;
    let nats = 0;
    for (let n = 0; n < rows; n++)
      for (let first = 0; first < this.features; first += FACTORS) {
        let product = 1; // of 1 + e^-|l|
        for (let j = first; j < Math.min(first + FACTORS, this.features); j++) {
          const logit = floats[logits.value + n * logits.lanes + j];
          product *= 1 + Math.exp(-Math.abs(logit));
          nats += Math.max(0, logit) - floats[target.value + n * target.lanes + j] * logit;
        }
        nats += Math.log(product);
      }
    return nats;
  }

  addGradients(logits, target, rows) {
    const { floats } = this.graph;
    for (let n = 0; n < rows; n++)
      for (let j = 0, at = n * logits.lanes; j < this.features; j++, at++)
        floats[logits.gradient + at] += (sigmoid(floats[logits.value + at]) - floats[target.value + at]) / rows;
  }
}
