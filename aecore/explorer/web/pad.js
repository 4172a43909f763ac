// A square field to draw on with mouse, pen, finger or keys: white ink on a transparent ground.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 1 / 14, SMALL_STEP = 1 / 56; // of the side, of an arrow key, and with Shift

export class DrawingPad {
  // side and lineWidth in pixels of the canvas; onDraw() is called after each part of a stroke, onRelease() after a stroke.
  constructor(canvas, { side, lineWidth, onDraw = () => {}, onRelease = () => {} }) {
    Object.assign(this, { canvas, side, lineWidth, onDraw, onRelease, drawing: false });
    if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side; // which clears it
    this.pen = canvas.getContext("2d", { willReadFrequently: true });
    Object.assign(this.pen, { lineWidth, lineCap: "round", lineJoin: "round", strokeStyle: "white" });
    this.spot = canvas.spot ??= [side / 2, side / 2]; // of the pen that keys move; a pad that is set up again keeps it
    canvas.title = "With keys: arrows move the pen, Enter puts it down and lifts it.";
    canvas.onpointerdown = (event) => this.startStroke(event);
    canvas.onpointermove = (event) => this.drawing && this.extendStroke(this.readPixel(event));
    canvas.onpointerup = canvas.onpointercancel = () => this.endStroke();
    canvas.onkeydown = (event) => this.takeKey(event);
    canvas.onblur = () => this.leave();
  }

  startStroke(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.style.backgroundImage = "";
    this.beginStroke(this.readPixel(event));
  }

  beginStroke(pixel) {
    this.drawing = true;
    this.pen.beginPath();
    this.pen.moveTo(...pixel);
    this.extendStroke(pixel);
  }

  extendStroke(pixel) {
    this.pen.lineTo(...pixel);
    this.pen.stroke();
    this.onDraw();
  }

  endStroke() {
    const wasDrawing = this.drawing;
    this.drawing = false;
    if (wasDrawing) this.onRelease();
  }

  takeKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
    const arrow = ARROWS[event.key];
    if (arrow) this.movePen(arrow, this.side * (event.shiftKey ? SMALL_STEP : STEP));
    else if (event.key !== "Enter" && event.key !== " ") return;
    else if (event.repeat) return event.preventDefault();
    else if (this.drawing) this.endStroke();
    else this.beginStroke(this.spot);
    this.showPen();
    event.preventDefault();
  }

  movePen(arrow, step) {
    arrow.forEach((direction, i) => {
      this.spot[i] = Math.max(0, Math.min(this.side, this.spot[i] + step * direction));
    });
    if (this.drawing) this.extendStroke(this.spot);
  }

  // A ring round the pen, under the ink: blue while it is down.
  showPen() {
    const [x, y] = this.spot.map((value) => (100 * value) / this.side);
    const radius = (0.8 * this.lineWidth * this.canvas.clientWidth) / this.side;
    const ring = `transparent ${radius}px, ${this.drawing ? "#66ccee" : "#999"} ${radius}px ${radius + 2}px`;
    const image = `radial-gradient(circle at ${x}% ${y}%, ${ring}, transparent ${radius + 2}px)`;
    this.canvas.style.backgroundImage = image;
  }

  leave() {
    this.endStroke();
    this.canvas.style.backgroundImage = "";
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
