// The worker that trains: it listens to a page and tells it how far it is (session.js has the messages).

import { PlainKernel } from "../kernel.js";
import { listKnobs } from "./options.js";
import { exportNetwork } from "./portable_network.js";
import { writeRunFolder } from "./run_folder.js";
import { Trainer } from "./trainer.js";

const SLICE = 12; // ms of training between two looks at messages
const LONGER = 3; // times as long as a snapshot takes, the training goes on without one

class Training {
  constructor(send) {
    Object.assign(this, { send, trainer: null, state: "paused", told: 0, duration: 0, isWaiting: false });
  }

  // Throws an Error where the run is not one for a page.
  start({ config, examples, tracked = new Float32Array(0), shown = new Float32Array(0), snapshots = 100 }) {
    this.trainer = null;
    this.trainer = new Trainer(config, examples);
    Object.assign(this, { tracked, shown, interval: snapshots, state: "paused" });
    const { model, examples: divided, steps } = this.trainer,
      counts = { training: divided.count, validation: divided.validation.length / divided.width };
    const weights = model.graph.parameters.reduce((sum, { rows, columns }) => sum + rows * columns, 0),
      compiled = !(model.graph.kernel instanceof PlainKernel);
    this.send({ type: "ready", knobs: listKnobs(this.trainer.config), weights, compiled, steps, ...counts });
    this.tell();
  }

  run() {
    if (this.trainer.isDone) return;
    this.state = "running";
    this.wait();
  }

  pause() {
    this.state = this.trainer.isDone ? "done" : "paused";
    this.tell();
  }

  step() {
    this.makeSteps(() => false);
  }

  finishEpoch() {
    const { epoch } = this.trainer;
    this.makeSteps(() => this.trainer.epoch === epoch);
  }

  // Make one step, and more while `goesOn()`; then stand still.
  makeSteps(goesOn) {
    if (!this.trainer.isDone)
      do this.advance();
      while (goesOn());
    this.pause();
  }

  // Make the steps of a slice of time, then let messages in.
  slice() {
    this.isWaiting = false;
    if (this.state !== "running") return;
    const end = performance.now() + SLICE;
    do this.advance();
    while (this.state === "running" && performance.now() < end);
    if (this.state === "done") return void this.tell();
    if (performance.now() - this.told >= Math.max(this.interval, LONGER * this.duration)) this.tell();
    this.wait();
  }

  wait() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    setTimeout(() => guard(this, () => this.slice()));
  }

  advance() {
    const { trainer } = this,
      { epoch } = trainer;
    trainer.makeStep();
    if (trainer.epoch === epoch) return;
    this.send({ type: "epoch", record: trainer.records.at(-1) });
    if (!trainer.isDone) return;
    this.state = "done";
    this.send({ type: "done" });
  }

  turn({ knobs }) {
    try {
      this.send({ type: "knob", record: this.trainer.turn(knobs) });
    } catch (error) {
      this.send({ type: "refused_knob", reason: error.message }); // it goes on with the values from before
    }
  }

  // Answer a question of the page: with the files of the run folder, or the losses of its inputs.
  answer(id, work) {
    try {
      if (!this.trainer) throw new Error("Nothing is being trained: start a run first.");
      this.send({ type: "answer", id, value: work() });
    } catch (error) {
      this.send({ type: "answer", id, error: error.message });
    }
  }

  save({ id, title, repo }) {
    this.answer(id, () => writeRunFolder(this.trainer, { title, repo }));
  }

  measure({ id, inputs }) {
    this.answer(id, () => this.trainer.measure(inputs));
  }

  // Tell the page where the training stands, with the weights of the moment.
  tell() {
    const start = performance.now(),
      { trainer, tracked, shown } = this,
      codes = trainer.encode(tracked),
      rebuilt = trainer.decode(trainer.encode(shown)),
      place = {
        epoch: trainer.epoch,
        step: trainer.step,
        steps: trainer.steps,
        lr: trainer.findRate(),
        losses: trainer.losses,
      };
    this.send({ type: "snapshot", ...place, state: this.state, network: exportNetwork(trainer), codes, rebuilt });
    this.told = performance.now();
    this.duration = this.told - start;
  }
}

// Run `work`; tell the page what went wrong, after which only `start` helps.
function guard(training, work) {
  try {
    work();
  } catch (error) {
    training.state = "failed";
    training.send({ type: training.trainer ? "failed" : "refused", reason: error.message });
  }
}

const ALWAYS = new Set(["start", "save", "measure"]); // also when there is nothing to go on with
const training = new Training((message) => globalThis.postMessage(message));
globalThis.onmessage = ({ data }) => {
  const canGoOn = training.trainer !== null && training.state !== "failed";
  if (canGoOn || ALWAYS.has(data.type)) guard(training, () => training[data.type](data));
};
