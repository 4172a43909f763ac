// The buttons of a training, how far it is, and a sentence about it.

import { element } from "../dom.js";

const ACTIONS = {
  starting: "Train",
  fresh: "Train",
  running: "Pause",
  paused: "Continue",
  done: "Train again",
  failed: "Train again",
};

export class Controls {
  // actions: {main, step, epoch, again}, what the buttons call.
  constructor(actions) {
    const make = (text, onclick, attributes = {}) => element("button", { type: "button", onclick, ...attributes }, text);
    this.main = make("Train", actions.main, { class: "primary" });
    this.step = make("Step", actions.step, { title: "One batch" });
    this.epoch = make("Epoch", actions.epoch, { title: "To the end of this epoch" });
    this.again = make("Start again", actions.again, { title: "From new weights, with these examples and settings" });
    this.progress = element("span", { class: "progress" });
    this.note = element("output", { class: "said", "aria-live": "polite" });
    const buttons = [this.main, this.step, this.epoch, this.again];
    this.root = element("div", { class: "bar" }, ...buttons, this.progress, this.note);
    this.show("waiting"); // a click before the panel is seen would be lost
  }

  // state: waiting for examples, starting (until the first snapshot), fresh, running, paused, done, failed or refused.
  show(state) {
    if (this.root.dataset.state === state) return;
    const isStanding = state === "fresh" || state === "paused",
      isUnderWay = state === "running" || state === "paused";
    this.main.textContent = ACTIONS[state] ?? "Train";
    this.main.disabled = !(state in ACTIONS);
    this.step.disabled = this.epoch.disabled = !isStanding;
    this.again.disabled = !isUnderWay;
    this.root.dataset.state = state;
  }

  tell(text) {
    this.note.textContent = text;
  }

  tellProgress(text) {
    this.progress.textContent = text;
  }
}
