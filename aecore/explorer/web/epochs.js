// The epochs panel: the map and the reconstructions as they were at saved epochs.

import { element } from "./dom.js";
import { paintPixels } from "./picture.js";
import { floats } from "./tensors.js";

const MILLISECONDS = 700;
const MAX_PAIRS = 8; // inputs that are shown above their reconstructions

export class Epochs {
  constructor(explorer) {
    this.explorer = explorer;
    this.past = false; // whether an earlier epoch is shown
    this.slider = element("input", {
      type: "range",
      min: 0,
      step: 1,
      "aria-label": "Epoch",
      oninput: () => this.showEpoch(),
    });
    this.label = element("output", {});
    this.playButton = element(
      "button",
      { type: "button", onclick: () => (this.timer ? this.stop() : this.start()) },
      "Play",
    );
    this.pictures = element("div", { class: "pairs" });
    this.root = element(
      "section",
      { class: "epochs", hidden: true, "aria-label": "Epochs" },
      element("div", { class: "row" }, "Epoch ", this.slider, this.label, this.playButton),
      this.pictures,
    );
  }

  // tensors: of a map's pack.
  setTensors(tensors) {
    this.stop();
    this.past = false;
    this.pictures.replaceChildren();
    this.values = null;
    this.epochs = tensors.epochs?.data ?? null;
    this.root.hidden = !this.epochs || !tensors["plane.axes"];
    if (this.root.hidden) return;
    this.codes = tensors["epochs.z"];
    this.inputs = tensors["epochs.x"];
    this.rebuilt = tensors["epochs.rebuilt"];
    this.slider.max = this.epochs.length;
    this.slider.value = this.epochs.length;
    this.label.textContent = "now";
  }

  // Show the epoch of the slider; its last step is the model as it is.
  showEpoch() {
    const { explorer } = this,
      step = Number(this.slider.value);
    this.past = step !== this.epochs.length;
    explorer.hideTip();
    explorer.status.textContent = "";
    this.label.textContent = this.past ? String(this.epochs[step]) : "now";
    this.slider.setAttribute("aria-valuetext", this.past ? `epoch ${this.epochs[step]}` : "now");
    explorer.canvas.classList.toggle("past", this.past && explorer.modelMeta?.kind === "image");
    if (this.past) this.showPast(step);
    else {
      this.pictures.replaceChildren();
      this.showPositions(explorer.positions);
    }
  }

  showPast(step) {
    const positions = this.computePositions(step),
      count = (positions.length / 2).toLocaleString("en");
    this.showPositions(positions);
    this.explorer.status.textContent = `Epoch ${this.epochs[step]}: the first ${count} inputs on the axes of now, a few rebuilt`;
    this.showRebuilt(step);
  }

  showPositions(positions) {
    const { map, colours } = this.explorer;
    map.show(positions, colours.getShades().subarray(0, positions.length / 2), colours.getPalette(), true);
  }

  // Where the tracked inputs were, on the axes that the map has now.
  computePositions(step) {
    const { count: drawnCount, plane } = this.explorer,
      [, count, dim] = this.codes.shape,
      size = count * dim,
      values = (this.values ??= floats(this.codes));
    const positions = new Float32Array(2 * Math.min(count, drawnCount));
    for (let i = 0; 2 * i < positions.length; i++) {
      const start = step * size + i * dim;
      positions.set(plane.project(values.subarray(start, start + dim)), 2 * i);
    }
    return positions;
  }

  // Pictures as pairs; points all in one picture, of a table the first row.
  showRebuilt(step) {
    const { modelMeta } = this.explorer;
    if (!modelMeta) return;
    if (modelMeta.kind === "image") this.showPairs(step, modelMeta.network.input_shape);
    else this.paintExamples(step, modelMeta);
  }

  paintExamples(step, { kind, network }) {
    const { explorer } = this,
      width = countValues(network.input_shape),
      size = (kind === "cloud" ? this.rebuilt.shape[1] : 1) * width,
      start = step * this.rebuilt.shape[1] * width;
    const rebuilt = this.rebuilt.data.slice(start, start + size);
    explorer.painter.paint(explorer.canvas, rebuilt, this.inputs?.data.slice(0, size));
  }

  // Inputs above their reconstructions.
  showPairs(step, shape) {
    const total = this.rebuilt.shape[1],
      count = Math.min(MAX_PAIRS, total),
      inputCount = this.inputs ? count : 0;
    const inputs = Array.from({ length: inputCount }, (_, i) => this.makePicture(this.inputs.data, i, shape));
    const rebuilt = Array.from({ length: count }, (_, i) =>
      this.makePicture(this.rebuilt.data, step * total + i, shape),
    );
    this.pictures.replaceChildren(...inputs, ...rebuilt);
  }

  // Example i of some data as a canvas.
  makePicture(data, i, shape) {
    const canvas = element("canvas"),
      scale = this.rebuilt.data instanceof Uint8Array ? 255 : 1,
      width = countValues(shape);
    const values = Float32Array.from(data.subarray(i * width, (i + 1) * width), (value) => value / scale);
    paintPixels(canvas, values, shape);
    return canvas;
  }

  start() {
    if (Number(this.slider.value) >= this.epochs.length) this.slider.value = 0;
    this.showEpoch();
    this.playButton.textContent = "Stop";
    this.timer = setInterval(() => {
      this.slider.value = Number(this.slider.value) + 1;
      this.showEpoch();
      if (!this.past) this.stop();
    }, MILLISECONDS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playButton.textContent = "Play";
  }
}

function countValues(shape) {
  return shape.reduce((a, b) => a * b, 1);
}
