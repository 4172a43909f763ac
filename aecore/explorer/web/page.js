// The entry of a static page: it finds its packs beside itself, from a server or straight from a disk.

import { element } from "./dom.js";
import { Explorer } from "./explorer.js";

const about = JSON.parse(document.getElementById("about").textContent);

// A gzipped pack. From a disk nothing may be fetched, so the same bytes also lie in a script.
async function load(name) {
  const packed = location.protocol === "file:" ? await fromScript(name) : await (await fetch(name)).arrayBuffer();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromScript(name) {
  return new Promise((done, fail) => {
    globalThis.pack = (letters, size) => done(fromLetters(letters, size));
    document.head.append(element("script", { src: `${name}.js`, onerror: () => fail(new Error(name)) }));
  });
}

// 15 bits a letter, the highest first (aecore/static.py, as_script).
function fromLetters(letters, size) {
  const bytes = new Uint8Array(size);
  let held = 0,
    bits = 0,
    at = 0;
  for (let i = 0; i < letters.length && at < size; i++) {
    held = (held << 15) | (letters.charCodeAt(i) - 0x3400);
    for (bits += 15; bits >= 8 && at < size; bits -= 8) bytes[at++] = (held >> (bits - 8)) & 255;
    held &= (1 << bits) - 1;
  }
  return bytes;
}

function choice(label, names, chosen) {
  const select = element(
    "select",
    { onchange: () => chosen(select.value) },
    ...Object.entries(names).map(([value, text]) => element("option", { value }, text)),
  );
  return element("label", {}, `${label} `, select);
}

async function main() {
  const explorer = new Explorer(document.querySelector(".explorer-root"));
  const bar = document.getElementById("choices");
  const show = async (name) => {
    explorer.setMap(await load(name));
    bar.querySelector(".colours")?.remove();
    const colours = explorer.colours.choices();
    if (Object.keys(colours).length < 2) return;
    const pick = choice("Colour", colours, (colour) => explorer.colours.use(colour));
    pick.className = "colours";
    bar.append(pick);
  };
  if (Object.keys(about.maps).length > 1) bar.append(choice("Map", about.maps, show));
  await show(Object.keys(about.maps)[0]);
  explorer.setModel(await load(about.model));
  document.body.dataset.ready = "true";
}

main().catch((error) => {
  document.getElementById("choices").textContent =
    `A part of this page could not be read (${error.message}). Copy the whole folder again.`;
});
