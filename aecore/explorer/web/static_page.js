// A static page: it reads its packs from its own folder, from a server or straight from a disk.

import { element } from "./dom.js";
import { Explorer } from "./explorer.js";
import { UnitBrowser } from "./units.js";

const about = JSON.parse(document.getElementById("about").textContent);

// A gzipped pack. From a disk nothing may be fetched, so the same bytes also lie in a script.
async function loadPack(name) {
  const packed = location.protocol === "file:" ? await loadScript(name) : await (await fetch(name)).arrayBuffer();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The script of a pack calls pack(letters, size).
function loadScript(name) {
  return new Promise((resolve, reject) => {
    globalThis.pack = (letters, size) => resolve(decodeLetters(letters, size));
    document.head.append(element("script", { src: `${name}.js`, onerror: () => reject(new Error(name)) }));
  });
}

// 15 bits a letter, the highest first (aecore/explorer/static_page.py, encode_as_script).
function decodeLetters(letters, size) {
  const bytes = new Uint8Array(size);
  let pending = 0,
    bits = 0,
    next = 0;
  for (let i = 0; i < letters.length && next < size; i++) {
    pending = (pending << 15) | (letters.charCodeAt(i) - 0x3400);
    for (bits += 15; bits >= 8 && next < size; bits -= 8) bytes[next++] = (pending >> (bits - 8)) & 255;
    pending &= (1 << bits) - 1;
  }
  return bytes;
}

function makeSelect(label, names, onSelect) {
  const select = element(
    "select",
    { onchange: () => onSelect(select.value) },
    ...Object.entries(names).map(([value, text]) => element("option", { value }, text)),
  );
  return element("label", {}, `${label} `, select);
}

async function showPacks() {
  const explorer = new Explorer(document.querySelector(".explorer-root"));
  const bar = document.getElementById("choices");
  const showMap = async (name) => {
    explorer.setMap(await loadPack(name));
    bar.querySelector(".colours")?.remove();
    const colours = explorer.colours.listChoices();
    if (Object.keys(colours).length < 2) return;
    const select = makeSelect("Colour", colours, (colour) => explorer.colours.colourBy(colour));
    select.className = "colours";
    bar.append(select);
  };
  if (Object.keys(about.maps).length > 1) bar.append(makeSelect("Map", about.maps, showMap));
  await showMap(Object.keys(about.maps)[0]);
  explorer.setModel(await loadPack(about.model));
  new UnitBrowser(document.getElementById("units"), explorer, await loadPack(about.units));
  document.body.dataset.ready = "true";
  return explorer;
}

// Show the explorer: a promise of {explorer, about}, which never comes where a part of the page is missing; the page says so.
export async function openStaticPage() {
  try {
    return { explorer: await showPacks(), about };
  } catch (error) {
    document.getElementById("choices").textContent =
      `A part of this page could not be read (${error.message}). Copy the whole folder again.`;
    return new Promise(() => {});
  }
}
