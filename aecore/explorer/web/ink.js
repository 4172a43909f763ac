// A drawing, or a picture file, as the input that a model takes.

import { DrawingPad } from "./pad.js";

const SIDE = 168; // pixels of the field
const INK_SHARE = 20 / 28; // of the side that a digit fills in MNIST
const FAINTEST = 26; // of 255: what is fainter is no ink

export class Ink {
  // onChange(values or null) is called as one draws; values (C, H, W) in [0, 1], of the model's shape.
  constructor(canvas, shape, onChange) {
    Object.assign(this, { canvas, shape, onChange });
    this.pad = new DrawingPad(canvas, {
      side: SIDE,
      lineWidth: SIDE / 11,
      onDraw: () => this.onChange(this.readValues()),
    });
  }

  clear() {
    this.pad.clear();
    this.onChange(null);
  }

  // Fill the field with a picture file; a rejected promise where it is none.
  async loadFile(file) {
    const picture = await createImageBitmap(file),
      scale = Math.max(SIDE / picture.width, SIDE / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    this.pad.clear();
    this.pad.pen.drawImage(picture, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    picture.close();
    this.onChange(this.readValues(false));
  }

  // The field as the model takes it; drawn digits are placed as MNIST places its own. null where a digit has no ink.
  readValues(isDrawn = true) {
    const [channels, height, width] = this.shape;
    const small =
      isDrawn && channels === 1
        ? this.placeDigit(width, height)
        : shrinkCanvas(this.canvas, 0, 0, SIDE, SIDE, width, height);
    return small && toChannels(small, channels);
  }

  // The ink, scaled to fill 20 of 28 pixels, its centre of mass in the middle (LeCun et al., 1998); null without ink.
  placeDigit(width, height) {
    const box = findInkBox(this.pad.pen.getImageData(0, 0, SIDE, SIDE).data, SIDE);
    if (!box) return null;
    const scale = (INK_SHARE * Math.min(width, height)) / Math.max(box.width, box.height);
    const [w, h] = [box.width, box.height].map((side) => Math.max(1, Math.round(side * scale)));
    const digit = shrinkCanvas(this.canvas, box.left, box.top, box.width, box.height, w, h);
    const [left, top] = centreByMass(digit, w, h, width, height),
      placed = new Uint8ClampedArray(4 * width * height);
    for (let row = 0; row < h; row++)
      placed.set(digit.subarray(4 * row * w, 4 * (row + 1) * w), 4 * ((row + top) * width + left));
    return placed;
  }
}

// The smallest box that holds all ink of RGBA bytes; null without ink.
function findInkBox(bytes, side) {
  let [left, right, top, bottom] = [side, -1, side, -1];
  for (let i = 0; i < side * side; i++) {
    if (bytes[4 * i + 3] < FAINTEST) continue;
    const [x, y] = [i % side, Math.floor(i / side)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

// Left and top at which RGBA bytes of w x h have their centre of mass in the middle of width x height, as far as they fit.
function centreByMass(bytes, w, h, width, height) {
  let [sum, x, y] = [0, 0, 0];
  for (let i = 0; i < w * h; i++) {
    sum += bytes[4 * i];
    x += bytes[4 * i] * (i % w);
    y += bytes[4 * i] * Math.floor(i / w);
  }
  const shift = (moment, size, room) =>
    Math.min(room - size, Math.max(0, Math.round(room / 2 - 0.5 - moment / (sum || 1))));
  return [shift(x, w, width), shift(y, h, height)];
}

// RGBA bytes as (C, H, W) in [0, 1]: three colours, or their grey; bands beyond them are as green.
function toChannels(bytes, channels) {
  const area = bytes.length / 4,
    values = new Float32Array(channels * area);
  for (let i = 0; i < area; i++) {
    const [r, g, b] = bytes.subarray(4 * i, 4 * i + 3);
    if (channels === 1) values[i] = (0.299 * r + 0.587 * g + 0.114 * b) / 255;
    else for (let c = 0; c < channels; c++) values[c * area + i] = ([r, g, b][c] ?? g) / 255;
  }
  return values;
}

// A part of a canvas, over black, in fewer pixels: RGBA bytes, each the mean of what it covers.
function shrinkCanvas(canvas, left, top, across, down, width, height) {
  const source = canvas.getContext("2d").getImageData(left, top, across, down).data;
  const result = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [x0, y0] = [Math.floor((x * across) / width), Math.floor((y * down) / height)];
      const x1 = Math.max(x0 + 1, Math.floor(((x + 1) * across) / width)),
        y1 = Math.max(y0 + 1, Math.floor(((y + 1) * down) / height));
      const sums = [0, 0, 0];
      for (let v = y0; v < y1; v++)
        for (let u = x0; u < x1; u++)
          for (let c = 0; c < 3; c++)
            sums[c] += (source[4 * (v * across + u) + c] * source[4 * (v * across + u) + 3]) / 255;
      const count = (x1 - x0) * (y1 - y0);
      result.set([...sums.map((value) => value / count), 255], 4 * (y * width + x));
    }
  return result;
}
