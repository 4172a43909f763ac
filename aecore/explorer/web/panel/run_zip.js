// A run folder and its examples as one .zip. Unpacked where `aecore` is started, the config finds the examples.

import { packArrays, zipFiles } from "./zip.js";

// title: of the folder, and of the .npz beside it; files: {name: Uint8Array} of the run; examples: an ExampleSet.
export function packRun(title, files, examples) {
  const inFolder = Object.entries(files).map(([name, content]) => [`${title}/${name}`, content]);
  return zipFiles({ ...Object.fromEntries(inFolder), [`${title}.npz`]: packExamples(examples) });
}

function packExamples({ shape, train, test }) {
  const arrays = {};
  for (const [part, { x, count, labels }] of Object.entries({ train, test })) {
    arrays[`x_${part}`] = { data: x, shape: [count, ...shape] };
    if (labels) arrays[`y_${part}`] = { data: labels, shape: [count] };
  }
  return packArrays(arrays);
}
