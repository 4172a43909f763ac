// The drawing panel: a field whose drawing the model encodes and rebuilds at once.

import { element } from "./dom.js";
import { Ink } from "./ink.js";

export class Drawing {
  constructor(explorer) {
    this.explorer = explorer;
    this.root = element("details", { class: "drawing", hidden: true });
  }

  // Show a field for the model's inputs, where they are pictures and its encoder has come.
  showField() {
    const { explorer } = this,
      { kind, network } = explorer.modelMeta;
    this.root.hidden = kind !== "image" || !explorer.network.canEncode;
    if (this.root.hidden) return;
    const field = element("canvas", { class: "field", tabindex: 0, "aria-label": "Draw here" });
    this.inputCanvas = element("canvas", { role: "img", "aria-label": "What the model gets" });
    this.status = element("output", { class: "said" });
    this.ink = new Ink(field, network.input_shape, (values) => this.encodeDrawing(values));
    const file = element("input", {
      type: "file",
      accept: "image/*",
      hidden: true,
      onchange: () => this.loadPicture(file),
    });
    const figure = element("figure", {}, this.inputCanvas, element("figcaption", {}, "input"));
    this.root.replaceChildren(
      element("summary", {}, "Draw a picture"),
      element("div", { class: "row" }, field, figure),
      element(
        "div",
        { class: "row" },
        element("button", { type: "button", onclick: () => this.ink.clear() }, "Clear"),
        element("button", { type: "button", onclick: () => file.click() }, "Picture ..."),
        file,
      ),
      this.status,
    );
  }

  encodeDrawing(values) {
    const { explorer } = this;
    explorer.drawn = null;
    if (values && explorer.mapMeta) {
      explorer.painter.paint(this.inputCanvas, values);
      const { z } = explorer.network.encode(values);
      explorer.drawn = z;
      explorer.showCode(z, "the drawing, rebuilt");
      this.status.textContent = this.describeNearest(z);
    } else this.status.textContent = "";
    explorer.map.overlay.request();
  }

  describeNearest(z) {
    const { explorer } = this;
    if (!explorer.codes) return "";
    const row = explorer.codes.findNearest(z);
    return `Nearest code: input ${row}${explorer.describeClass(row)}`;
  }

  async loadPicture(input) {
    try {
      await this.ink.loadFile(input.files[0]);
    } catch {
      this.status.textContent = "That file is no picture that this browser can open.";
    }
    input.value = "";
  }
}
