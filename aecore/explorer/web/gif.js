// Frames as an animated GIF (the format GIF89a, with its LZW compression).

// frames: [{data: RGBA bytes, width, height}, ...] of one size; returns a Blob.
export function encodeGif(frames, milliseconds) {
  const { width, height } = frames[0],
    out = [];
  const pushWord = (value) => out.push(value & 255, value >> 8);
  out.push(...encodeAscii("GIF89a"));
  pushWord(width);
  pushWord(height);
  out.push(0xf7, 0, 0); // a table of 256 colours for all frames
  const grey = frames.every(isGrey);
  for (let i = 0; i < 256; i++) out.push(...(grey ? [i, i, i] : cubeColour(i)));
  out.push(0x21, 0xff, 11, ...encodeAscii("NETSCAPE2.0"), 3, 1, 0, 0, 0); // for ever
  for (const frame of frames) {
    out.push(0x21, 0xf9, 4, 0);
    pushWord(Math.max(2, Math.round(milliseconds / 10)));
    out.push(0, 0, 0x2c, 0, 0, 0, 0);
    pushWord(width);
    pushWord(height);
    out.push(0, 8);
    for (const block of splitBlocks(compressLzw(indexColours(frame, grey)))) {
      out.push(block.length);
      for (const byte of block) out.push(byte);
    }
    out.push(0);
  }
  out.push(0x3b);
  return new Blob([Uint8Array.from(out)], { type: "image/gif" });
}

function encodeAscii(text) {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

function isGrey({ data }) {
  for (let i = 0; i < data.length; i += 4) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  return true;
}

// The i-th of 6 x 7 x 6 evenly spread colours.
function cubeColour(i) {
  const [r, g, b] = [Math.floor(i / 42), Math.floor(i / 6) % 7, i % 6];
  return r > 5 ? [0, 0, 0] : [r * 51, Math.round(g * 42.5), b * 51];
}

// A byte a pixel: its grey, or the nearest colour of the cube.
function indexColours({ data }, grey) {
  const toStep = (value, levels) => Math.round((value / 255) * (levels - 1));
  return Uint8Array.from({ length: data.length / 4 }, (_, i) =>
    grey ? data[4 * i] : toStep(data[4 * i], 6) * 42 + toStep(data[4 * i + 1], 7) * 6 + toStep(data[4 * i + 2], 6),
  );
}

// LZW of bytes: codes of 9 to 12 bits, lowest bit first; the table starts anew when it is full.
function compressLzw(bytes) {
  const [CLEAR, END] = [256, 257],
    out = [];
  let table = new Map(),
    next = 258,
    size = 9,
    pending = 0,
    bits = 0;
  const write = (code) => {
    pending |= code << bits;
    for (bits += size; bits >= 8; bits -= 8, pending >>>= 8) out.push(pending & 255);
  };
  write(CLEAR);
  let prefix = bytes[0];
  for (let i = 1; i < bytes.length; i++) {
    const key = prefix * 256 + bytes[i];
    if (table.has(key)) {
      prefix = table.get(key);
      continue;
    }
    write(prefix);
    if (next === 4096) {
      write(CLEAR);
      [table, next, size] = [new Map(), 258, 9];
    } else {
      if (next === 1 << size) size++;
      table.set(key, next++);
    }
    prefix = bytes[i];
  }
  write(prefix);
  write(END);
  if (bits) out.push(pending & 255);
  return out;
}

function* splitBlocks(bytes) {
  for (let i = 0; i < bytes.length; i += 255) yield bytes.slice(i, i + 255);
}
