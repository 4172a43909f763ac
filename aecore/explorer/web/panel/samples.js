// The inputs that a page carries beside its model, as examples.

import { ExampleSet } from "./example_set.js";

// An ExampleSet of an explorer's inputs; null where it has none, or smaller copies of them.
export function readSamples(explorer) {
  const { inputs, inputShape, modelMeta, network, labels, mapMeta } = explorer;
  if (!inputs || modelMeta.kind === "cloud" || modelMeta.cells.length) return null;
  if (inputShape.join() !== network.shape.join()) return null;
  const scale = modelMeta.kind === "image" ? 1 / 255 : 1,
    rows = Array.from({ length: inputs.count }, (_, i) => inputs.row(i).map((value) => value * scale));
  if (rows.some((row) => !row.every(Number.isFinite))) return null; // cells are missing
  return new ExampleSet({
    name: `samples-of-${mapMeta.data.replace(/[^\w-]+/g, "-").slice(0, 40)}`,
    kind: modelMeta.kind,
    shape: network.shape,
    rows,
    labels: labels && Array.from(labels.subarray(0, rows.length)),
    classes: mapMeta.classes,
    columns: modelMeta.columns,
    note: `${rows.length.toLocaleString("en")} inputs that this page carries, of ${mapMeta.data}.`,
  });
}
