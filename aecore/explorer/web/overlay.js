// What is drawn over the points of a map, once a frame: the stroke of a tool, rings and ellipses, the cursor.

import { pointSize } from "./points.js";

const DIRECTIONS = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
];

export class Overlay {
  // map: a PointMap; its canvas lies over the points.
  constructor(map, canvas) {
    Object.assign(this, { map, canvas, frame: null, isClear: true });
  }

  // Draw before the next frame is shown, once, however often this is called until then.
  request() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  cancel() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
  }

  draw() {
    const { map } = this;
    if (!map.fitted || !map.positions) return;
    const marks = map.handlers.listMarks(),
      isEmpty = !map.path && !map.stroke.length && !marks.length && !map.cursor;
    if (isEmpty && this.isClear) return; // a canvas that is touched is composed anew
    this.isClear = isEmpty;
    const context = this.canvas.getContext("2d"),
      { width, height } = map.camera,
      { color: ink, backgroundColor: ground } = getComputedStyle(map.stage);
    context.setTransform(map.ratio, 0, 0, map.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "600 13px sans-serif";
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = 1.5;
    if (map.path) this.drawLine(context, map.path, false);
    this.drawLine(context, map.stroke, map.tool !== "path");
    for (const mark of marks) this.drawMark(context, mark, ink, ground);
    if (map.cursor) this.drawCursor(context, map.cursor);
  }

  // A line [[x, y], ...] of the map; an area is closed and lightly filled.
  drawLine(context, line, isArea) {
    if (line.length < 2) return;
    context.beginPath();
    for (const [x, y] of line) context.lineTo(...this.map.camera.toScreen(x, y));
    if (isArea) {
      context.closePath();
      context.globalAlpha = 0.12;
      context.fill();
      context.globalAlpha = 1;
    }
    context.stroke();
  }

  // mark: {position: [x, y], row, ellipse, colour, label}
  drawMark(context, { position, ellipse, colour, label, row }, ink, ground) {
    const { camera, count } = this.map;
    const [x, y] = camera.toScreen(...position);
    context.strokeStyle = colour ?? ink;
    if (ellipse) drawEllipses(context, x, y, ellipse, camera.scale);
    context.beginPath();
    context.arc(x, y, row === undefined ? 9 : Math.max(7, pointSize(count)), 0, 2 * Math.PI);
    // first a wide line in the colour of the page, so that the ring shows on points of any colour
    Object.assign(context, { strokeStyle: ground, lineWidth: 6 });
    context.stroke();
    if (label) context.strokeText(label, x + 13, y + 4);
    Object.assign(context, { strokeStyle: colour ?? ink, lineWidth: 2.5 });
    context.stroke();
    context.lineWidth = 1.5;
    if (label) context.fillText(label, x + 13, y + 4);
  }

  drawCursor(context, [px, py]) {
    context.beginPath();
    for (const [dx, dy] of DIRECTIONS) {
      context.moveTo(px + 4 * dx, py + 4 * dy);
      context.lineTo(px + 11 * dx, py + 11 * dy);
    }
    context.stroke();
  }
}

// One and two deviations of a posterior.
function drawEllipses(context, x, y, { long, short, angle }, scale) {
  for (const deviations of [1, 2]) {
    context.beginPath();
    context.ellipse(x, y, deviations * long * scale, deviations * short * scale, -angle, 0, 2 * Math.PI);
    context.stroke();
  }
}
