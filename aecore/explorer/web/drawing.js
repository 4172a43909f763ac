// Draw, and see at once where the model puts it and what it makes of it.

import { element } from "./dom.js";
import { Ink } from "./ink.js";

export class Drawing {
  constructor(explorer) {
    this.explorer = explorer;
    this.root = element("details", { class: "drawing", hidden: true });
  }

  // A field for the model's inputs, where they are pictures and its encoder is at hand.
  show() {
    const { explorer } = this,
      { kind, network } = explorer.model;
    this.root.hidden = kind !== "image" || !explorer.network.canEncode;
    if (this.root.hidden) return;
    const field = element("canvas", { class: "field", tabindex: 0, "aria-label": "Draw here" });
    this.seen = element("canvas", { role: "img", "aria-label": "What the model gets" });
    this.said = element("output", { class: "said" });
    this.ink = new Ink(field, network.input_shape, (values) => this.take(values));
    const file = element("input", { type: "file", accept: "image/*", hidden: true, onchange: () => this.load(file) });
    this.root.replaceChildren(
      element("summary", {}, "Draw a picture"),
      element("div", { class: "row" }, field, element("figure", {}, this.seen, element("figcaption", {}, "input"))),
      element(
        "div",
        { class: "row" },
        element("button", { type: "button", onclick: () => this.ink.clear() }, "Clear"),
        element("button", { type: "button", onclick: () => file.click() }, "Picture ..."),
        file,
      ),
      this.said,
    );
  }

  take(values) {
    const { explorer } = this;
    explorer.drawn = null;
    if (values && explorer.about) {
      explorer.painter.paint(this.seen, values);
      const { z } = explorer.network.encode(values);
      explorer.drawn = z;
      explorer.show(z, "the drawing, rebuilt");
      this.said.textContent = this.near(z);
    } else this.said.textContent = "";
    explorer.marks();
  }

  // What the input with the nearest code is.
  near(z) {
    const { explorer } = this;
    if (!explorer.codes) return "";
    const row = explorer.nearestCode(z);
    return `Nearest code: input ${row}${explorer.className(row)}`;
  }

  async load(input) {
    try {
      await this.ink.load(input.files[0]);
    } catch {
      this.said.textContent = "That file is no picture that this browser can open.";
    }
    input.value = "";
  }
}
