// Arrays from bytes in the safetensors format: a length, a JSON table of contents, then the numbers.

const HALF = makeHalfTable();
const ARRAYS = { F32: Float32Array, F16: Uint16Array, U8: Uint8Array, I32: Int32Array };

// {meta, tensors: {name: Tensor}}; bytes is a Uint8Array that may lie anywhere in its buffer.
export function readTensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const contents = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const tensors = {};
  for (const [name, entry] of Object.entries(contents)) {
    if (name === "__metadata__") continue;
    const [first, end] = entry.data_offsets;
    const raw = bytes.slice(start + first, start + end).buffer; // a copy, and so aligned
    tensors[name] = { shape: entry.shape, data: new ARRAYS[entry.dtype](raw), half: entry.dtype === "F16" };
  }
  return { meta: JSON.parse(contents.__metadata__?.explorer ?? "{}"), tensors };
}

// All values of a tensor as Float32Array.
export function floats(tensor) {
  return tensor.half ? Float32Array.from(tensor.data, (bits) => HALF[bits]) : Float32Array.from(tensor.data);
}

// Rows of a matrix that was sent in 4, 2 or 1 bytes a value; one byte counts steps from the column's lowest value.
export class Rows {
  constructor(tensors, name) {
    const { shape, data, half } = tensors[name];
    this.count = shape[0];
    this.width = shape.slice(1).reduce((a, b) => a * b, 1);
    this.data = data;
    this.half = half;
    this.low = tensors[`${name}.low`] && floats(tensors[`${name}.low`]);
    this.step = tensors[`${name}.step`] && floats(tensors[`${name}.step`]);
  }

  // Row i as Float32Array (width,), into `out` where there is one.
  row(i, out = new Float32Array(this.width)) {
    const { width, data } = this,
      start = i * width;
    if (this.low) for (let j = 0; j < width; j++) out[j] = this.low[j] + data[start + j] * this.step[j];
    else if (this.half) for (let j = 0; j < width; j++) out[j] = HALF[data[start + j]];
    else for (let j = 0; j < width; j++) out[j] = data[start + j];
    return out;
  }

  // The number of the row that is nearest to z.
  findNearest(z) {
    let smallest = Infinity,
      nearest = 0;
    const other = new Float32Array(z.length);
    for (let i = 0; i < this.count; i++) {
      this.row(i, other);
      let distance = 0;
      for (let j = 0; j < z.length && distance < smallest; j++) distance += (z[j] - other[j]) ** 2;
      if (distance < smallest) [smallest, nearest] = [distance, i];
    }
    return nearest;
  }
}

// Every half-precision number (IEEE 754 binary16), by its bits.
function makeHalfTable() {
  return Float32Array.from({ length: 65536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1,
      exponent = (bits >> 10) & 31,
      fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
  });
}
