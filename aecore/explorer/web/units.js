// The unit browser of a static page: the atoms of all units, and of one its histogram, the inputs that excite it most,
// and their reconstructions with it as it is, off, and doubled.

import { element, formatNumbers } from "./dom.js";
import { paintPixels } from "./picture.js";
import { Rows, floats, readTensors } from "./tensors.js";

const SHOWN = 40; // atoms at a time
const SHOWN_ROWS = 3; // of a table: a picture of one is wide
const [BLUE, WHITE, RED] = [
  [33, 102, 172],
  [247, 247, 247],
  [178, 24, 43],
];
const NUMBERS = ["off", "mean", "deviation", "max"];
const ORDERS = {
  deviation: ({ numbers }) => -numbers[2],
  "most active": ({ numbers }) => numbers[0],
  "most dead": ({ numbers }) => -numbers[0],
  mean: ({ numbers }) => -numbers[1],
  "largest value": ({ numbers }) => -numbers[3],
  number: ({ unit }) => unit,
};

export class UnitBrowser {
  // root: an empty element; explorer: has its model; bytes: as aecore.explorer.unit_pack writes them.
  constructor(root, explorer, bytes) {
    const { meta, tensors } = readTensors(bytes);
    this.explorer = explorer;
    this.count = meta.count;
    this.base = floats(tensors.mean);
    this.units = readUnits(tensors, meta.names);
    this.shown = SHOWN;
    this.list = element("div", { class: "atoms", role: "list" });
    this.detail = element("div", { class: "unit", "aria-live": "polite" });
    this.more = element("button", { type: "button", onclick: () => this.showMore() }, "More units");
    root.replaceChildren(...this.arrange());
    this.search();
    if (this.matches.length) this.showUnit(this.matches[0]);
  }

  arrange() {
    const options = Object.keys(ORDERS).map((name) => element("option", { value: name }, name));
    this.order = element("select", { onchange: () => this.search() }, ...options);
    this.text = element("input", { type: "search", placeholder: "number or name", oninput: () => this.search() });
    const total = `${this.units.length.toLocaleString("en")} units, ${this.count.toLocaleString("en")} inputs.`;
    return [
      element("h2", {}, "Units"),
      element("p", {}, `${this.describeAtoms()} Choose one. ${total}`),
      element(
        "div",
        { class: "choices" },
        element("label", {}, "Sort by ", this.order),
        element("label", {}, "Search ", this.text),
      ),
      element("div", { class: "browser" }, element("div", {}, this.list, this.more), this.detail),
    ];
  }

  describeAtoms() {
    const { kind } = this.explorer.painter;
    if (kind === "image") return "Each picture is an atom: what a unit adds (red) and takes away (blue).";
    const [after, before] = kind === "cloud" ? ["red", "blue"] : ["bars", "red lines"];
    return `Each picture shows what is decoded as a unit grows by its deviation: ${after}, before it ${before}.`;
  }

  // -- the list

  search() {
    const text = this.text.value.trim().toLowerCase(),
      rank = ORDERS[this.order.value],
      number = /^z?(\d+)$/.exec(text)?.[1];
    const fits = ({ unit, name }) => (number ? unit === Number(number) : name.toLowerCase().includes(text));
    this.matches = this.units.filter(fits).sort((a, b) => rank(a) - rank(b) || a.unit - b.unit);
    this.shown = SHOWN;
    this.list.replaceChildren();
    this.fillList();
  }

  showMore() {
    this.shown += SHOWN;
    this.fillList();
  }

  fillList() {
    const added = this.matches.slice(this.list.childElementCount, this.shown);
    this.list.append(...added.map((unit) => this.makeButton(unit)));
    this.more.hidden = this.shown >= this.matches.length;
    if (!this.matches.length) this.list.append("No unit matches.");
  }

  makeButton(unit) {
    const canvas = element("canvas", { "aria-hidden": "true" }),
      label = unit.name ? `z${unit.unit} ${unit.name}` : `z${unit.unit}`;
    this.paintAtom(canvas, unit);
    const press = () => this.showUnit(unit);
    return element("div", { role: "listitem" }, element("button", { type: "button", onclick: press }, canvas, label));
  }

  // What is decoded as the unit grows by its deviation; of pictures the change alone, in colour.
  paintAtom(canvas, { unit, numbers }) {
    const { network, painter } = this.explorer,
      before = (this.before ??= network.decode(this.base)),
      moved = this.base.slice();
    moved[unit] += numbers[2] || 1;
    const after = network.decode(moved);
    if (painter.kind === "image") paintChange(canvas, before, after, network.shape);
    else queueMicrotask(() => painter.paint(canvas, after, before)); // on the page, where it has a colour of text
  }

  // -- one unit

  showUnit(unit) {
    const atom = element("canvas", { class: "atom", role: "img", "aria-label": `Atom of unit ${unit.unit}` });
    this.paintAtom(atom, unit);
    const facts = NUMBERS.map((name, i) => {
      const text = i ? formatNumbers([unit.numbers[i]]) : `${(100 * unit.numbers[0]).toFixed(1)} %`;
      return element("span", {}, `${name} `, element("strong", {}, text));
    });
    const limit = this.explorer.painter.kind === "table" ? SHOWN_ROWS : unit.strongest.length,
      rows = unit.strongest.filter((row) => row >= 0).slice(0, limit);
    this.detail.replaceChildren(
      element("h3", {}, `Unit ${[this.explorer.network.nameUnit(unit.unit), unit.name].filter(Boolean).join(": ")}`),
      element("div", { class: "facts" }, ...facts),
      element("div", { class: "pair" }, atom, drawHistogram(unit)),
      rows.length
        ? this.makeTable(unit, rows)
        : element("p", {}, `Dead: it is 0 with all ${this.count.toLocaleString("en")} inputs.`),
    );
  }

  // The inputs that excite the unit most, one a column, under their values.
  makeTable(unit, rows) {
    const { codes, network } = this.explorer,
      rebuilt = (factor) => (row) => {
        const z = codes.row(row);
        z[unit.unit] *= factor;
        return network.decode(z);
      };
    const lines = { input: (row) => this.readInput(row) };
    if (codes) Object.assign(lines, { "as it is": rebuilt(1), off: rebuilt(0), doubled: rebuilt(2) });
    const heads = rows.map((row, i) => element("th", { title: `input ${row}` }, formatNumbers([unit.values[i]])));
    const table = element("table", {}, element("tr", {}, element("th", {}, "value"), ...heads));
    for (const [name, read] of Object.entries(lines)) {
      const pictures = rows.map(read);
      if (pictures[0]) table.append(this.makeLine(name, pictures, rows));
    }
    return element("div", {}, element("h4", {}, "Inputs that excite it most"), table);
  }

  makeLine(name, pictures, rows) {
    const cells = pictures.map((values, i) => {
      const canvas = element("canvas", { role: "img", "aria-label": `input ${rows[i]}, ${name}` });
      queueMicrotask(() => this.explorer.painter.paint(canvas, values));
      return element("td", {}, canvas);
    });
    return element("tr", {}, element("th", { scope: "row" }, name), ...cells);
  }

  // The values of an input; null where the page was made without inputs, or theirs is of another size.
  readInput(row) {
    const { explorer } = this,
      values = explorer.readInput(row);
    if (!values || explorer.painter.kind !== "image") return values;
    return values.length === explorer.network.shape.reduce((a, b) => a * b) ? values.map((v) => v / 255) : null;
  }
}

function readUnits(tensors, names) {
  const [numbers, strongest, values, limits] = ["numbers", "strongest", "values", "limits"].map(
    (name) => new Rows(tensors, name),
  );
  const bins = tensors.histogram.shape[1];
  return Array.from(tensors.units.data, (unit, i) => ({
    unit,
    name: names[unit] ?? "",
    numbers: numbers.row(i),
    strongest: Array.from(strongest.row(i)),
    values: values.row(i),
    limits: limits.row(i),
    histogram: tensors.histogram.data.subarray(i * bins, (i + 1) * bins),
  }));
}

// The change between two pictures (C, H, W), the mean of its channels: full colour at the largest.
function paintChange(canvas, before, after, [channels, height, width]) {
  const area = height * width,
    change = new Float32Array(area);
  for (let i = 0; i < channels * area; i++) change[i % area] += after[i] - before[i];
  const largest = change.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1,
    rgb = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) {
    const share = change[i] / largest,
      end = share < 0 ? BLUE : RED;
    for (let c = 0; c < 3; c++) rgb[c * area + i] = (WHITE[c] + (end[c] - WHITE[c]) * Math.abs(share)) / 255;
  }
  paintPixels(canvas, rgb, [3, height, width]);
}

function drawHistogram({ unit, histogram, limits }) {
  const canvas = element("canvas", { role: "img", "aria-label": `Histogram of unit ${unit}, where it is not 0` });
  Object.assign(canvas, { width: 6 * histogram.length, height: 96 });
  const context = canvas.getContext("2d");
  context.fillStyle = "#4477aa";
  histogram.forEach((height, i) => context.fillRect(6 * i, 96 * (1 - height / 255), 5, (96 * height) / 255));
  const ends = Array.from(limits, (limit) => element("span", {}, formatNumbers([limit])));
  return element("figure", {}, canvas, element("figcaption", {}, ...ends));
}
