// The map: points, what is drawn over them, its tools, and the part of it that is on screen.

import { Camera } from "./camera.js";
import { element } from "./dom.js";
import { Gestures } from "./gestures.js";
import { PointGrid } from "./grid.js";
import { Overlay } from "./overlay.js";
import { GlPoints, MANY, RasterPoints } from "./points.js";
import { Toolbar } from "./toolbar.js";

const REACH = 14; // pixels within which a point counts as touched

export class PointMap {
  // handlers: {onTouch(), onPoint(x, y, row, byKey), onLeave(), onSelect(rows, add), onPath(points), onPick(row),
  // listMarks()}; the last gives what Overlay.drawMark takes.
  constructor(handlers) {
    this.handlers = handlers;
    this.camera = new Camera();
    this.tool = "move";
    this.stroke = []; // of the tool in use: positions on the map
    this.path = null; // of a film: positions on the map
    this.playing = false; // a film, which the pointer does not disturb
    this.raster = new RasterPoints(element("canvas", { class: "points" }));
    this.glCanvas = element("canvas", { class: "points" });
    this.gl = GlPoints.create(this.glCanvas);
    this.overlay = new Overlay(this, element("canvas", { class: "overlay" }));
    this.toolbar = new Toolbar(this);
    this.toolbar.press(this.tool);
    this.buildStage();
    this.gestures = new Gestures(this);
    this.glCanvas.addEventListener("webglcontextlost", () => this.dropGl());
    this.resizeObserver = new ResizeObserver(() => this.resize());
    this.resizeObserver.observe(this.stage);
  }

  buildStage() {
    this.xName = element("span", { class: "axis x" });
    this.yName = element("span", { class: "axis y" });
    this.note = element("span", { class: "note" });
    this.shading = element("span", { class: "note shading", hidden: true }, "the brighter, the more points: zoom in");
    this.stage = element(
      "div",
      { class: "stage", tabindex: 0, role: "application" },
      this.raster.canvas,
      this.glCanvas,
      this.overlay.canvas,
      this.xName,
      this.yName,
      this.note,
      this.shading,
    );
  }

  // -- points

  // positions: x and y in turn; shades: a byte a point into `colours`.
  show(positions, shades, colours, keepView = false) {
    if (positions !== this.positions) this.grid = null;
    Object.assign(this, { positions, shades, colours, count: positions.length / 2, cursor: null });
    this.painter = this.count > MANY || !this.gl ? this.raster : this.gl;
    this.raster.canvas.hidden = this.painter !== this.raster;
    this.glCanvas.hidden = this.painter === this.raster;
    this.painter.set(positions, shades, colours);
    this.painter.setSelection(this.mask?.length === this.count ? this.mask : null);
    if (keepView && this.fitted) this.draw();
    else this.fitView();
  }

  // mask: a byte a point, 1 where it is selected; or null.
  setSelection(mask) {
    this.mask = mask;
    this.painter?.setSelection(mask?.length === this.count ? mask : null);
    this.draw();
  }

  // Go on without WebGL: the graphics card has gone, or its browser has too many maps.
  dropGl() {
    this.gl = null;
    if (this.positions) this.show(this.positions, this.shades, this.colours, true);
  }

  positionOf(row) {
    return [this.positions[2 * row], this.positions[2 * row + 1]];
  }

  getGrid() {
    return (this.grid ??= new PointGrid(this.positions));
  }

  // The row of the point under a pixel, or null.
  findPointAt(px, py) {
    if (!this.count) return null;
    const [row] = this.getGrid().findNearest(...this.camera.toMap(px, py));
    const [x, y] = this.camera.toScreen(...this.positionOf(row));
    return Math.hypot(x - px, y - py) <= REACH ? row : null;
  }

  // -- tools and cursor

  useTool(tool) {
    this.tool = tool;
    this.stroke = [];
    this.toolbar.press(tool);
    this.overlay.request();
  }

  // The pointer, or the keyboard's cursor, is over this pixel.
  moveCursor(pixel, byKey = false) {
    this.cursor = pixel;
    this.handlers.onPoint(...this.camera.toMap(...pixel), this.findPointAt(...pixel), byKey);
    this.overlay.request();
  }

  leave() {
    this.cursor = null;
    this.handlers.onLeave();
    this.overlay.request();
  }

  // -- what is on screen

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    for (const canvas of [this.raster.canvas, this.glCanvas, this.overlay.canvas])
      Object.assign(canvas, { width: Math.round(width * this.ratio), height: Math.round(height * this.ratio) });
    this.camera.resize(width, height);
    if (this.fitted) this.draw();
    else this.fitView();
    this.overlay.draw(); // now: the frame's requests were answered before its sizes were known
  }

  // Show all points.
  fitView() {
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
    this.overlay.request();
  }

  destroy() {
    this.resizeObserver.disconnect();
    this.overlay.cancel();
    this.positions = null;
    this.gl?.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
