// Training: from a config and examples to weights, step by step, as aecore/training/trainer.py does it. Order and noise
// come from the seed, but are not the numbers that torch would draw.

import { createKernel } from "../kernel.js";
import { augment } from "./augmentation.js";
import { completeConfig } from "./defaults.js";
import { Examples } from "./examples.js";
import { Model } from "./model.js";
import { Optimizer, scheduleKl, scheduleRate } from "./optimizer.js";
import { explainUntrainable, turnKnobs } from "./options.js";
import { startAsPca, takeEvenly } from "./pca_start.js";
import { Random } from "./random.js";
import { unscaleRows } from "./scaling.js";

const START_EXAMPLES = 4096; // that a codebook begins at
const MAX_BYTES = 2 ** 30; // of the memory of a training
const PARTS = ["loss", "reconstruction", "rate", "penalty"];

export class Trainer {
  // rows: examples in the data's own units. `random` draws weights, order and noise; makeKernel(floats) gives what
  // computes. Throws an Error, whose message says what to do, where the run cannot be trained here or on these
  // examples.
  constructor(config, rows, { random, makeKernel = createKernel } = {}) {
    const reason = explainUntrainable(config);
    if (reason) throw new Error(reason);
    this.config = this.firstConfig = completeConfig(config); // knobs that are moved leave the first one alone
    const { model, training } = this.config;
    this.examples = new Examples(rows, this.config);
    this.random = random ?? new Random(training.seed);
    this.model = new Model(model, Math.min(training.batch_size, this.examples.count));
    this.optimizer = new Optimizer(this.model.graph, training);
    checkSize(this.model.graph.size);
    this.model.graph.build(makeKernel);
    this.records = []; // the lines of metrics.jsonl
    this.epoch = 0; // whole ones done
    this.best = Infinity; // the watched loss of the best epoch
    this.sinceBest = 0;
    this.begin(makeKernel);
    this.beginEpoch();
  }

  begin(makeKernel) {
    const { model, examples, random } = this;
    model.begin(random);
    model.fitOutput(examples.findMean());
    if (model.options.network.linear_path) startAsPca(model, examples.train, { makeKernel, random });
    if (model.options.bottleneck.update === "ema")
      model.bottleneck.start(this.encodeParts(takeEvenly(examples.train, examples.width, START_EXAMPLES)), random);
    // a start as PCA is good already: an epoch must be better
    if (model.options.network.linear_path) this.best = this.validate() ?? Infinity;
    this.keepWeights();
  }

  // -- steps and epochs

  get steps() {
    const { batch_size: size, passes } = this.config.training;
    return Math.ceil(this.examples.count / size) * passes;
  }

  get isDone() {
    const { epochs, early_stopping: patience } = this.config.training;
    return this.epoch >= epochs || (patience > 0 && this.sinceBest >= patience);
  }

  // The learning rate of a step of this epoch.
  findRate(step = this.step) {
    return scheduleRate(this.config.training, this.epoch * this.steps + step, this.steps);
  }

  beginEpoch() {
    this.model.bottleneck.anneal(this.epoch / this.config.training.epochs);
    this.sums = Object.fromEntries(PARTS.map((part) => [part, 0]));
    Object.assign(this, { step: 0, seen: 0, seconds: 0, isLossMoved: false });
  }

  // Make one update; return the loss of its batch and the parts. The last one of an epoch ends it.
  makeStep() {
    const started = performance.now(),
      rows = this.takeBatch(),
      count = rows.length / this.examples.width,
      losses = this.update(rows, this.findRate());
    for (const part of PARTS) this.sums[part] += losses[part] * count;
    this.seen += count;
    this.step += 1;
    this.seconds += (performance.now() - started) / 1000;
    if (this.step === this.steps) this.finishEpoch();
    return losses;
  }

  // Move the weights by the gradients of the loss of rows in the network's units.
  update(rows, rate) {
    const klWeight = scheduleKl(this.config.training, this.epoch),
      losses = this.model.computeLoss(rows, { random: this.random, corrupts: true, followsBatch: true, klWeight });
    if (!Number.isFinite(losses.loss)) throw new Error(explainDivergence(this.epoch + 1, rate));
    this.model.computeGradients();
    this.optimizer.step(rate);
    return losses;
  }

  takeBatch() {
    const { examples, config } = this,
      size = config.training.batch_size,
      first = (this.step * size) % (Math.ceil(examples.count / size) * size);
    if (first === 0) this.order = this.random.permute(examples.count); // of each pass
    const rows = examples.pick(this.order.subarray(first, first + size)),
      { augment: kinds } = config.training;
    return kinds.length ? augment(rows, config.model.input_shape, kinds, this.random) : rows;
  }

  // Means over the epoch so far; null before its first step.
  get losses() {
    if (!this.seen) return null;
    return Object.fromEntries(PARTS.map((part) => [part, this.sums[part] / this.seen]));
  }

  finishEpoch() {
    const held = this.validate(),
      watched = held ?? this.losses.loss,
      seconds = Math.round(this.seconds * 1e4) / 1e4,
      record = { kind: "epoch", epoch: this.epoch + 1, seconds, lr: this.findRate(0), ...this.losses };
    if (!Number.isFinite(watched)) throw new Error(explainDivergence(this.epoch + 1, this.findRate(0)));
    this.records.push(held === null ? record : { ...record, validation_loss: held });
    this.keepBest(watched);
    this.position = { ...this.copyState(), epoch: this.epoch, best: this.best, sinceBest: this.sinceBest };
    this.beginEpoch();
  }

  // Count the epoch, and keep the weights where the watched loss is the best so far. While the loss changes its
  // meaning, by annealing, KL warm-up or a knob, no earlier epoch compares with the latest.
  keepBest(watched) {
    const { training } = this.config,
      isAnnealing = this.model.bottleneck.anneal(this.epoch / training.epochs) || this.isLossMoved;
    this.epoch += 1;
    this.sinceBest += 1;
    if (!isAnnealing && this.epoch > training.kl_warmup_epochs && watched >= this.best) return;
    Object.assign(this, { best: isAnnealing ? Infinity : watched, sinceBest: 0 });
    this.keepWeights();
  }

  // Move knobs, {path: value}: they act from the next step on. Throws an Error for what is none, or out of bounds.
  turn(values) {
    const config = turnKnobs(this.config, values);
    if (Object.keys(values).some((path) => !path.startsWith("training."))) {
      this.model.retune(config.model);
      this.model.bottleneck.anneal(this.epoch / config.training.epochs);
      this.isLossMoved = true;
    }
    this.config = config;
    const record = { kind: "knob", epoch: this.epoch + 1, step: this.step, ...values };
    this.records.push(record);
    return record;
  }

  // -- losses, codes and reconstructions

  // The loss of the examples held out, with the KL at full weight and the noise of the run; null without any.
  validate() {
    const { validation } = this.examples;
    if (!validation.length) return null;
    return this.measureRows(validation, { corrupts: true, followsBatch: false, klWeight: 1 }).loss;
  }

  // The loss of inputs in the data's own units and its parts, without corruption.
  measure(inputs) {
    const rows = this.examples.scale(Float32Array.from(inputs));
    return this.measureRows(rows, { corrupts: false, followsBatch: false, klWeight: 1 });
  }

  measureRows(rows, pass) {
    const { model, config, examples } = this,
      size = model.graph.batch * examples.width,
      sums = Object.fromEntries(PARTS.map((part) => [part, 0])),
      random = new Random(config.training.seed);
    for (let first = 0; first < rows.length; first += size) {
      const part = rows.subarray(first, first + size),
        losses = model.computeLoss(part, { ...pass, random });
      for (const name of PARTS) sums[name] += (losses[name] * part.length) / rows.length;
    }
    return sums;
  }

  // Inputs -> codes, without noise; codes -> what they decode to; both in the data's own units.
  encode(inputs) {
    return this.model.encodeCodes(this.examples.scale(Float32Array.from(inputs)));
  }

  decode(codes) {
    return unscaleRows(this.model.decodeCodes(codes), this.examples.scaling, this.config.model);
  }

  // What the encoder gives of each code, (N x dim), for rows in the network's units.
  encodeParts(rows) {
    const { model } = this,
      { width } = model.layers.h;
    return model.encodeRows(rows).filter((_, i) => i % width < model.dim);
  }

  // -- weights

  // The tensors of the model, {name: {shape, data, isInteger}}.
  copyWeights() {
    const { graph, options } = this.model,
      shape = options.scaling === "none" ? [] : options.input_shape,
      { shift, scale } = this.examples.scaling,
      tensors = { shift: { shape, data: shift }, scale: { shape, data: scale } };
    for (const parameter of graph.parameters)
      tensors[parameter.name] = { ...parameter, data: graph.readParameter(parameter) };
    return tensors;
  }

  keepWeights() {
    this.bestWeights = { tensors: this.copyWeights(), options: this.config.model };
  }

  copyState() {
    return { tensors: this.copyWeights(), moments: this.optimizer.copyMoments() };
  }

  // Replace weights, {name: values}, in the order of their shapes.
  setWeights(weights) {
    for (const parameter of this.model.graph.parameters)
      if (weights[parameter.name]) this.model.graph.writeParameter(parameter, weights[parameter.name]);
  }
}

function checkSize(floats) {
  const megabytes = Math.round((4 * floats) / 2 ** 20);
  if (4 * floats > MAX_BYTES)
    throw new Error(
      `This training needs ${megabytes} MB, and a page has ${MAX_BYTES / 2 ** 20}: take a smaller ` +
        "training.batch_size, or fewer or narrower layers.",
    );
}

function explainDivergence(epoch, rate) {
  return (
    `The loss is no longer a finite number in epoch ${epoch}, at a learning rate of ${rate.toPrecision(3)}. ` +
    "Start again with a smaller one, or with inputs of a smaller range."
  );
}
