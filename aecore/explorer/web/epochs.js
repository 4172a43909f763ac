// The time machine: the map and the reconstructions as they were at saved epochs.

import { element } from "./dom.js";
import { paintPixels } from "./picture.js";
import { floats } from "./tensors.js";

const MILLISECONDS = 700;

export class Epochs {
  constructor(explorer) {
    this.explorer = explorer;
    this.past = false; // whether an earlier epoch is shown
    this.slider = element("input", {
      type: "range",
      min: 0,
      step: 1,
      "aria-label": "Epoch",
      oninput: () => this.show(),
    });
    this.label = element("output", {});
    this.play = element("button", { type: "button", onclick: () => (this.timer ? this.stop() : this.start()) }, "Play");
    this.pictures = element("div", { class: "pairs" });
    this.root = element(
      "section",
      { class: "epochs", hidden: true, "aria-label": "Epochs" },
      element("div", { class: "row" }, "Epoch ", this.slider, this.label, this.play),
      this.pictures,
    );
  }

  // tensors: of a map's pack.
  set(tensors) {
    this.stop();
    this.past = false;
    this.pictures.replaceChildren();
    this.values = null;
    this.epochs = tensors.epochs?.data ?? null;
    this.root.hidden = !this.epochs || !tensors["plane.axes"];
    if (this.root.hidden) return;
    this.codes = tensors["epochs.z"];
    this.x = tensors["epochs.x"];
    this.rebuilt = tensors["epochs.rebuilt"];
    this.slider.max = this.epochs.length;
    this.slider.value = this.epochs.length;
    this.label.textContent = "now";
  }

  // The last step of the slider is the model as it is.
  show() {
    const { explorer } = this,
      step = Number(this.slider.value),
      now = step === this.epochs.length;
    this.past = !now;
    explorer.hideTip();
    explorer.said.textContent = "";
    this.label.textContent = now ? "now" : String(this.epochs[step]);
    this.slider.setAttribute("aria-valuetext", now ? "now" : `epoch ${this.epochs[step]}`);
    explorer.here.classList.toggle("past", this.past && explorer.model?.kind === "image");
    if (now) {
      this.pictures.replaceChildren();
      explorer.map.show(explorer.positions, explorer.colours.shades(), explorer.colours.palette(), true);
      return explorer.marks();
    }
    const places = this.places(step),
      shades = explorer.colours.shades().subarray(0, places.length / 2);
    explorer.map.show(places, shades, explorer.colours.palette(), true);
    const count = (places.length / 2).toLocaleString("en");
    explorer.said.textContent = `Epoch ${this.epochs[step]}: the first ${count} inputs on the axes of now, a few rebuilt`;
    this.paint(step);
  }

  // Where the tracked inputs were, on the axes that the map has now.
  places(step) {
    const [, count, dim] = this.codes.shape,
      size = count * dim,
      all = (this.values ??= floats(this.codes));
    const shown = Math.min(count, this.explorer.count),
      places = new Float32Array(2 * shown);
    for (let i = 0; i < shown; i++) {
      const from = step * size + i * dim;
      places.set(this.explorer.plane.place(all.subarray(from, from + dim)), 2 * i);
    }
    return places;
  }

  // Inputs above their reconstructions; points all in one picture, of a table the first row.
  paint(step) {
    const { explorer } = this;
    if (!explorer.model) return;
    const shape = explorer.model.network.input_shape,
      width = shape.reduce((a, b) => a * b, 1);
    if (explorer.model.kind !== "image") {
      const size = (explorer.model.kind === "cloud" ? this.rebuilt.shape[1] : 1) * width,
        from = step * this.rebuilt.shape[1] * width;
      return explorer.painter.paint(
        explorer.here,
        this.rebuilt.data.slice(from, from + size),
        this.x?.data.slice(0, size),
      );
    }
    const [, kept] = this.rebuilt.shape,
      scale = this.rebuilt.data instanceof Uint8Array ? 255 : 1,
      count = Math.min(8, kept);
    const picture = (data, at) => {
      const canvas = element("canvas");
      paintPixels(
        canvas,
        Float32Array.from(data.subarray(at * width, (at + 1) * width), (v) => v / scale),
        shape,
      );
      return canvas;
    };
    const inputs = Array.from({ length: this.x ? count : 0 }, (_, i) => picture(this.x.data, i));
    const rebuilt = Array.from({ length: count }, (_, i) => picture(this.rebuilt.data, step * kept + i));
    this.pictures.replaceChildren(...inputs, ...rebuilt);
  }

  start() {
    if (Number(this.slider.value) >= this.epochs.length) this.slider.value = 0;
    this.show();
    this.play.textContent = "Stop";
    this.timer = setInterval(() => {
      this.slider.value = Number(this.slider.value) + 1;
      this.show();
      if (!this.past) this.stop();
    }, MILLISECONDS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
  }
}
