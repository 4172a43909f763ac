// The map of codes while a model learns: the points glide as it changes, and what is under the pointer is decoded.

import { Camera } from "../camera.js";
import { element, formatNumbers } from "../dom.js";
import { PointMap } from "../map.js";
import { Network } from "../network.js";
import { formatColour, makePalette } from "../palette.js";
import { ExamplePainter } from "../picture.js";
import { LATE } from "./pace.js";
import { followPrincipalPlane, measureShare } from "./principal.js";

const GLIDE = 100; // ms from one snapshot to the next
const JUMPS = 20; // snapshots at which the points jump, after a glide that the page could not follow
const MAX_LEGEND = 30; // classes

export class CodeMap {
  constructor() {
    this.map = new PointMap({
      onTouch: () => {},
      onPoint: (x, y, row) => this.pointAt(x, y, row),
      onLeave: () => this.pointAt(null, null, null),
      onSelect: () => {},
      onPath: () => {},
      onPick: () => {},
      listMarks: () => this.listMarks(),
    });
    this.map.useTool("look");
    this.canvas = element("canvas", { class: "here", role: "img" });
    this.status = element("output", { class: "said", "aria-live": "off" });
    this.legend = element("div", { class: "legend" });
    this.palette = makePalette("class");
    this.jumps = 0; // that are left
    const text = "Map of codes. Arrow keys move the cursor and decode, plus and minus zoom, 0 shows all points.";
    this.map.stage.setAttribute("aria-label", text);
  }

  // examples: an ExampleSet; tracked: {x, labels, count} of it, the points of the map.
  setExamples(examples, tracked) {
    const { meta, tensors } = examples.describeDrawing();
    cancelAnimationFrame(this.frame);
    Object.assign(this, { examples, tracked, latest: null, plane: null, positions: null, target: null });
    Object.assign(this, { place: null, row: null, drawn: null });
    this.painter = new ExamplePainter(meta, tensors);
    this.shades = tracked.labels ?? new Uint8Array(tracked.count);
    this.canvas.classList.toggle("drawn", examples.kind !== "image");
    const names = tracked.labels ? examples.classes.slice(0, MAX_LEGEND) : [];
    this.legend.replaceChildren(...names.map((name, i) => this.makeKey(name, i)));
  }

  makeKey(name, i) {
    const dot = element("span", { class: "dot" });
    dot.style.background = formatColour(this.palette, i);
    return element("span", { class: "key" }, dot, name);
  }

  // A snapshot of the session: the weights of the moment, and the codes of the tracked examples.
  update({ network, codes }) {
    const { meta, tensors } = network,
      dim = meta.latent_dim;
    for (const tensor of Object.values(tensors)) tensor.floats = tensor.data; // nothing writes to them: no copy is needed
    Object.assign(this, { latest: { meta, tensors }, network: null, codes });
    this.plane = followPrincipalPlane(codes, dim, this.plane);
    const target = new Float32Array(2 * this.tracked.count);
    for (let i = 0; i < this.tracked.count; i++)
      target.set(this.plane.project(codes.subarray(i * dim, (i + 1) * dim)), 2 * i);
    this.target = target;
    this.nameAxes(dim, codes);
    this.glideTo(target);
    this.decodeHere();
  }

  nameAxes(dim, codes) {
    const { xName, yName, note } = this.map,
      names = dim > 2 ? ["component 1", "component 2"] : ["z0", dim === 2 ? "z1" : ""];
    [xName.textContent, yName.textContent] = names;
    const share = Math.round(100 * measureShare(codes, this.plane));
    note.textContent = dim > 2 ? `the plane of largest variance: ${share} % of it` : "";
  }

  // -- where the points are

  glideTo(target) {
    cancelAnimationFrame(this.frame);
    const from = this.positions,
      jumps = this.jumps > 0;
    if (jumps) this.jumps -= 1;
    if (!from || jumps || matchMedia("(prefers-reduced-motion: reduce)").matches) return this.arriveAt(target);
    const start = performance.now();
    let last = start;
    const move = (now) => {
      const share = Math.max(0, (now - start) / GLIDE);
      if (now - last > LATE) this.jumps = JUMPS;
      last = now;
      if (share >= 1 || this.jumps) return this.arriveAt(target);
      this.showPoints(target.map((value, i) => from[i] + share * (value - from[i])));
      this.frame = requestAnimationFrame(move);
    };
    this.frame = requestAnimationFrame(move);
  }

  // Show the points where they stay, and find the one under the pointer.
  arriveAt(target) {
    this.showPoints(target);
    if (this.map.cursor) this.map.moveCursor(this.map.cursor);
  }

  showPoints(positions) {
    const { map } = this,
      { cursor } = map;
    const keepsView = this.positions !== null && !this.showsAll();
    this.positions = positions;
    map.show(positions, this.shades, this.palette, keepsView);
    const { x, y, scale } = map.camera;
    this.view = { x, y, scale };
    map.cursor = cursor;
  }

  // True where the view is the one that showed all points: it then goes on showing all.
  showsAll() {
    const { camera } = this.map,
      fitted = new Camera();
    fitted.resize(camera.width, camera.height);
    fitted.fit(this.positions);
    const agrees = (other) => ["x", "y", "scale"].every((name) => other[name] === camera[name]);
    if (agrees(fitted)) this.followed = true;
    else if (!agrees(this.view)) this.followed = false;
    return this.followed;
  }

  // -- what is decoded

  getNetwork() {
    return (this.network ??= new Network(this.latest.meta, this.latest.tensors));
  }

  pointAt(x, y, row) {
    this.row = row;
    if (x !== null) this.place = [x, y];
    this.map.overlay.request();
    this.decodeHere();
  }

  // Decode the place of the pointer, or where it last was; before that, the code of the first point.
  decodeHere() {
    if (!this.latest) return;
    const network = this.getNetwork(),
      [x, y] = this.place ?? this.target,
      z = network.snap(this.plane.computeCode(x, y));
    this.painter.paint(this.canvas, network.decode(z));
    const name = this.row === null || !this.tracked.labels ? "" : `; ${this.examples.classes[this.tracked.labels[this.row]]}`;
    this.status.textContent = `z = (${formatNumbers(z)})${name}`;
    this.canvas.setAttribute("aria-label", `Decoded at ${this.status.textContent}`);
  }

  // Show where an example lies that is not among the points, such as a drawing; null for none.
  markExample(x) {
    this.drawn = x;
    this.map.overlay.request();
  }

  listMarks() {
    const marks = [];
    if (this.row !== null) marks.push({ position: this.map.positionOf(this.row), row: this.row });
    if (this.latest && this.drawn?.length === this.examples.features)
      marks.push({ position: this.plane.project(this.getNetwork().encode(this.drawn).z), label: "your drawing" });
    return marks;
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    this.map.destroy();
  }
}
