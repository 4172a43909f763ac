// A field to draw on, and what a model takes from it or from a picture file.

const FIELD = 168; // pixels of a side
const INK = 20 / 28; // the share of the side that a digit fills in MNIST

export class Ink {
  // changed(values or null) is called as one draws; values (C, H, W) in [0, 1].
  constructor(canvas, shape, changed) {
    Object.assign(this, { canvas, shape, changed });
    canvas.width = canvas.height = FIELD;
    this.pen = canvas.getContext("2d", { willReadFrequently: true });
    Object.assign(this.pen, { lineWidth: FIELD / 11, lineCap: "round", lineJoin: "round", strokeStyle: "white" });
    let down = false;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) * FIELD) / box.width, ((event.clientY - box.top) * FIELD) / box.height];
    };
    const draw = (event) => {
      this.pen.lineTo(...place(event));
      this.pen.stroke();
      this.changed(this.values());
    };
    canvas.onpointerdown = (event) => {
      down = true;
      canvas.setPointerCapture(event.pointerId);
      this.pen.beginPath();
      this.pen.moveTo(...place(event));
      draw(event);
    };
    canvas.onpointermove = (event) => down && draw(event);
    canvas.onpointerup = canvas.onpointercancel = () => (down = false);
  }

  clear() {
    this.pen.clearRect(0, 0, FIELD, FIELD);
    this.changed(null);
  }

  // A picture file fills the field; a rejected promise where it is none.
  async load(file) {
    const picture = await createImageBitmap(file),
      scale = Math.max(FIELD / picture.width, FIELD / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    this.pen.clearRect(0, 0, FIELD, FIELD);
    this.pen.drawImage(picture, (FIELD - width) / 2, (FIELD - height) / 2, width, height);
    this.changed(this.values(false));
  }

  // What is on the field as the model takes it; drawn digits are placed as MNIST places its own.
  values(placed = true) {
    const [channels, height, width] = this.shape;
    const small =
      placed && channels === 1 ? this.placed(width, height) : shrunk(this.canvas, 0, 0, FIELD, FIELD, width, height);
    if (!small) return null;
    const out = new Float32Array(channels * height * width),
      area = height * width;
    for (let i = 0; i < area; i++) {
      const [r, g, b] = small.subarray(4 * i, 4 * i + 3);
      if (channels === 1) out[i] = (0.299 * r + 0.587 * g + 0.114 * b) / 255;
      else for (let c = 0; c < 3; c++) out[c * area + i] = [r, g, b][c] / 255;
    }
    return out;
  }

  // The ink, scaled to fill 20 of 28 pixels, its centre of mass in the middle (LeCun et al., 1998); null without ink.
  placed(width, height) {
    const field = this.pen.getImageData(0, 0, FIELD, FIELD).data;
    let [left, right, top, bottom] = [FIELD, -1, FIELD, -1];
    for (let i = 0; i < FIELD * FIELD; i++) {
      if (field[4 * i + 3] < 26) continue;
      const [x, y] = [i % FIELD, Math.floor(i / FIELD)];
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    }
    if (right < 0) return null;
    const [across, down] = [right - left + 1, bottom - top + 1],
      scale = (INK * Math.min(width, height)) / Math.max(across, down);
    const [w, h] = [across, down].map((side) => Math.max(1, Math.round(side * scale)));
    const ink = shrunk(this.canvas, left, top, across, down, w, h);
    let [sum, x, y] = [0, 0, 0];
    for (let i = 0; i < w * h; i++) {
      sum += ink[4 * i];
      x += ink[4 * i] * (i % w);
      y += ink[4 * i] * Math.floor(i / w);
    }
    const shift = (centre, side, room) =>
      Math.min(room - side, Math.max(0, Math.round(room / 2 - 0.5 - centre / (sum || 1))));
    const [dx, dy] = [shift(x, w, width), shift(y, h, height)],
      out = new Uint8ClampedArray(4 * width * height);
    for (let row = 0; row < h; row++)
      out.set(ink.subarray(4 * row * w, 4 * (row + 1) * w), 4 * ((row + dy) * width + dx));
    return out;
  }
}

// A part of a canvas, over black, in fewer pixels: RGBA bytes, each the mean of what it covers.
function shrunk(canvas, left, top, across, down, width, height) {
  const from = canvas.getContext("2d").getImageData(left, top, across, down).data;
  const out = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [x0, y0] = [Math.floor((x * across) / width), Math.floor((y * down) / height)];
      const x1 = Math.max(x0 + 1, Math.floor(((x + 1) * across) / width)),
        y1 = Math.max(y0 + 1, Math.floor(((y + 1) * down) / height));
      const sums = [0, 0, 0];
      for (let v = y0; v < y1; v++)
        for (let u = x0; u < x1; u++)
          for (let c = 0; c < 3; c++)
            sums[c] += (from[4 * (v * across + u) + c] * from[4 * (v * across + u) + 3]) / 255;
      const count = (x1 - x0) * (y1 - y0);
      out.set([...sums.map((value) => value / count), 255], 4 * (y * width + x));
    }
  return out;
}
