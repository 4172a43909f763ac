// A square field to draw on with mouse, pen or finger: white ink on a transparent ground.

export class DrawingPad {
  // side and lineWidth in pixels of the canvas; onDraw() is called after each part of a stroke, onRelease() after a stroke.
  constructor(canvas, { side, lineWidth, onDraw = () => {}, onRelease = () => {} }) {
    Object.assign(this, { canvas, side, onDraw, onRelease, drawing: false });
    if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side; // which clears it
    this.pen = canvas.getContext("2d", { willReadFrequently: true });
    Object.assign(this.pen, { lineWidth, lineCap: "round", lineJoin: "round", strokeStyle: "white" });
    canvas.onpointerdown = (event) => this.startStroke(event);
    canvas.onpointermove = (event) => this.drawing && this.extendStroke(event);
    canvas.onpointerup = canvas.onpointercancel = () => this.endStroke();
  }

  startStroke(event) {
    this.drawing = true;
    this.canvas.setPointerCapture(event.pointerId);
    this.pen.beginPath();
    this.pen.moveTo(...this.readPixel(event));
    this.extendStroke(event);
  }

  extendStroke(event) {
    this.pen.lineTo(...this.readPixel(event));
    this.pen.stroke();
    this.onDraw();
  }

  endStroke() {
    const wasDrawing = this.drawing;
    this.drawing = false;
    if (wasDrawing) this.onRelease();
  }

  // Where an event is, in pixels of the canvas.
  readPixel(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * this.side) / box.width, ((event.clientY - box.top) * this.side) / box.height];
  }

  clear() {
    this.pen.clearRect(0, 0, this.side, this.side);
  }
}
