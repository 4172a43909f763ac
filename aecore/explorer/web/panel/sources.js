// The choice of what is trained on: drawings, files, or the inputs that the page carries.

import { element } from "../dom.js";
import { Drawings } from "./drawings.js";
import { FileExamples } from "./files.js";

export class Sources {
  // shape: (C, H, W) of drawings and pictures; samples: an ExampleSet or null; first: the name of the source to begin with.
  // onChange(): other examples; onDraw(values or null): a drawing in progress.
  constructor({ shape, samples, first, onChange, onDraw }) {
    this.onChange = onChange;
    this.sources = {
      draw: { title: "Draw", ...toSource(new Drawings(shape, onChange, onDraw)) },
      files: { title: "Your files", ...toSource(new FileExamples(shape, onChange)) },
    };
    if (samples) this.sources.samples = { title: "Sample inputs", ...describeSamples(samples) };
    this.tabs = Object.entries(this.sources).map(([name, { title }]) =>
      element("button", { type: "button", "data-source": name, onclick: () => this.choose(name) }, title),
    );
    this.body = element("div", { class: "source" });
    this.root = element(
      "fieldset",
      {},
      element("legend", {}, "Training examples"),
      element("div", { class: "tabs" }, ...this.tabs),
      this.body,
    );
    this.usual = samples ? "samples" : "draw";
    this.show(first);
  }

  choose(name) {
    this.show(name);
    this.onChange();
  }

  // Show a source, or the usual one where there is none of that name.
  show(name) {
    this.name = this.sources[name] ? name : this.usual;
    for (const tab of this.tabs) tab.setAttribute("aria-pressed", String(tab.dataset.source === this.name));
    this.body.replaceChildren(this.sources[this.name].root);
  }

  // An ExampleSet, or null where there are none yet.
  makeExamples(seed) {
    return this.sources[this.name].makeExamples(seed);
  }
}

function toSource(source) {
  return { root: source.root, makeExamples: (seed) => source.makeExamples(seed) };
}

function describeSamples(samples) {
  return { root: element("p", { class: "said" }, samples.note), makeExamples: () => samples };
}
