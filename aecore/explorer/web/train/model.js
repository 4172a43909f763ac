// An autoencoder that can be trained: x -> corruption -> encoder -> bottleneck -> decoder -> likelihood, with
// penalties. Its parameters have the names, shapes and order of the Python model's (aecore/model/autoencoder.py).

import { runSteps } from "../steps.js";
import { makeBottleneck } from "./bottlenecks.js";
import { corrupt } from "./corruptions.js";
import { DenseNetwork } from "./dense_network.js";
import { Graph, runBackward, runForward } from "./graph.js";
import { GridNetwork } from "./grid_network.js";
import { makeLikelihood } from "./likelihoods.js";
import { addCodeActivation } from "./nonlinearities.js";
import { listActivations } from "./options.js";
import { makePenalty } from "./penalties.js";
import { ResidualNetwork } from "./residual_network.js";

export class Model {
  // `options`: the model of a complete config; for at most `batch` examples at once. Parameters are zero until `begin`.
  constructor(options, batch) {
    const { input_shape: shape, latent_dim: dim } = options,
      graph = new Graph(batch),
      features = shape.reduce((a, b) => a * b, 1);
    Object.assign(this, { options, graph, features, dim });
    this.bottleneck = makeBottleneck(graph, options.bottleneck, dim);
    this.likelihood = makeLikelihood(graph, options.likelihood, features, shape[0]);
    this.network = makeNetwork(graph, options, features, this.bottleneck.inputs);
    this.penalties = options.penalties.map((penalty) => makePenalty(graph, penalty, dim));
    this.connect();
  }

  connect() {
    const { graph, options, network, dim } = this,
      { code_activation: code } = options.network,
      withoutGradient = { hasGradient: false };
    this.input = graph.addMatrix(this.features, withoutGradient);
    this.target = graph.addMatrix(this.features, withoutGradient);
    [this.layers, this.encode] = graph.collect(() => {
      const { out, hidden } = network.addEncoder(this.input);
      return { hidden, h: addCodeActivation(graph, out, code, dim) };
    });
    [this.z, this.draw] = graph.collect(() => this.bottleneck.connect(this.layers.h));
    [this.logits, this.decode] = graph.collect(() => network.addDecoder(this.z));
    const batch = { ...this.layers, z: this.z, kinds: listActivations(options.network), head: network.head };
    [, this.measure] = graph.collect(() => {
      this.likelihood.connect(this.logits, this.target);
      for (const penalty of this.penalties) penalty.connect(batch);
    });
  }

  // Draw the initial weights.
  begin(random) {
    const { graph, network, bottleneck } = this,
      { weight } = network.head;
    network.begin(random);
    this.likelihood.begin();
    bottleneck.begin(random);
    for (let i = 0; i < weight.count; i++) graph.floats[weight.value + i] *= bottleneck.headScale;
  }

  // Set the output bias so that reconstructions begin at a mean (features,) in the network's units.
  fitOutput(mean) {
    const { graph, likelihood, network } = this,
      logits = likelihood.invert(mean),
      count = network.outputBias.columns;
    if (count === logits.length) return graph.writeParameter(network.outputBias, logits);
    const size = logits.length / count,
      sums = new Float32Array(count);
    logits.forEach((logit, j) => (sums[Math.floor(j / size)] += logit / size));
    return graph.writeParameter(network.outputBias, sums);
  }

  // Take over options that differ in knobs alone.
  retune(options) {
    this.options = options;
    this.bottleneck.retune(options.bottleneck);
    this.penalties.forEach((penalty, i) => penalty.retune(options.penalties[i]));
  }

  // -- a batch, in the network's units

  // The loss of rows (N x features) and its parts, means over the batch. A pass is {random, corrupts, followsBatch,
  // klWeight}: whether noise is added, and whether normalisation and noise variances are those of this batch.
  computeLoss(rows, pass) {
    const { graph, options, bottleneck } = this,
      batch = { ...pass, rows: rows.length / this.features };
    graph.write(this.target.value, this.target, rows);
    let noisy = rows;
    if (pass.corrupts && options.corruption)
      corrupt((noisy = Float32Array.from(rows)), this.features, options.corruption, pass.random);
    graph.write(this.input.value, this.input, noisy);
    this.batch = batch;
    for (const steps of this.stages) runForward(steps, batch);
    const weight = bottleneck.weighCost(pass.klWeight),
      { loss: reconstruction } = this.likelihood,
      penalty = this.penalties.reduce((sum, { loss }) => sum + loss, 0),
      bound = options.bottleneck.bound === "iwae" ? this.weighSamples(weight) : this.averageSamples(weight);
    return { loss: bound + penalty, reconstruction, rate: bottleneck.rate, penalty };
  }

  // The mean loss of all codes that were drawn; each has the same share in it.
  averageSamples(weight) {
    const count = this.batch.rows * this.z.places;
    this.batch.shares = new Float64Array(count).fill(1 / count);
    return this.likelihood.loss + weight * this.bottleneck.cost;
  }

  // The mean over examples of -ln mean exp(-loss) of their codes (Burda et al., 2015), which share in it by importance.
  weighSamples(weight) {
    const { rows } = this.batch,
      { places } = this.z,
      shares = (this.batch.shares = new Float64Array(rows * places)),
      { nats } = this.likelihood,
      { costs } = this.bottleneck;
    let total = 0;
    for (let first = 0; first < rows * places; first += places) {
      const losses = Array.from({ length: places }, (_, k) => nats[first + k] + weight * costs[first + k]),
        least = Math.min(...losses),
        sum = losses.reduce((all, loss) => all + Math.exp(least - loss), 0);
      losses.forEach((loss, k) => (shares[first + k] = Math.exp(least - loss) / (sum * rows)));
      total += (least + Math.log(places / sum)) / rows;
    }
    return total;
  }

  // Set the gradients of the last loss.
  computeGradients() {
    this.graph.clearGradients();
    for (const steps of this.stages.toReversed()) runBackward(steps, this.batch);
  }

  get stages() {
    return [this.encode, this.draw, this.decode, this.measure];
  }

  // Rows (N x features) -> what the encoder gives (N x outputs), of which codes or their means come first.
  encodeRows(rows) {
    const { graph, input, layers } = this;
    return this.runRows(rows, this.features, (part, count) => {
      graph.write(input.value, input, part);
      runForward(this.encode, { rows: count, followsBatch: false });
      return graph.read(layers.h.value, layers.h, count, layers.h.width);
    });
  }

  // Rows -> the valid codes nearest to what the encoder gives, (N x dim).
  encodeCodes(rows) {
    const { h } = this.layers,
      outputs = this.encodeRows(rows),
      { snap } = this.bottleneck,
      codes = new Float32Array((outputs.length / h.width) * this.dim);
    for (let n = 0; n * this.dim < codes.length; n++)
      codes.set(runSteps(snap, outputs.subarray(n * h.width, n * h.width + this.dim)), n * this.dim);
    return codes;
  }

  // Codes (N x dim) -> means (N x features).
  decodeCodes(codes) {
    const { graph, z, logits } = this;
    return this.runRows(codes, this.dim, (part, count) => {
      graph.write(z.value, z, part);
      runForward(this.decode, { rows: Math.ceil(count / z.places), followsBatch: false });
      return this.likelihood.finish(graph.read(logits.value, logits, count, this.features));
    });
  }

  // Call run(part, rows) for parts that fit into the memory, and join what it returns.
  runRows(rows, width, run) {
    const size = this.graph.batch * width,
      parts = [];
    for (let first = 0; first < rows.length; first += size) {
      const part = rows.subarray(first, first + size);
      parts.push(run(part, part.length / width));
    }
    const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((place, part) => (joined.set(part, place), place + part.length), 0);
    return joined;
  }
}

function makeNetwork(graph, { network, input_shape: shape, latent_dim: dim }, features, outputs) {
  if (network.kind === "mlp") return new DenseNetwork(graph, network, features, dim, outputs);
  return new (network.kind === "conv" ? GridNetwork : ResidualNetwork)(graph, network, shape, dim, outputs);
}
