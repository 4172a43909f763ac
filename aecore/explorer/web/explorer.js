// The explorer: a map of codes, the picture that the model decodes under the pointer, and the panels beside them.

import { Axes } from "./axes.js";
import { Colours } from "./colours.js";
import { Direction } from "./direction.js";
import { element, formatNumbers } from "./dom.js";
import { Drawing } from "./drawing.js";
import { Epochs } from "./epochs.js";
import { Film } from "./film.js";
import { PointMap } from "./map.js";
import { listMarks } from "./marks.js";
import { Network } from "./network.js";
import { ExamplePainter } from "./picture.js";
import { Plane, blendCodes } from "./plane.js";
import { SelectionList } from "./selection_list.js";
import { Selections, listRows } from "./selections.js";
import { Rows, floats, readTensors } from "./tensors.js";
import { Tip } from "./tip.js";

const NEIGHBOURS = 6; // points whose codes are blended where the map is no plane

export class Explorer {
  // root: an empty element. onSelect(selections) is called when inputs are selected or a selection is named.
  constructor(root, onSelect = () => {}) {
    this.onSelect = onSelect;
    this.map = new PointMap({
      onTouch: () => this.film.stop(),
      onPoint: (x, y, row, byKey) => this.decodeAt(x, y, row, byKey),
      onLeave: () => this.hideTip(),
      onSelect: (rows, add) => this.selections?.select(rows, add),
      onPath: (path) => this.film.setPath(path),
      onPick: (row) => this.axes.pickPoint(row),
      listMarks: () => listMarks(this),
    });
    this.canvas = element("canvas", { class: "here", role: "img", "aria-label": "What the model decodes here" });
    this.status = element("output", { class: "said", "aria-live": "polite" });
    this.share = element("span", { class: "share" });
    this.tip = new Tip(this);
    this.colours = new Colours(this);
    this.axes = new Axes(this);
    this.film = new Film(this);
    this.epochs = new Epochs(this);
    this.drawing = new Drawing(this);
    this.selectionList = new SelectionList(this);
    this.direction = new Direction(this);
    this.map.stage.append(this.tip.root);
    root.explorer = this;
    root.replaceChildren(this.arrange());
  }

  // All parts in their order on the page.
  arrange() {
    const panels = [this.film, this.epochs, this.drawing, this.selectionList, this.direction];
    return element(
      "div",
      { class: "explorer" },
      element(
        "div",
        { class: "left" },
        element("div", { class: "bar" }, this.map.toolbar.root, this.axes.root, this.share),
        this.map.stage,
        this.colours.root,
      ),
      element("div", { class: "side" }, this.canvas, this.status, ...panels.map((panel) => panel.root)),
    );
  }

  // -- the model and the map

  // The model, its codes and its inputs, as aecore.explorer.packs.encode_model_pack writes them.
  setModel(bytes) {
    const { meta, tensors } = readTensors(bytes);
    this.modelMeta = meta;
    this.network = new Network(meta.network, tensors);
    this.painter = new ExamplePainter(meta, tensors);
    this.canvas.classList.toggle("drawn", meta.kind !== "image");
    this.codes = tensors.codes ? new Rows(tensors, "codes") : null;
    this.logVariance = tensors.log_variance ? new Rows(tensors, "log_variance") : null;
    this.inputs = tensors.inputs ? new Rows(tensors, "inputs") : null;
    this.inputShape = tensors.inputs?.shape.slice(1);
    this.drawing.showField();
    this.axes.offerUnits();
    this.describePoints();
    this.showSelection();
    if (!this.code && (this.plane || this.codes))
      this.decodeAt(...this.map.positionOf(this.mapMeta.marked ?? 0), null, false);
  }

  // Until the model of another map comes, nothing decodes.
  forgetModel() {
    Object.assign(this, {
      modelMeta: null,
      network: null,
      codes: null,
      logVariance: null,
      inputs: null,
      code: null,
      drawn: null,
      moved: null,
    });
    this.hideTip();
    this.axes.offerUnits();
    this.drawing.root.hidden = true;
  }

  // A map of the same inputs, as aecore.explorer.packs.encode_map_pack writes it.
  setMap(bytes) {
    const { meta, tensors } = readTensors(bytes);
    if (this.modelMeta && this.modelMeta.token !== meta.token) this.forgetModel();
    this.mapMeta = meta;
    const positions = tensors.positions.half ? floats(tensors.positions) : tensors.positions.data;
    this.original = { positions, plane: Plane.fromTensors(tensors), names: meta.axes };
    this.count = positions.length / 2;
    this.labels = tensors.labels?.data ?? null;
    this.errors = floats(tensors.errors);
    this.preserved = tensors.preserved ? floats(tensors.preserved) : null;
    Object.assign(this, { positions, plane: this.original.plane });
    this.epochs.setTensors(tensors);
    this.describePoints();
    this.colours.setValues(meta.colour, this);
    this.placePoints(positions, this.plane, meta.axes);
    performance.mark("explorer-drawn");
    this.joinSelections();
    if (this.modelMeta) this.axes.offerUnits();
    this.map.stage.setAttribute("aria-label", this.describeMap());
  }

  // Put the points where a map says; `plane` gives the codes of positions, null where neighbours are blended.
  placePoints(positions, plane, names) {
    const before = this.map.positions;
    const same = before?.length === positions.length && positions.every((value, i) => value === before[i]);
    Object.assign(this, { positions, plane, anchor: null });
    this.hideTip();
    this.film.setPath(null);
    this.map.show(positions, this.colours.getShades(), this.colours.getPalette(), same);
    [this.map.xName.textContent, this.map.yName.textContent] = names;
    this.map.note.textContent = this.describePlane();
  }

  restoreMap() {
    this.placePoints(this.original.positions, this.original.plane, this.original.names);
    this.showSelection();
  }

  usePlane(plane, names) {
    this.placePoints(plane.projectRows(this.codes), plane, names);
    this.showSelection();
  }

  // -- what is under the pointer

  // The code at a position of the map, null where the map cannot be decoded.
  computeCode(x, y) {
    if (this.plane) return this.network.snap(this.plane.computeCode(x, y));
    if (!this.codes) return null;
    const neighbours = this.map.getGrid().findNearest(x, y, NEIGHBOURS);
    return this.network.snap(blendCodes(x, y, neighbours, this.positions, this.codes));
  }

  decodeAt(x, y, row, aloud = true) {
    if (!this.network || this.epochs.past) return;
    const z = this.computeCode(x, y);
    const suffix = row === null ? "" : `; input ${row}${this.describeClass(row)}`;
    if (z) this.showCode(z, `z = (${formatNumbers(z)})${suffix}`, aloud);
    this.showTip(row);
  }

  // Decode a code into the large picture.
  showCode(z, text, aloud = true) {
    this.code = z;
    this.decoded = this.network.decode(z);
    this.painter.paint(this.canvas, this.decoded);
    this.canvas.setAttribute("aria-label", `Decoded at ${text}`);
    this.status.setAttribute("aria-live", aloud ? "polite" : "off");
    this.status.textContent = text;
    this.direction.moveCode();
  }

  // The values of an input, null where it was not sent.
  readInput(row) {
    return this.inputs && row < this.inputs.count ? this.inputs.row(row) : null;
  }

  // Describe the point under the pointer, if any.
  showTip(row) {
    if (row === null) return this.hideTip();
    this.hoveredRow = row;
    this.map.overlay.request();
    this.tip.show(row);
    if (this.modelMeta.kind !== "image" && this.decoded)
      this.painter.paint(this.canvas, this.decoded, this.readInput(row));
  }

  hideTip() {
    this.hoveredRow = null;
    this.map.overlay.request();
    this.tip.hide();
  }

  // -- selections

  // Share selections with all maps of the same inputs; the page is told of those that an earlier map left.
  joinSelections() {
    this.stopListening?.();
    this.selections = Selections.share(`${this.mapMeta.data}:${this.mapMeta.split}`, this.count);
    this.stopListening = this.selections.listen(() => this.changeSelection());
    this.selectMarked(this.mapMeta.marked);
    this.showSelection();
    const { mask, named } = this.selections;
    if ((mask || named.size) && this.reported !== this.selections) this.onSelect(this.selections.pack());
    this.reported = this.selections;
  }

  // Select the input that the page names, without telling the page.
  selectMarked(row) {
    if (row != null && row !== this.marked) {
      this.quiet = true;
      this.selections.select([row]);
      this.quiet = false;
    }
    this.marked = row;
  }

  changeSelection() {
    this.showSelection();
    if (!this.quiet) this.onSelect(this.selections.pack());
  }

  showSelection() {
    const { mask } = this.selections;
    this.map.setSelection(mask);
    this.movePlane(listRows(mask));
    this.map.note.textContent = this.describePlane();
    this.map.overlay.request();
    this.selectionList.update();
    this.direction.updateEnds();
  }

  // Move the plane through the code of the one selected input, which then decodes to its own reconstruction.
  movePlane(rows) {
    if (!this.plane || !this.codes) return;
    if (rows.length === 1) {
      this.plane = this.plane.moveThrough(this.codes.row(rows[0]));
      this.anchor = rows[0];
    } else if (this.anchor !== null) {
      this.plane = this.plane.moveThrough(this.originalCentre());
      this.anchor = null;
    }
  }

  // A point of the plane as it was before it moved.
  originalCentre() {
    const { plane, positions } = this.original;
    return plane && this.positions === positions ? plane.origin : this.axes.mean;
  }

  // -- in words

  describePoints() {
    const parts = [describeShare(this.count, this.mapMeta.total), this.network?.describeGrid()];
    this.share.textContent = parts.filter(Boolean).join(" · ");
  }

  describePlane() {
    if (this.plane) return this.anchor === null ? "" : `the plane through input ${this.anchor}`;
    if (this.codes) return `no plane: decoded from the codes of the ${NEIGHBOURS} nearest points`;
    return "this map cannot be decoded";
  }

  describeClass(row) {
    return this.labels ? `, class ${this.mapMeta.classes[this.labels[row]]}` : "";
  }

  // The map as an alternative text.
  describeMap() {
    const colour = this.labels ? `, coloured by ${this.colours.name}` : "",
      { run, name, classes } = this.mapMeta;
    return (
      `Map of ${this.count.toLocaleString("en")} codes of ${run}, ${name}${colour}` +
      `${classes.length ? `; ${classes.length} classes` : ""}. Arrow keys move the cursor and decode, plus and minus zoom, ` +
      "Enter selects the point under it, or begins and ends a box, lasso or path; Escape selects none."
    );
  }

  destroy() {
    this.stopListening?.();
    this.map.destroy();
    this.film.stop();
    this.epochs.stop();
  }
}

function describeShare(count, total) {
  const drawn = count.toLocaleString("en");
  return total > count ? `${drawn} of ${total.toLocaleString("en")} drawn` : `${drawn} points, all drawn`;
}
