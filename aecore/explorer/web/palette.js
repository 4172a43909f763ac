// The colours of points: ten for classes, and a scale from low to high.

// After Cividis, blue to yellow by lightness, much the same to colour-blind eyes (Nuñez et al., 2018); its darkest part,
// which a dark page would swallow, is left out.
const STOPS = ["2b4a8b", "3f5583", "56617e", "6c6e7a", "817b77", "978a72", "ae9a69", "c6ac5c", "dfc14b", "fbe03a"];
const CLASSES = ["4477aa", "ee6677", "228833", "ccbb44", "66ccee", "aa3377", "44aa99", "ee8866", "7755dd", "882255"];

// 256 colours, 3 bytes each; kind: "class" or "scale".
export function makePalette(kind) {
  const colours = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++)
    colours.set(kind === "class" ? parseHex(CLASSES[i % CLASSES.length]) : mixStops(i / 255), 3 * i);
  return colours;
}

// The colour at a share between 0 and 1 of the scale.
function mixStops(share) {
  const step = share * (STOPS.length - 1),
    low = Math.floor(step),
    part = step - low;
  const [a, b] = [parseHex(STOPS[low]), parseHex(STOPS[Math.min(low + 1, STOPS.length - 1)])];
  return a.map((value, c) => Math.round(value + part * (b[c] - value)));
}

function parseHex(hex) {
  return [0, 2, 4].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

// Colour i of a palette, for CSS.
export function formatColour(palette, i) {
  return `rgb(${palette.subarray(3 * i, 3 * i + 3).join(" ")})`;
}
