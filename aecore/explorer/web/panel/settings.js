// The form: which variant is trained, the size of its code, and for how long. It makes the config of a run.

import { element } from "../dom.js";
import { explainUntrainable, turnKnobs } from "../train/options.js";

const STEPS = 1500; // of a training, about, where no number of epochs is given
const [MIN_EPOCHS, MAX_EPOCHS] = [10, 5000];
const FIRST_VARIANT = "vae";
const VALIDATION_FRACTION = 0.1; // of few examples, 5 % would say little

export class Settings {
  // training: as aecore.explorer.trainable writes it; values: {variant, latent_dim, epochs, and knobs by their paths},
  // texts, of which those that fit are taken. onChange() is called when the form changes.
  constructor(training, values, onChange) {
    Object.assign(this, { training, values, onChange });
    const change = () => this.readForm();
    this.variant = element("select", { onchange: change });
    this.size = element("select", { onchange: change });
    this.epochs = element("input", { type: "number", min: 1, max: MAX_EPOCHS, onchange: change });
    this.summary = element("p", { class: "hint" });
    this.refusals = element("details", { class: "refusals", hidden: true });
    this.root = element(
      "fieldset",
      {},
      element("legend", {}, "Model"),
      element(
        "div",
        { class: "row" },
        element("label", {}, "Variant ", this.variant),
        element("label", {}, "Latent dimensions ", this.size),
        element("label", {}, "Epochs ", this.epochs),
      ),
      this.summary,
      this.refusals,
    );
  }

  // Show what can be trained on these examples.
  fitExamples(examples) {
    this.examples = examples;
    this.entries = this.training[examples.kind];
    const refused = Object.entries(this.entries)
      .map(([name, { label, config }]) => [name, label, explainUntrainable(config)])
      .filter(([, , reason]) => reason);
    this.untrainable = new Set(refused.map(([name]) => name));
    this.showRefusals(refused);
    this.showForm();
  }

  showRefusals(refused) {
    const lines = refused.map(([, label, reason]) => element("li", {}, element("strong", {}, label), `: ${reason}`));
    this.refusals.hidden = !lines.length;
    this.refusals.replaceChildren(
      element("summary", {}, `${lines.length} variants are not trained in a page`),
      element("ul", {}, ...lines),
    );
  }

  // The values, or the defaults where there are none that fit.
  showForm() {
    const names = Object.keys(this.entries),
      trainable = names.filter((name) => !this.untrainable.has(name));
    const wanted = [this.values.variant, FIRST_VARIANT].find((name) => trainable.includes(name)) ?? trainable[0],
      { label, summary, sizes, latent_dim } = this.entries[wanted];
    this.chosen = wanted;
    fillSelect(this.variant, names.map((name) => [name, this.entries[name].label]), wanted, this.untrainable);
    const size = this.values.latent_dim in sizes ? this.values.latent_dim : latent_dim;
    fillSelect(this.size, Object.keys(sizes).map((text) => [text, text]), String(size));
    const epochs = Math.round(Number(this.values.epochs));
    this.epochs.value = epochs >= 1 && epochs <= MAX_EPOCHS ? epochs : this.suggestEpochs();
    this.summary.textContent = `${label}. ${summary}`;
  }

  suggestEpochs() {
    const { batch_size } = this.entries[this.variant.value].config.training;
    return Math.max(MIN_EPOCHS, Math.round(STEPS / Math.ceil(this.examples.train.count / batch_size)));
  }

  // Another variant begins with its own code size and knobs.
  readForm() {
    const variant = this.variant.value,
      isOther = variant !== this.chosen,
      { latent_dim, epochs, ...kept } = this.values;
    this.values = isOther ? { variant } : kept;
    if (!isOther && Number(this.size.value) !== this.entries[variant].latent_dim) this.values.latent_dim = this.size.value;
    const isOwnCount = isOther ? epochs : Number(this.epochs.value) !== this.suggestEpochs();
    if (isOwnCount) this.values.epochs = this.epochs.value;
    this.showForm();
    this.onChange();
  }

  // Remember a knob that was moved: the next training begins with it.
  keepKnob(path, value) {
    this.values[path] = String(value);
  }

  // The config.json of the next run, whose examples are in the file `data`.
  buildConfig(data) {
    const { config, sizes } = this.entries[this.variant.value],
      { shape } = this.examples;
    const model = { ...config.model, ...sizes[this.size.value], input_shape: shape, latent_dim: Number(this.size.value) };
    const training = { ...config.training, epochs: Number(this.epochs.value) },
      knobs = Object.entries(this.values);
    return knobs.reduce(turnKnob, { ...config, model, training, data: { name: data, validation_fraction: VALIDATION_FRACTION } });
  }
}

// A config with a knob moved; what is none of this variant, or out of bounds, is left out.
function turnKnob(config, [path, text]) {
  try {
    return turnKnobs(config, { [path]: Number(text) });
  } catch {
    return config;
  }
}

function fillSelect(select, choices, chosen, disabled = new Set()) {
  const options = choices.map(([value, text]) =>
    element("option", { value, selected: value === chosen, disabled: disabled.has(value) }, text),
  );
  select.replaceChildren(...options);
}
