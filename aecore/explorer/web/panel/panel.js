// The panel that trains an autoencoder in the page: examples, model, buttons, and what one sees while it learns.

import { element, formatNumbers, saveFile } from "../dom.js";
import { TrainingSession } from "../train/session.js";
import { readAddress, writeAddress } from "./address.js";
import { CodeMap } from "./code_map.js";
import { LossCurve } from "./curve.js";
import { Knobs } from "./knobs.js";
import { Rebuilt } from "./rebuilt.js";
import { packRun } from "./run_zip.js";
import { Settings } from "./settings.js";
import { Sources } from "./sources.js";

const TRACKED = 1500; // points of the map, at most
const TRACKED_VALUES = 200_000; // of all their codes
const SHOWN = { image: 10, table: 3 }; // rebuilt examples; a picture of a table's row is wide
const SEED = 0;
const SNAPSHOT = 100; // ms
const ACTIONS = { starting: "Train", fresh: "Train", running: "Pause", paused: "Continue", done: "Train again", failed: "Train again" };

export class TrainingPanel {
  // root: an empty element. training: as aecore.explorer.trainable writes it; script: the worker's; samples: an ExampleSet or
  // null; shipped: {title, network, columns} of a model to compare with, or null; variant: to begin with, where the address
  // names none.
  constructor(root, { training, script, samples = null, shipped = null, variant = "" }) {
    this.state = "waiting"; // for examples; then starting, fresh, running, paused, done, failed or refused
    this.unanswered = 0; // starts that the session has not answered: what it says until then is of an earlier one
    this.session = new TrainingSession(script, (message) => this.hear(message));
    this.codeMap = new CodeMap();
    this.curve = new LossCurve();
    this.rebuilt = new Rebuilt(shipped);
    this.knobs = new Knobs((path, value) => this.turn(path, value));
    const { data, ...values } = readAddress();
    this.settings = new Settings(training, { ...(variant && { variant }), ...values }, () => this.change());
    this.sources = new Sources({
      shape: training.shape,
      samples,
      first: data,
      onChange: () => this.changeExamples(),
      onDraw: (x) => this.codeMap.markExample(x),
    });
    this.buildBar();
    root.panel = this;
    root.replaceChildren(this.arrange());
    this.awaitSight(root);
    this.onAddress = () => this.followAddress();
    addEventListener("hashchange", this.onAddress);
  }

  arrange() {
    const { map, canvas, status, legend } = this.codeMap;
    const left = element("div", { class: "left" }, element("div", { class: "bar" }, map.toolbar.root), map.stage, legend);
    const side = element("div", { class: "side" }, canvas, status, this.curve.root, this.knobs.root);
    this.results = element("div", { class: "results" }, left, side);
    return element(
      "div",
      { class: "explorer trainer" },
      element("div", { class: "forms" }, this.sources.root, this.settings.root),
      this.bar,
      this.results,
      this.rebuilt.root,
    );
  }

  buildBar() {
    const make = (text, onclick, attributes = {}) => element("button", { type: "button", onclick, ...attributes }, text);
    this.main = make("Train", () => this.act(), { class: "primary" });
    this.buttons = {
      step: make("Step", () => this.session.step(), { title: "One batch" }),
      epoch: make("Epoch", () => this.session.finishEpoch(), { title: "To the end of this epoch" }),
      again: make("Start again", () => this.startAgain(), { title: "From new weights, with these examples and settings" }),
      save: make("Download run", () => this.save(), { title: "The run folder as a .zip, with its examples" }),
    };
    this.progress = element("span", { class: "progress" });
    this.note = element("output", { class: "said", "aria-live": "polite" });
    this.bar = element("div", { class: "bar" }, this.main, ...Object.values(this.buttons), this.progress, this.note);
  }

  // Nothing is computed before the panel is in sight.
  awaitSight(root) {
    this.observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.observer.disconnect();
      this.takeExamples();
      this.prepare();
    });
    this.observer.observe(root);
  }

  // -- examples and settings

  takeExamples() {
    this.examples = this.sources.makeExamples(SEED);
    if (this.examples) this.settings.fitExamples(this.examples);
  }

  changeExamples() {
    this.takeExamples();
    this.change();
  }

  change() {
    this.writeAddress();
    this.takeChange();
  }

  // An address that was edited or followed.
  followAddress() {
    const { data, ...values } = readAddress();
    this.settings.values = values;
    this.sources.show(data);
    this.takeExamples();
    this.takeChange();
  }

  // What is under way goes on as it began; else the new examples and settings are taken at once.
  takeChange() {
    if (this.begun) this.tell("Start again to train with these examples and settings.");
    else this.prepare();
  }

  get begun() {
    return ["running", "paused", "done"].includes(this.state);
  }

  writeAddress() {
    const { name, usual } = this.sources;
    writeAddress({ ...this.settings.values, ...(name !== usual && { data: name }) });
  }

  // Draw new weights, without a step.
  prepare() {
    const { examples } = this;
    if (!examples) return this.setState("waiting", "Choose or draw the examples to train on.");
    this.title = `${examples.name}-${this.settings.variant.value}`;
    const config = this.settings.buildConfig(`${this.title}.npz`);
    const tracked = examples.pickTracked(Math.min(TRACKED, Math.floor(TRACKED_VALUES / config.model.latent_dim))),
      shown = examples.pickShown(SHOWN[examples.kind]);
    this.started = examples;
    this.epochs = config.training.epochs;
    this.codeMap.setExamples(examples, tracked);
    this.rebuilt.setExamples(examples, shown);
    this.curve.clear();
    this.progress.textContent = "";
    this.setState("starting", "");
    this.unanswered += 1;
    this.session.start({
      config,
      examples: examples.train.x,
      tracked: tracked.x,
      shown: shown.x,
      snapshots: SNAPSHOT,
    });
  }

  // -- buttons

  act() {
    if (this.state === "running") {
      this.session.pause();
      return this.setState("paused", "");
    }
    if (this.state === "done" || this.state === "failed") return this.startAgain();
    this.session.run();
    this.setState("running", "");
  }

  startAgain() {
    this.prepare();
    if (this.state !== "starting") return;
    this.session.run();
    this.setState("running", "");
  }

  turn(path, value) {
    this.settings.keepKnob(path, value);
    this.writeAddress();
    this.session.turn({ [path]: value });
  }

  async save() {
    this.buttons.save.disabled = true;
    try {
      const files = await this.session.save({ title: this.title });
      saveFile(new Blob([packRun(this.title, files, this.started)], { type: "application/zip" }), `${this.title}.zip`);
    } catch (error) {
      this.tell(error.message);
    }
    this.buttons.save.disabled = false;
  }

  // -- what the session says

  hear(message) {
    if (message.type === "ready" || message.type === "refused") this.unanswered -= 1;
    if (this.unanswered) return;
    const listeners = {
      ready: () => this.showReady(message),
      refused: () => this.setState("refused", message.reason),
      snapshot: () => this.showSnapshot(message),
      epoch: () => this.curve.add(message.record),
      refused_knob: () => this.tell(message.reason),
      failed: () => this.setState("failed", message.reason),
    };
    listeners[message.type]?.();
  }

  showReady({ knobs, weights, training, validation }) {
    this.knobs.offer(knobs);
    const [parameters, examples] = [weights, training].map((count) => count.toLocaleString("en"));
    this.tell(`${parameters} parameters, ${examples} training examples, ${validation} for validation.`);
  }

  showSnapshot(snapshot) {
    this.codeMap.update(snapshot);
    this.rebuilt.update(snapshot.rebuilt);
    const { epoch, step, steps, losses } = snapshot,
      loss = losses ? ` · loss ${formatNumbers([losses.loss])}` : "";
    this.progress.textContent = `Epoch ${epoch} of ${this.epochs}, step ${step} of ${steps}${loss}`;
    const isFirst = snapshot.state === "paused" && !epoch && !step;
    if (!isFirst) this.setState(snapshot.state, this.note.textContent);
    else if (this.state === "starting") this.setState("fresh", this.note.textContent);
  }

  tell(text) {
    this.note.textContent = text;
  }

  setState(state, note) {
    this.state = state;
    this.tell(note);
    this.main.textContent = ACTIONS[state] ?? "Train";
    this.main.disabled = !(state in ACTIONS);
    const stands = state === "fresh" || state === "paused";
    this.buttons.step.disabled = this.buttons.epoch.disabled = !stands;
    this.buttons.again.disabled = state !== "running" && state !== "paused";
    this.buttons.save.disabled = !this.begun;
    this.bar.dataset.state = state;
  }

  destroy() {
    removeEventListener("hashchange", this.onAddress);
    this.observer.disconnect();
    this.session.close();
    this.codeMap.destroy();
  }
}
