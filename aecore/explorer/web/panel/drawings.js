// The visitor's drawings: a field, and all that were drawn so far, each of which becomes many examples.

import { element } from "../dom.js";
import { Ink } from "../ink.js";
import { paintPixels } from "../picture.js";
import { varyPictures } from "./pictures.js";
import { drawShapes } from "./shapes.js";

const MIN_DRAWINGS = 10;
const MAX_DRAWINGS = 60;

export class Drawings {
  // shape: (C, H, W) of an example. onChange() is called when drawings come or go, onDraw(values or null) as one draws.
  constructor(shape, onChange, onDraw) {
    Object.assign(this, { shape, onChange, onDraw });
    const field = element("canvas", { class: "field", tabindex: 0, "aria-label": "Draw here" });
    this.ink = new Ink(field, shape, onDraw);
    this.list = element("div", { class: "drawings", role: "list" });
    this.status = element("output", { class: "said" });
    this.root = element(
      "div",
      {},
      element("div", { class: "row" }, field, this.makeButtons()),
      this.list,
      this.status,
    );
    this.drawings = drawShapes(new Ink(element("canvas"), shape, () => {}));
    this.areShapes = true;
    this.showList();
  }

  makeButtons() {
    const make = (text, onclick) => element("button", { type: "button", onclick }, text);
    return element(
      "div",
      { class: "stack" },
      make("Add drawing", () => this.addDrawing()),
      make("Clear field", () => this.ink.clear()),
      make("Remove all", () => this.replace([])),
      make("Ten shapes", () => this.replace(drawShapes(new Ink(element("canvas"), this.shape, () => {})), true)),
    );
  }

  // The first drawing of one's own takes the place of the shapes.
  addDrawing() {
    const values = this.ink.readValues();
    if (!values) this.status.textContent = "The field is empty. Draw on it with mouse, pen, finger or keys.";
    else if (this.drawings.length >= MAX_DRAWINGS) this.status.textContent = `At most ${MAX_DRAWINGS} drawings.`;
    else {
      const before = this.areShapes ? [] : this.drawings;
      this.ink.clear();
      this.replace([...before, { name: `drawing ${before.length + 1}`, values }]);
    }
  }

  replace(drawings, areShapes = false) {
    Object.assign(this, { drawings, areShapes });
    this.showList();
    this.onChange();
  }

  showList() {
    const remove = (drawing, place) => {
      this.replace(this.drawings.filter((other) => other !== drawing));
      const buttons = [...this.list.querySelectorAll("button")];
      (buttons[place] ?? buttons.at(-1) ?? this.ink.canvas).focus(); // keys go on where they were
    };
    this.list.replaceChildren(
      ...this.drawings.map((drawing, place) => {
        const canvas = element("canvas", { "aria-hidden": "true" }),
          text = `Remove ${drawing.name}`;
        paintPixels(canvas, drawing.values, this.shape);
        const button = element("button", { type: "button", title: text, "aria-label": text }, canvas);
        button.onclick = () => remove(drawing, place);
        return element("div", { role: "listitem" }, button);
      }),
    );
    this.status.textContent = this.describe();
  }

  describe() {
    const count = this.drawings.length;
    if (this.areShapes) return "Ten shapes to begin with. Draw your own: the first one replaces them.";
    if (count < MIN_DRAWINGS) return `${count} of ${MIN_DRAWINGS} drawings.`;
    return `${count} drawings. Press one to remove it.`;
  }

  // The examples, or null where there are too few drawings.
  makeExamples(seed) {
    if (this.drawings.length < MIN_DRAWINGS) return null;
    return varyPictures({
      name: this.areShapes ? "shapes" : "drawings",
      shape: this.shape,
      pictures: this.drawings.map(({ values }) => values),
      classes: this.drawings.map(({ name }) => name),
      seed,
    });
  }
}
