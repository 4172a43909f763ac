// The explorer: a map of codes, what the model makes of the place under the pointer, and the tools beside it.

import { Axes } from "./axes.js";
import { Chosen } from "./chosen.js";
import { Colours } from "./colours.js";
import { Direction } from "./direction.js";
import { element, numbers } from "./dom.js";
import { Drawing } from "./drawing.js";
import { Epochs } from "./epochs.js";
import { Film } from "./film.js";
import { PointMap } from "./map.js";
import { Network } from "./network.js";
import { Painter } from "./picture.js";
import { Plane, blended } from "./plane.js";
import { Selections, members } from "./selections.js";
import { Rows, floats, readTensors } from "./tensors.js";
import { Tip } from "./tip.js";

const NEIGHBOURS = 6; // whose codes are blended where the map is no plane

export class Explorer {
  // root: an empty element. changed(selections) is told of what is selected and named.
  constructor(root, changed = () => {}) {
    this.changed = changed;
    this.map = new PointMap({
      touched: () => this.film.stop(),
      point: (x, y, row, byKey) => this.look(x, y, row, byKey),
      leave: () => this.hideTip(),
      select: (rows, add) => this.selections?.select(rows, add),
      path: (way) => this.film.take(way),
      pick: (row) => this.axes.pick(row),
    });
    this.here = element("canvas", { class: "here", role: "img", "aria-label": "What the model decodes here" });
    this.said = element("output", { class: "said", "aria-live": "polite" });
    this.tip = new Tip(this);
    this.map.stage.append(this.tip.root);
    this.colours = new Colours(this);
    this.axes = new Axes(this);
    this.share = element("span", { class: "share" });
    this.film = new Film(this);
    this.epochs = new Epochs(this);
    this.drawing = new Drawing(this);
    this.chosen = new Chosen(this);
    this.direction = new Direction(this);
    this.side = element(
      "div",
      { class: "side" },
      this.here,
      this.said,
      this.film.root,
      this.epochs.root,
      this.drawing.root,
      this.chosen.root,
      this.direction.root,
    );
    root.explorer = this;
    root.replaceChildren(
      element(
        "div",
        { class: "explorer" },
        element(
          "div",
          { class: "left" },
          element("div", { class: "bar" }, this.map.tools, this.axes.root, this.share),
          this.map.stage,
          this.colours.root,
        ),
        this.side,
      ),
    );
  }

  // -- what is shown

  // The model, its codes and its inputs, as aecore.explorer.packs.encode_model_pack gives them.
  setModel(bytes) {
    const { meta, tensors } = readTensors(bytes);
    this.model = meta;
    this.network = new Network(meta.network, tensors);
    this.painter = new Painter(meta, tensors);
    this.here.classList.toggle("drawn", meta.kind !== "image");
    this.codes = tensors.codes ? new Rows(tensors, "codes") : null;
    this.logVariance = tensors.log_variance ? new Rows(tensors, "log_variance") : null;
    this.inputs = tensors.inputs ? new Rows(tensors, "inputs") : null;
    this.inputShape = tensors.inputs?.shape.slice(1);
    this.drawing.show();
    this.axes.show();
    this.selected(false);
    if (!this.code && (this.plane || this.codes)) this.look(...this.map.at(this.about.marked ?? 0), null, false);
  }

  // Until the model of another map comes, nothing decodes.
  forgetModel() {
    Object.assign(this, {
      model: null,
      network: null,
      codes: null,
      logVariance: null,
      inputs: null,
      code: null,
      drawn: null,
      moved: null,
    });
    this.hideTip();
    this.axes.show();
    this.drawing.root.hidden = true;
  }

  // A map of the same inputs, as aecore.explorer.packs.encode_map_pack gives it.
  setMap(bytes) {
    const { meta, tensors } = readTensors(bytes);
    if (this.model && this.model.token !== meta.token) this.forgetModel();
    this.about = meta;
    this.positions = tensors.positions.half ? floats(tensors.positions) : tensors.positions.data;
    this.count = this.positions.length / 2;
    this.labels = tensors.labels?.data ?? null;
    this.errors = floats(tensors.errors);
    this.preserved = tensors.preserved ? floats(tensors.preserved) : null;
    this.plane = tensors["plane.axes"] ? readPlane(tensors) : null;
    this.sent = { positions: this.positions, plane: this.plane, names: meta.axes };
    this.epochs.set(tensors);
    this.share.textContent =
      meta.total > this.count
        ? `${this.count.toLocaleString("en")} of ${meta.total.toLocaleString("en")} drawn`
        : `${this.count.toLocaleString("en")} points, all drawn`;
    this.colours.set(meta.colour, this);
    this.place(this.positions, this.plane, meta.axes);
    performance.mark("explorer-drawn");
    this.shareSelections();
    if (this.model) this.axes.show();
    this.map.stage.setAttribute("aria-label", this.alternative());
  }

  // With all maps of the same inputs; the page is told of what an earlier one left.
  shareSelections() {
    this.unlisten?.();
    this.selections = Selections.of(`${this.about.data}:${this.about.split}`, this.count);
    this.unlisten = this.selections.listen(() => this.selected());
    this.mark(this.about.marked);
    this.selected(false);
    const { rows, named } = this.selections;
    if ((rows || named.size) && this.told !== this.selections) this.changed(this.selections.packed());
    this.told = this.selections;
  }

  // Select the input that the page names, without telling the page.
  mark(row) {
    if (row != null && row !== this.marked) {
      this.quiet = true;
      this.selections.select([row]);
      this.quiet = false;
    }
    this.marked = row;
  }

  // Put the points where a map says; `plane` is what decodes there, null where neighbours are blended.
  place(positions, plane, names) {
    const before = this.map.positions;
    const same = before?.length === positions.length && positions.every((value, i) => value === before[i]);
    Object.assign(this, { positions, plane });
    this.anchor = null;
    this.film.take(null);
    this.map.show(positions, this.colours.shades(), this.colours.palette(), same);
    [this.map.xName.textContent, this.map.yName.textContent] = names;
    this.describe();
  }

  describe() {
    this.map.note.textContent = this.plane
      ? this.anchor === null
        ? ""
        : `the plane through input ${this.anchor}`
      : this.codes
        ? `no plane: decoded from the codes of the ${NEIGHBOURS} nearest points`
        : "this map cannot be decoded";
  }

  restore() {
    this.place(this.sent.positions, this.sent.plane, this.sent.names);
    this.selected(false);
  }

  usePlane(plane, names) {
    this.place(plane.places(this.codes), plane, names);
    this.selected(false);
  }

  // -- what is under the pointer

  // The code at a place of the map, null where the map cannot be decoded.
  codeAt(x, y) {
    if (this.plane) return this.network.snap(this.plane.code(x, y));
    if (!this.codes) return null;
    return this.network.snap(blended(x, y, this.map.index().nearest(x, y, NEIGHBOURS), this.positions, this.codes));
  }

  look(x, y, row, aloud = true) {
    if (!this.network || this.epochs.past) return;
    const z = this.codeAt(x, y);
    if (z) this.show(z, `z = (${numbers(z)})${row === null ? "" : `; input ${row}${this.className(row)}`}`, aloud);
    this.showTip(row);
  }

  // Decode a code into the large picture.
  show(z, text, aloud = true) {
    this.code = z;
    this.decoded = this.network.decode(z);
    this.painter.paint(this.here, this.decoded);
    this.here.setAttribute("aria-label", `Decoded at ${text}`);
    this.said.setAttribute("aria-live", aloud ? "polite" : "off");
    this.said.textContent = text;
    this.direction?.follow();
  }

  className(row) {
    return this.labels ? `, class ${this.about.classes[this.labels[row]]}` : "";
  }

  input(row) {
    return this.inputs && row < this.inputs.count ? this.inputs.row(row) : null;
  }

  // Say what the point under the pointer is, if any.
  showTip(row) {
    this.hovered = row;
    this.marks();
    if (row === null) return this.tip.hide();
    this.tip.show(row);
    if (this.model.kind !== "image" && this.decoded) this.painter.paint(this.here, this.decoded, this.input(row));
  }

  hideTip() {
    this.hovered = null;
    this.tip.hide();
    this.marks();
  }

  // Rings, and of a variational model one and two deviations of q(z|x).
  marks() {
    const marks = [],
      seen = (row) => row !== null && row !== undefined && row < this.count;
    const chosen = this.selections?.rows ? members(this.selections.rows) : [];
    const rows = new Set([this.hovered, ...this.axes.picked, ...(chosen.length === 1 ? chosen : [])].filter(seen));
    for (const row of rows)
      marks.push({
        at: this.map.at(row),
        row,
        ellipse: this.ellipse(row),
        label: this.axes.picked.includes(row) ? String(row) : "",
      });
    if (!this.plane && !this.codes) this.drawn = this.moved = null; // there is no place for them
    if (this.drawn) marks.push({ at: this.placeOf(this.drawn), colour: "#ee6677", label: "drawn" });
    if (this.moved) marks.push({ at: this.placeOf(this.moved), colour: "#4477aa", label: "moved" });
    this.map.marks = marks;
    this.map.drawOver();
  }

  // Where a code lies on the map: on a plane exactly, elsewhere at the input with the nearest code.
  placeOf(z) {
    if (this.plane) return this.plane.place(z);
    return this.map.at(this.nearestCode(z));
  }

  // The input whose code is nearest.
  nearestCode(z) {
    let best = Infinity,
      at = 0;
    const other = new Float32Array(z.length);
    for (let i = 0; i < this.codes.count; i++) {
      this.codes.row(i, other);
      let distance = 0;
      for (let j = 0; j < z.length && distance < best; j++) distance += (z[j] - other[j]) ** 2;
      if (distance < best) [best, at] = [distance, i];
    }
    return at;
  }

  // Of N(mean, diag sigma^2) on the plane: half axes of one deviation, and the angle of the longer one.
  ellipse(row) {
    if (!this.logVariance || !this.plane) return null;
    const variance = this.logVariance.row(row).map(Math.exp),
      [u, v] = this.plane.axes;
    let [a, b, c] = [0, 0, 0];
    variance.forEach((value, i) => {
      a += value * u[i] * u[i];
      b += value * u[i] * v[i];
      c += value * v[i] * v[i];
    });
    const middle = (a + c) / 2,
      spread = Math.hypot((a - c) / 2, b);
    return {
      long: Math.sqrt(middle + spread),
      short: Math.sqrt(Math.max(0, middle - spread)),
      angle: Math.atan2(2 * b, a - c) / 2,
    };
  }

  // -- selections

  selected(tell = true) {
    const mask = this.selections.rows,
      rows = mask ? members(mask) : [];
    this.map.choose(mask);
    if (rows.length === 1 && this.plane && this.codes) {
      this.plane = this.plane.movedThrough(this.codes.row(rows[0])); // then the point decodes to its own reconstruction
      this.anchor = rows[0];
    } else if (this.anchor !== null && this.anchor !== undefined && this.plane && this.codes) {
      this.plane = this.plane.movedThrough(this.sentCentre());
      this.anchor = null;
    }
    this.describe();
    this.marks();
    this.chosen.update();
    this.direction.update();
    if (tell && !this.quiet) this.changed(this.selections.packed());
  }

  // A point of the plane as it was made.
  sentCentre() {
    return this.sent.plane && this.positions === this.sent.positions ? this.sent.plane.origin : this.axes.mean;
  }

  // The picture in words.
  alternative() {
    const kinds = this.labels ? `, coloured by ${this.colours.name}` : "",
      { run, classes } = this.about;
    return (
      `Map of ${this.count.toLocaleString("en")} codes of ${run}, ${this.about.name}${kinds}` +
      `${classes.length ? `; ${classes.length} classes` : ""}. Arrow keys move the cursor and decode, plus and minus zoom, ` +
      "Enter selects the point under it, Escape selects none."
    );
  }

  destroy() {
    this.unlisten?.();
    this.map.destroy();
    this.film.stop();
    this.epochs.stop();
  }
}

function readPlane(tensors) {
  const axes = floats(tensors["plane.axes"]),
    dim = axes.length / 2;
  return new Plane(floats(tensors["plane.origin"]), [axes.slice(0, dim), axes.slice(dim)]);
}
