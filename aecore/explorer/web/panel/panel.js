// The panel that trains an autoencoder in the page: examples, model, buttons, and what one sees while it learns.

import { element, formatNumbers } from "../dom.js";
import { TrainingSession } from "../train/session.js";
import { readAddress, writeAddress } from "./address.js";
import { CodeMap } from "./code_map.js";
import { Controls } from "./controls.js";
import { LossCurve } from "./curve.js";
import { Knobs } from "./knobs.js";
import { Pace } from "./pace.js";
import { Rebuilt } from "./rebuilt.js";
import { RunExport } from "./run_export.js";
import { Settings } from "./settings.js";
import { Sources } from "./sources.js";

const TRACKED = 1000; // points of the map, at most
const TRACKED_VALUES = 200_000; // of all their codes
const SHOWN = { image: 10, table: 3 }; // rebuilt examples; a picture of a table's row is wide
const SEED = 0;
const SNAPSHOT = 100; // ms
const NO_EXAMPLES = "Choose or draw the examples to train on.";

export class TrainingPanel {
  // root: an empty element. training: as aecore.explorer.trainable writes it; script: the worker's; samples: an ExampleSet;
  // shipped: {title, network, columns} of a model to compare with; variant: to begin with, where the address names none;
  // hub: {address, storage} of the Hub, where the page may reach it.
  constructor(root, { training, script, samples = null, shipped = null, variant = "", hub = null }) {
    this.state = "waiting"; // as Controls shows it
    this.frame = null; // that the latest snapshot waits for
    this.unanswered = 0; // starts that the session has not answered: what it says until then is of an earlier one
    this.session = new TrainingSession(script, (message) => this.hear(message));
    Object.assign(this, { codeMap: new CodeMap(), curve: new LossCurve(), pace: new Pace() });
    this.rebuilt = new Rebuilt(shipped);
    this.knobs = new Knobs((path, value) => this.turn(path, value), () => this.writeAddress());
    const { data, ...values } = readAddress();
    this.settings = new Settings(training, { ...(variant && { variant }), ...values }, () => this.change());
    this.sources = new Sources({
      shape: training.shape,
      samples,
      first: data,
      onChange: () => this.changeExamples(),
      onDraw: (x) => this.codeMap.markExample(x),
    });
    this.controls = new Controls({
      main: () => this.act(),
      step: () => this.session.step(),
      epoch: () => this.session.finishEpoch(),
      again: () => this.startAgain(),
    });
    this.export = new RunExport({
      readRun: () => ({ title: this.title, examples: this.started }),
      save: (about) => this.session.save(about),
      hub,
    });
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
      this.controls.root,
      this.export.root,
      this.results,
      this.rebuilt.root,
    );
  }

  // Nothing is computed before the panel is in sight.
  awaitSight(root) {
    this.observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.observer.disconnect();
      if (this.state !== "waiting") return; // files were chosen before it was seen
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
    const hasBegun = ["running", "paused", "done"].includes(this.state);
    if (hasBegun) this.controls.tell("Start again to train with these examples and settings.");
    else this.prepare();
  }

  writeAddress() {
    const { name, usual } = this.sources;
    writeAddress({ ...this.settings.values, ...(name !== usual && { data: name }) });
  }

  // Draw new weights, without a step.
  prepare() {
    const { examples } = this;
    if (!examples) return this.setState("waiting", NO_EXAMPLES);
    this.title = `${examples.name}-${this.settings.variant.value}`;
    const config = this.settings.buildConfig(`${this.title}.npz`);
    const tracked = examples.pickTracked(Math.min(TRACKED, Math.floor(TRACKED_VALUES / config.model.latent_dim))),
      shown = examples.pickShown(SHOWN[examples.kind]);
    this.started = examples;
    this.epochs = config.training.epochs;
    this.codeMap.setExamples(examples, tracked);
    this.rebuilt.setExamples(examples, shown);
    this.curve.clear();
    this.controls.tellProgress("");
    this.dropSnapshot();
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
    if (!this.examples) return this.controls.tell(NO_EXAMPLES); // what is under way goes on
    this.prepare();
    if (this.state === "starting") this.act();
  }

  turn(path, value) {
    this.settings.keepKnob(path, value);
    this.session.turn({ [path]: value });
  }

  // -- what the session says

  hear(message) {
    if (message.type === "ready" || message.type === "refused") this.unanswered -= 1;
    if (this.unanswered && message.type !== "lost") return; // no worker, no answer
    const listeners = {
      ready: () => this.showReady(message),
      refused: () => this.setState("refused", message.reason),
      snapshot: () => this.keepSnapshot(message),
      epoch: () => this.curve.add(message.record),
      refused_knob: () => this.controls.tell(message.reason),
      failed: () => this.fail("failed", message.reason),
      lost: () => this.fail("refused", message.reason),
    };
    listeners[message.type]?.();
  }

  showReady({ knobs, weights, training, validation }) {
    this.knobs.offer(knobs);
    const [parameters, examples] = [weights, training].map((count) => count.toLocaleString("en"));
    this.controls.tell(`${parameters} parameters, ${examples} training examples, ${validation} for validation.`);
  }

  // Show the latest snapshot before the next frame; a slow page leaves out others, but none with which training stops.
  keepSnapshot(snapshot) {
    this.latest = snapshot;
    if (snapshot.state === "running" && this.pace.isResting) return;
    this.frame ??= requestAnimationFrame((now) => {
      this.frame = null;
      this.showSnapshot(this.latest);
      this.pace.watch(now);
    });
  }

  dropSnapshot() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
  }

  fail(state, reason) {
    this.dropSnapshot();
    this.curve.draw();
    this.setState(state, reason);
  }

  showSnapshot(snapshot) {
    this.codeMap.update(snapshot);
    this.rebuilt.update(snapshot.rebuilt);
    this.curve.draw();
    const { epoch, step, steps, losses } = snapshot,
      loss = losses ? ` · loss ${formatNumbers([losses.loss])}` : "";
    this.controls.tellProgress(`Epoch ${epoch} of ${this.epochs}, step ${step} of ${steps}${loss}`);
    const isFirst = snapshot.state === "paused" && !epoch && !step;
    if (!isFirst) this.setState(snapshot.state);
    else if (this.state === "starting") this.setState("fresh");
  }

  // note: a sentence in place of the one that stands there.
  setState(state, note = null) {
    this.state = state;
    this.controls.show(state);
    this.export.show(state);
    if (note !== null) this.controls.tell(note);
  }

  destroy() {
    removeEventListener("hashchange", this.onAddress);
    this.observer.disconnect();
    this.dropSnapshot();
    this.session.close();
    this.codeMap.destroy();
  }
}
