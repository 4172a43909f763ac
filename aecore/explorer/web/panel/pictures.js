// Pictures as examples: files of the visitor, and copies of few pictures that differ a little.

import { element } from "../dom.js";
import { Ink } from "../ink.js";
import { Random } from "../train/random.js";
import { varyPicture } from "./augment.js";
import { ExampleSet } from "./example_set.js";

const VARIED_COUNT = 600; // examples that few pictures become, about
const MIN_COPIES = 6; // of each picture: one of them is a test example
const MAX_PICTURES = 2000;

// Copies of pictures [(C, H, W)] with small turns, shifts and sizes: an ExampleSet, each picture a class of its own.
export function varyPictures({ name, shape, pictures, classes, seed }) {
  const random = new Random(seed),
    copies = Math.max(MIN_COPIES, Math.ceil(VARIED_COUNT / pictures.length)),
    rows = pictures.flatMap((x) => Array.from({ length: copies }, () => varyPicture(x, shape, random)));
  return new ExampleSet({
    name,
    kind: "image",
    shape,
    rows,
    labels: classes && rows.map((_, i) => Math.floor(i / copies)),
    classes: classes ?? [],
    note:
      `${pictures.length} pictures, ${copies} copies of each with small turns, shifts and sizes. ` +
      "Test examples are other copies of the same pictures.",
  });
}

// Picture files, cropped and resized to `shape`: an ExampleSet. An Error, whose message is a sentence, for too few.
export async function readPictures(files, shape, seed) {
  const pictures = [];
  let unreadable = 0;
  const ink = new Ink(element("canvas"), shape, (values) => pictures.push(values));
  for (const file of files.slice(0, MAX_PICTURES))
    try {
      await ink.loadFile(file);
    } catch {
      unreadable++;
    }
  if (pictures.length < 2)
    throw new Error(`${pictures.length} pictures could be read, ${unreadable} could not. Choose 2 or more, or one .csv.`);
  const leftOut = unreadable + Math.max(0, files.length - MAX_PICTURES),
    remark = leftOut ? ` ${leftOut} files were left out: not readable, or too many.` : "";
  const set = MIN_COPIES * pictures.length <= VARIED_COUNT
    ? varyPictures({ name: "pictures", shape, pictures, classes: null, seed })
    : new ExampleSet({ name: "pictures", kind: "image", shape, rows: pictures, note: `${pictures.length} pictures.` });
  set.note += remark;
  return set;
}
