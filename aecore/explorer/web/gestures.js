// What pointer, fingers, wheel and keys do to a map.

const STEP = 10; // pixels that an arrow key moves the cursor
const CLICK_REACH = 4; // pixels that a pressed pointer may move and still click
const UNDRAWN_TOOLS = ["move", "plane", "look"]; // "look" decodes under a finger, and moves nothing
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Gestures {
  // map: a PointMap.
  constructor(map) {
    this.map = map;
    this.fingers = new Map(); // pointer ids -> pixels
    this.drawsByKeys = false; // a stroke that Enter began
    this.listen(map.stage);
  }

  listen(stage) {
    stage.onpointerdown = (event) => this.press(event);
    stage.onpointermove = (event) => this.move(event);
    stage.onpointerup = stage.onpointercancel = (event) => this.release(event);
    stage.onpointerleave = () => this.fingers.size || this.map.leave();
    stage.onkeydown = (event) => this.pressKey(event);
    stage.addEventListener("wheel", (event) => this.turnWheel(event), { passive: false });
  }

  // Where an event is, in pixels of the map.
  readPixel(event) {
    const box = this.map.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  press(event) {
    const { map } = this;
    if (event.button > 0 || !map.positions) return;
    map.handlers.onTouch();
    map.stage.setPointerCapture(event.pointerId);
    const pixel = this.readPixel(event);
    this.fingers.set(event.pointerId, pixel);
    this.start = pixel;
    this.drawsByKeys = false;
    this.panning = this.fingers.size > 1; // a second finger pans and zooms, whatever the tool
    const draws = !this.panning && !UNDRAWN_TOOLS.includes(map.tool);
    map.stroke = draws ? [map.camera.toMap(...pixel)] : [];
  }

  move(event) {
    const { map } = this;
    if (!map.positions) return;
    const pixel = this.readPixel(event),
      before = this.fingers.get(event.pointerId);
    if (this.fingers.size > 1 && before) return this.pinch(event.pointerId, before, pixel);
    if (before) {
      this.drag(before, pixel);
      this.fingers.set(event.pointerId, pixel);
    }
    if (!map.playing) map.moveCursor(pixel);
  }

  drag(before, pixel) {
    const { map } = this;
    if (map.tool === "move") {
      if (!this.panning && Math.hypot(pixel[0] - this.start[0], pixel[1] - this.start[1]) < CLICK_REACH) return;
      this.panning = true;
      map.camera.pan(pixel[0] - before[0], pixel[1] - before[1]);
      map.draw();
    } else if (map.tool === "box") {
      const [a, b] = [map.camera.toMap(...this.start), map.camera.toMap(...pixel)];
      map.stroke = [a, [b[0], a[1]], b, [a[0], b[1]]];
    } else if (!UNDRAWN_TOOLS.includes(map.tool)) map.stroke.push(map.camera.toMap(...pixel));
  }

  pinch(id, before, pixel) {
    const { map } = this,
      other = [...this.fingers].find(([key]) => key !== id)[1];
    const measureGap = (finger) => Math.hypot(finger[0] - other[0], finger[1] - other[1]) || 1;
    map.camera.pan((pixel[0] - before[0]) / 2, (pixel[1] - before[1]) / 2);
    this.fingers.set(id, pixel);
    map.zoom(measureGap(pixel) / measureGap(before), (pixel[0] + other[0]) / 2, (pixel[1] + other[1]) / 2);
  }

  release(event) {
    const { map } = this,
      wasDown = this.fingers.delete(event.pointerId);
    if (!wasDown || this.fingers.size) return;
    const { stroke } = map;
    map.stroke = [];
    if (this.panning) this.panning = false;
    else if (event.type === "pointercancel") map.overlay.request();
    else if (stroke.length > 2) this.finishStroke(stroke, event.shiftKey);
    else this.click(map.findPointAt(...this.readPixel(event)), event.shiftKey);
    if (event.pointerType === "touch") map.leave();
  }

  finishStroke(stroke, add) {
    const { map } = this;
    if (map.tool === "path") map.handlers.onPath(stroke);
    else map.handlers.onSelect(map.getGrid().findInside(stroke), add);
    map.overlay.request();
  }

  click(row, add) {
    const { handlers, tool } = this.map;
    if (tool === "plane") row !== null && handlers.onPick(row);
    else if (row !== null) handlers.onSelect([row], add);
    else handlers.onSelect([], add);
  }

  turnWheel(event) {
    if (this.map.tool === "look") return; // the page scrolls
    event.preventDefault();
    const [x, y] = this.readPixel(event);
    this.map.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
  }

  pressKey(event) {
    if (event.ctrlKey || event.metaKey) return;
    const { map } = this,
      direction = event.altKey ? undefined : ARROWS[event.key],
      action = this.findKeyAction(event);
    if (!direction && !action) return;
    map.handlers.onTouch();
    if (direction) this.stepCursor(direction, event.shiftKey ? 1 : STEP);
    else action();
    event.preventDefault();
  }

  findKeyAction(event) {
    const { map } = this,
      zoom = (factor) => map.zoom(factor, ...(map.cursor ?? [])),
      useTool = () => this.useTool(event.shiftKey);
    const actions = {
      "+": () => zoom(1.25),
      "=": () => zoom(1.25),
      "-": () => zoom(0.8),
      0: () => map.fitView(),
      Escape: () => (this.drawsByKeys ? this.endStroke() : map.handlers.onSelect([])),
      Enter: useTool,
      " ": useTool,
    };
    return actions[event.key];
  }

  stepCursor([dx, dy], step) {
    const { width, height } = this.map.camera,
      [x, y] = this.map.cursor ?? [width / 2, height / 2];
    const pixel = [Math.max(0, Math.min(width, x + step * dx)), Math.max(0, Math.min(height, y + step * dy))];
    if (this.drawsByKeys) this.drag(null, pixel);
    this.map.moveCursor(pixel, true);
  }

  // Click with the cursor or, with a tool that draws, begin a stroke there, which arrow keys lead on, and finish it.
  useTool(add) {
    const { map } = this;
    if (map.cursor && !this.drawsByKeys && !UNDRAWN_TOOLS.includes(map.tool)) {
      this.drawsByKeys = true;
      this.start = map.cursor;
      map.stroke = [map.camera.toMap(...map.cursor)];
      return;
    }
    const stroke = this.endStroke();
    if (stroke.length > 2) this.finishStroke(stroke, add);
    else this.click(map.cursor && map.findPointAt(...map.cursor), add);
  }

  endStroke() {
    const { stroke } = this.map;
    this.drawsByKeys = false;
    this.map.stroke = [];
    this.map.overlay.request();
    return stroke;
  }
}
