// Arrays to bytes in the safetensors format: a length, a JSON table of contents, then the numbers.

const ALIGNMENT = 8;

// tensors: {name: {shape, data, isInteger}}, float32 or int64; metadata: {name: text}.
export function writeSafetensors(tensors, metadata) {
  const contents = { __metadata__: metadata };
  let size = 0;
  for (const [name, { shape, data, isInteger }] of Object.entries(tensors)) {
    const end = size + data.length * (isInteger ? 8 : 4);
    contents[name] = { dtype: isInteger ? "I64" : "F32", shape, data_offsets: [size, end] };
    size = end;
  }
  const header = encodeHeader(contents),
    bytes = new Uint8Array(8 + header.length + size),
    view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  for (const [name, { data, isInteger }] of Object.entries(tensors))
    writeNumbers(view, 8 + header.length + contents[name].data_offsets[0], data, isInteger);
  return bytes;
}

// The table as bytes, filled up so that the numbers are aligned.
function encodeHeader(contents) {
  const text = new TextEncoder().encode(JSON.stringify(contents)),
    header = new Uint8Array(ALIGNMENT * Math.ceil(text.length / ALIGNMENT)).fill(32);
  header.set(text);
  return header;
}

function writeNumbers(view, place, data, isInteger) {
  if (isInteger) data.forEach((value, i) => view.setBigInt64(place + 8 * i, BigInt(value), true));
  else data.forEach((value, i) => view.setFloat32(place + 4 * i, value, true));
}
