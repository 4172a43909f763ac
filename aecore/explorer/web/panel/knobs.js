// Sliders for the numbers that act while a model trains.

import { element, formatNumbers } from "../dom.js";

const STEPS = 100; // of a slider of fractions
const REACH = 30; // times the value to begin with, up and down
const NAMES = {
  "training.lr": "Learning rate",
  "corruption.sigma": "Noise, standard deviation",
  "corruption.fraction": "Noise, share of values",
  "bottleneck.beta": "Beta, weight of the KL term",
  "bottleneck.k": "k, active units",
  "bottleneck.commitment": "Commitment",
  "bottleneck.weight": "Weight of the target of active units",
  "bottleneck.price": "Cost of each active unit, without a target",
};

export class Knobs {
  // onTurn(path, value) is called while a slider moves, onRest() when it was let go.
  constructor(onTurn, onRest) {
    Object.assign(this, { onTurn, onRest });
    this.root = element("fieldset", { class: "knobs", hidden: true });
  }

  // knobs: [{path, value, lowest, highest}], as the session gives them.
  offer(knobs) {
    this.root.hidden = !knobs.length;
    const legend = element("legend", {}, "Act while it trains");
    this.root.replaceChildren(legend, ...knobs.map((knob) => this.makeSlider(knob)));
  }

  makeSlider(knob) {
    const scale = chooseScale(knob),
      shown = element("span", { class: "value" });
    const show = (value) => {
      shown.textContent = formatKnob(value);
      slider.setAttribute("aria-valuetext", shown.textContent); // not the number of the step
    };
    const slider = element("input", { type: "range", min: 0, max: scale.steps, step: 1, "data-path": knob.path });
    slider.value = scale.toStep(knob.value);
    show(knob.value);
    slider.oninput = () => {
      const value = scale.toValue(Number(slider.value));
      show(value);
      this.onTurn(knob.path, value);
    };
    slider.onchange = () => this.onRest();
    return element("label", { class: "knob" }, element("span", {}, nameKnob(knob.path), " ", shown), slider);
  }
}

function formatKnob(value) {
  return Number.isInteger(value) ? String(value) : formatNumbers([value]);
}

function nameKnob(path) {
  const penalty = /^penalties\.(\w+)\.weight$/.exec(path);
  return NAMES[path] ?? (penalty ? `Weight of the ${penalty[1].replaceAll("_", " ")} penalty` : path);
}

// Whole numbers, noise and what is 0 on an even scale, other numbers on a logarithmic one about where they begin.
function chooseScale({ path, value, lowest, highest }) {
  if (path === "bottleneck.k") return makeEvenScale(lowest, highest, highest - lowest);
  if (path.startsWith("corruption.") || value <= 0) return makeEvenScale(lowest, Math.min(1, highest), STEPS);
  const low = Math.log(Math.max(lowest, value / REACH)),
    high = Math.log(Math.min(highest, value * REACH));
  const { steps, toStep, toValue } = makeEvenScale(low, high, STEPS);
  return { steps, toStep: (number) => toStep(Math.log(number)), toValue: (step) => Math.exp(toValue(step)) };
}

function makeEvenScale(low, high, steps) {
  const width = (high - low) / Math.max(1, steps);
  return { steps, toStep: (number) => Math.round((number - low) / (width || 1)), toValue: (step) => low + step * width };
}
