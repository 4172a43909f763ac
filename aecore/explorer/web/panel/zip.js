// A .zip of files as they are, and a .npz, which is a .zip of arrays. Nothing is compressed: weights do not get smaller.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});
const [LOCAL, CENTRAL, END] = [0x04034b50, 0x02014b50, 0x06054b50]; // signatures of the three kinds of records
const VERSION = 20; // of the format: 2.0
const UTF8 = 0x0800; // names are in UTF-8
const DATE = 0x21; // the 1st of January 1980, the earliest that the format knows
const TYPES = new Map([
  [Float32Array, "<f4"],
  [Uint8Array, "|u1"],
]);

// files: {path in the archive: Uint8Array} -> Uint8Array.
export function zipFiles(files) {
  const parts = [],
    entries = [];
  let offset = 0;
  const append = (bytes) => {
    parts.push(bytes);
    offset += bytes.length;
  };
  for (const [path, content] of Object.entries(files)) {
    const name = new TextEncoder().encode(path),
      facts = describeFile(name, content);
    entries.push({ name, facts, start: offset });
    append(packNumbers([4, LOCAL], ...facts));
    append(name);
    append(content);
  }
  const directory = offset;
  for (const { name, facts, start } of entries) {
    // made by version 2.0; then no comment, disk 0, no attributes, and where the file begins
    append(packNumbers([4, CENTRAL], [2, VERSION], ...facts, [2, 0], [2, 0], [2, 0], [4, 0], [4, start]));
    append(name);
  }
  const size = offset - directory,
    count = [2, entries.length];
  append(packNumbers([4, END], [2, 0], [2, 0], count, count, [4, size], [4, directory], [2, 0]));
  return joinBytes(parts);
}

// arrays: {name: {data: Float32Array or Uint8Array, shape}} -> the bytes of a .npz, as numpy.savez writes it.
export function packArrays(arrays) {
  const files = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, packArray(array)]);
  return zipFiles(Object.fromEntries(files));
}

// A .npy, version 1.0: a header in Python's notation, filled up to a multiple of 64 bytes, then the values.
function packArray({ data, shape }) {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", "),
    text = `{'descr': '${TYPES.get(data.constructor)}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const header = text.padEnd(64 * Math.ceil((10 + text.length + 1) / 64) - 11) + "\n";
  const start = Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length & 255, header.length >> 8);
  return joinBytes([
    start,
    new TextEncoder().encode(header),
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

// What both records of a file say: version, flags, stored, time, date, checksum, size twice, length of the name, no more.
function describeFile(name, content) {
  const size = [4, content.length];
  return [[2, VERSION], [2, UTF8], [2, 0], [2, 0], [2, DATE], [4, checksum(content)], size, size, [2, name.length], [2, 0]];
}

// [bytes, value] pairs, the lowest byte first.
function packNumbers(...numbers) {
  const bytes = numbers.flatMap(([width, value]) => Array.from({ length: width }, (_, i) => (value >>> (8 * i)) & 255));
  return Uint8Array.from(bytes);
}

// CRC-32 of ISO 3309.
function checksum(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function joinBytes(parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
