// A few test examples, what the model that trains makes of them, and what the page's own model does.

import { element, formatNumbers } from "../dom.js";
import { ExamplePainter } from "../picture.js";

export class Rebuilt {
  // shipped: {title, network, columns} of a model to compare with, or null.
  constructor(shipped) {
    this.shipped = shipped;
    this.table = element("table", { class: "rebuilt" });
    this.root = element("div", { class: "scroll" }, this.table);
  }

  // examples: an ExampleSet; shown: {x, count} of its test examples.
  setExamples(examples, shown) {
    Object.assign(this, { examples, shown });
    const { meta, tensors } = examples.describeDrawing();
    this.painter = new ExamplePainter(meta, tensors);
    this.rows = { input: this.makeRow("test example"), learned: this.makeRow("this model") };
    if (this.takesExamples()) this.rows.shipped = this.makeRow(this.shipped.title);
    this.table.replaceChildren(...Object.values(this.rows).map(({ line }) => line));
    this.paintRow(this.rows.input, shown.x, "");
    if (this.rows.shipped) this.showShipped();
  }

  // True where the page's own model takes examples of this kind.
  takesExamples() {
    const { shipped, examples } = this;
    if (!shipped?.network.canEncode || shipped.network.shape.join() !== examples.shape.join()) return false;
    return examples.kind === "image" || shipped.columns.join() === examples.columns.join();
  }

  makeRow(name) {
    const canvases = Array.from({ length: this.shown.count }, (_, i) =>
        element("canvas", { role: "img", "aria-label": `${name}, ${i + 1}` }),
      ),
      error = element("td", { class: "error" });
    const head = element("th", { scope: "row" }, name);
    return { canvases, error, line: element("tr", {}, head, ...canvases.map((canvas) => element("td", {}, canvas)), error) };
  }

  // values: examples, one after the other; of a table, `inputs` are marked in their bars.
  paintRow({ canvases, error }, values, text, inputs = null) {
    const { features } = this.examples,
      read = (rows, i) => rows && rows.subarray(i * features, (i + 1) * features);
    canvases.forEach((canvas, i) => this.painter.paint(canvas, read(values, i), read(inputs, i)));
    error.textContent = text;
  }

  // rebuilt: Float32Array of a snapshot.
  update(rebuilt) {
    this.paintRow(this.rows.learned, rebuilt, this.describeError(rebuilt), this.shown.x);
  }

  showShipped() {
    const { network } = this.shipped,
      { features } = this.examples,
      rebuilt = new Float32Array(this.shown.x.length);
    for (let i = 0; i < this.shown.count; i++) {
      const { z } = network.encode(this.shown.x.slice(i * features, (i + 1) * features));
      rebuilt.set(network.decode(z), i * features);
    }
    this.paintRow(this.rows.shipped, rebuilt, this.describeError(rebuilt), this.shown.x);
  }

  // The squared error, summed over features, mean over these examples.
  describeError(rebuilt) {
    const total = this.shown.x.reduce((sum, value, i) => sum + (value - rebuilt[i]) ** 2, 0);
    return `squared error ${formatNumbers([total / this.shown.count])}`;
  }
}
