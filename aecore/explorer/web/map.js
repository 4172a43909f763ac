// The map: points, what is drawn over them, and what pointer, fingers and keys do to it.

import { Camera } from "./camera.js";
import { element, icon } from "./dom.js";
import { Places } from "./places.js";
import { GlPoints, MANY, RasterPoints, pointSize } from "./points.js";

const TOOLS = {
  move: "Move: drag to pan, wheel to zoom, click to choose a point",
  box: "Box: drag to select; with Shift to add",
  lasso: "Lasso: draw round points to select them; with Shift to add",
  path: "Path: press and draw a way; it plays as a film",
  plane: "Plane: click three points; the map becomes the plane through their codes",
};
const NEAR = 14; // pixels within which a point counts as touched
const STEP = 10; // pixels that an arrow key moves the cursor

export class PointMap {
  // does: {touched(), point(x, y, near, byKey), leave(), select(rows, add), path(points), pick(row)}
  constructor(does) {
    this.does = does;
    this.camera = new Camera();
    this.tool = "move";
    this.fingers = new Map();
    this.stroke = []; // of the tool in use, on the map
    this.playing = false; // a film, which the pointer does not disturb
    this.marks = []; // {at: [x, y], row, ellipse, colour, label}
    this.raster = new RasterPoints(element("canvas", { class: "points" }));
    this.glCanvas = element("canvas", { class: "points" });
    this.gl = GlPoints.on(this.glCanvas);
    this.overlay = element("canvas", { class: "overlay" });
    this.xName = element("span", { class: "axis x" });
    this.yName = element("span", { class: "axis y" });
    this.note = element("span", { class: "note" });
    this.shading = element("span", { class: "note shading", hidden: true }, "the brighter, the more points: zoom in");
    this.stage = element(
      "div",
      { class: "stage", tabindex: 0, role: "application" },
      this.raster.canvas,
      this.glCanvas,
      this.overlay,
      this.xName,
      this.yName,
      this.note,
      this.shading,
    );
    this.tools = element(
      "div",
      { class: "tools", role: "toolbar", "aria-label": "Map tools" },
      ...Object.entries(TOOLS).map(([name, text]) =>
        element(
          "button",
          {
            type: "button",
            title: text,
            "aria-label": text,
            "data-tool": name,
            "aria-pressed": String(name === this.tool),
            onclick: () => this.use(name),
          },
          icon(name),
        ),
      ),
      element(
        "button",
        { type: "button", title: "Closer", "aria-label": "Closer", onclick: () => this.zoom(1.5) },
        "+",
      ),
      element(
        "button",
        { type: "button", title: "Farther", "aria-label": "Farther", onclick: () => this.zoom(1 / 1.5) },
        "−",
      ),
      element(
        "button",
        { type: "button", title: "Show all points", "aria-label": "Show all points", onclick: () => this.home() },
        "All",
      ),
    );
    this.listen();
    this.glCanvas.addEventListener("webglcontextlost", () => this.withoutGl());
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(this.stage);
  }

  // positions: x and y in turn; shades: a byte a point into `colours`.
  show(positions, shades, colours, keepView = false) {
    Object.assign(this, { positions, shades, colours, count: positions.length / 2, places: null, cursor: null });
    this.painter = this.count > MANY || !this.gl ? this.raster : this.gl;
    this.raster.canvas.hidden = this.painter !== this.raster;
    this.glCanvas.hidden = this.painter === this.raster;
    this.painter.set(positions, shades, colours);
    this.painter.choose(this.mask?.length === this.count ? this.mask : null);
    if (keepView && this.fitted) this.draw();
    else this.home();
  }

  // The graphics card has gone, or its browser has too many maps: go on without.
  withoutGl() {
    this.gl = null;
    if (this.positions) this.show(this.positions, this.shades, this.colours, true);
  }

  destroy() {
    this.watch.disconnect();
    this.positions = null;
    this.gl?.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  choose(mask) {
    this.mask = mask;
    this.painter?.choose(mask?.length === this.count ? mask : null);
    this.draw();
  }

  use(tool) {
    this.tool = tool;
    this.stroke = [];
    for (const button of this.tools.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", button.dataset.tool === tool);
    this.drawOver();
  }

  offer(tool, there) {
    this.tools.querySelector(`[data-tool=${tool}]`).hidden = !there;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    for (const canvas of [this.raster.canvas, this.glCanvas, this.overlay])
      Object.assign(canvas, { width: Math.round(width * this.ratio), height: Math.round(height * this.ratio) });
    const first = !this.fitted;
    this.camera.resize(width, height);
    if (first) this.home();
    else this.draw();
  }

  home() {
    if (!this.positions || !this.stage.clientWidth) return;
    if (!this.ratio) return this.resize();
    this.camera.fit(this.positions);
    this.fitted = true;
    this.draw();
  }

  zoom(factor, x, y) {
    this.camera.zoom(factor, x, y);
    this.draw();
  }

  draw() {
    if (!this.positions || !this.fitted) return;
    this.painter.draw(this.camera, this.ratio);
    this.shading.hidden = !this.painter.shaded;
    this.drawOver();
  }

  // -- what is drawn over the points

  drawOver() {
    if (!this.fitted) return;
    const context = this.overlay.getContext("2d"),
      { width, height } = this.camera;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const ink = getComputedStyle(this.stage).color;
    context.font = "600 13px sans-serif";
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = 1.5;
    if (this.stroke.length > 1 || this.way) this.drawStroke(context);
    for (const mark of this.marks) this.drawMark(context, mark, ink);
    if (this.cursor) this.drawCross(context, this.cursor);
  }

  drawStroke(context) {
    for (const line of [this.way, this.stroke]) {
      if (!line || line.length < 2) continue;
      context.beginPath();
      for (const [x, y] of line) context.lineTo(...this.camera.toScreen(x, y));
      if (line === this.stroke && this.tool !== "path") {
        context.closePath();
        context.globalAlpha = 0.12;
        context.fill();
        context.globalAlpha = 1;
      }
      context.stroke();
    }
  }

  drawMark(context, { at, ellipse, colour, label, row }, ink) {
    const [x, y] = this.camera.toScreen(...at);
    const ground = getComputedStyle(this.stage).backgroundColor;
    context.strokeStyle = colour ?? ink;
    if (ellipse)
      // one and two deviations of a posterior
      for (const deviations of [1, 2]) {
        context.beginPath();
        context.ellipse(
          x,
          y,
          deviations * ellipse.long * this.camera.scale,
          deviations * ellipse.short * this.camera.scale,
          -ellipse.angle,
          0,
          2 * Math.PI,
        );
        context.stroke();
      }
    context.beginPath();
    context.arc(x, y, row === undefined ? 9 : Math.max(7, pointSize(this.count)), 0, 2 * Math.PI);
    for (const [style, width] of [
      [ground, 6],
      [colour ?? ink, 2.5],
    ]) {
      // on points of any colour
      Object.assign(context, { strokeStyle: style, lineWidth: width });
      context.stroke();
      if (label && style === ground) context.strokeText(label, x + 13, y + 4);
    }
    context.lineWidth = 1.5;
    if (label) context.fillText(label, x + 13, y + 4);
  }

  drawCross(context, [px, py]) {
    context.beginPath();
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      context.moveTo(px + 4 * dx, py + 4 * dy);
      context.lineTo(px + 11 * dx, py + 11 * dy);
    }
    context.stroke();
  }

  // -- pointer, fingers, keys

  listen() {
    const { stage } = this;
    stage.onpointerdown = (event) => this.down(event);
    stage.onpointermove = (event) => this.moved(event);
    stage.onpointerup = stage.onpointercancel = (event) => this.up(event);
    stage.onpointerleave = () => this.fingers.size || this.leave();
    stage.onkeydown = (event) => this.key(event);
    stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const [x, y] = this.pixel(event);
        this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
      },
      { passive: false },
    );
  }

  pixel(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (event.button > 0 || !this.positions) return;
    this.does.touched();
    this.stage.setPointerCapture(event.pointerId);
    const pixel = this.pixel(event);
    this.fingers.set(event.pointerId, pixel);
    this.start = pixel;
    this.moving = this.fingers.size > 1; // a second finger pans and zooms, whatever the tool
    this.stroke = this.moving || this.tool === "move" || this.tool === "plane" ? [] : [this.camera.toMap(...pixel)];
  }

  moved(event) {
    if (!this.positions) return;
    const pixel = this.pixel(event),
      before = this.fingers.get(event.pointerId);
    if (this.fingers.size > 1 && before) return this.pinch(event.pointerId, before, pixel);
    if (before) this.drag(before, pixel);
    if (before) this.fingers.set(event.pointerId, pixel);
    if (!this.playing) this.look(pixel);
  }

  drag(before, pixel) {
    if (this.tool === "move") {
      if (!this.moving && Math.hypot(pixel[0] - this.start[0], pixel[1] - this.start[1]) < 4) return;
      this.moving = true;
      this.camera.pan(pixel[0] - before[0], pixel[1] - before[1]);
      this.draw();
    } else if (this.tool === "box") {
      const [a, b] = [this.camera.toMap(...this.start), this.camera.toMap(...pixel)];
      this.stroke = [a, [b[0], a[1]], b, [a[0], b[1]]];
    } else if (this.tool !== "plane") this.stroke.push(this.camera.toMap(...pixel));
  }

  pinch(id, before, pixel) {
    const other = [...this.fingers].find(([key]) => key !== id)[1];
    const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
    this.camera.pan((pixel[0] - before[0]) / 2, (pixel[1] - before[1]) / 2);
    this.fingers.set(id, pixel);
    this.zoom(apart(pixel) / apart(before), (pixel[0] + other[0]) / 2, (pixel[1] + other[1]) / 2);
  }

  up(event) {
    const held = this.fingers.delete(event.pointerId);
    if (!held || this.fingers.size) return;
    const stroke = this.stroke;
    this.stroke = [];
    if (this.moving) this.moving = false;
    else if (event.type === "pointercancel") this.drawOver();
    else if (stroke.length > 2) this.finish(stroke, event.shiftKey);
    else this.click(this.near(...this.pixel(event)), event.shiftKey);
    if (event.pointerType === "touch") this.leave();
  }

  finish(stroke, add) {
    if (this.tool === "path") this.does.path(stroke);
    else this.does.select(this.index().inside(stroke), add);
    this.drawOver();
  }

  click(row, add) {
    if (this.tool === "plane") row !== null && this.does.pick(row);
    else if (row !== null) this.does.select([row], add);
    else this.does.select([], add);
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { width, height } = this.camera,
      acts = {
        "+": () => this.zoom(1.25, ...(this.cursor ?? [])),
        "=": () => this.zoom(1.25, ...(this.cursor ?? [])),
        "-": () => this.zoom(0.8, ...(this.cursor ?? [])),
        0: () => this.home(),
        Escape: () => this.does.select([]),
        Enter: () => this.click(this.cursor && this.near(...this.cursor), event.shiftKey),
        " ": () => this.click(this.cursor && this.near(...this.cursor), event.shiftKey),
      };
    if (arrows[event.key] && !event.altKey && !event.ctrlKey && !event.metaKey) {
      this.does.touched();
      const [dx, dy] = arrows[event.key],
        step = event.shiftKey ? 1 : STEP,
        [x, y] = this.cursor ?? [width / 2, height / 2];
      const at = [Math.max(0, Math.min(width, x + step * dx)), Math.max(0, Math.min(height, y + step * dy))];
      this.look(at, true);
    } else if (acts[event.key] && !event.ctrlKey && !event.metaKey) {
      this.does.touched();
      acts[event.key]();
    } else return;
    event.preventDefault();
  }

  // The pointer, or the keyboard's cursor, is over this pixel.
  look(pixel, byKey = false) {
    this.cursor = pixel;
    this.does.point(...this.camera.toMap(...pixel), this.near(...pixel), byKey);
    this.drawOver();
  }

  leave() {
    this.cursor = null;
    this.does.leave();
    this.drawOver();
  }

  index() {
    return (this.places ??= new Places(this.positions));
  }

  // The point under a pixel, or null.
  near(px, py) {
    if (!this.count) return null;
    const [row] = this.index().nearest(...this.camera.toMap(px, py));
    const [x, y] = this.camera.toScreen(this.positions[2 * row], this.positions[2 * row + 1]);
    return Math.hypot(x - px, y - py) <= NEAR ? row : null;
  }

  at(row) {
    return [this.positions[2 * row], this.positions[2 * row + 1]];
  }
}
