// Pictures or a table from the visitor's disk: dropped on a field, or chosen. They are read here and sent nowhere.

import { element } from "../dom.js";
import { readTable } from "./csv.js";
import { ExampleSet } from "./example_set.js";
import { readPictures } from "./pictures.js";

const MIN_ROWS = 20;
const MAX_TABLE_BYTES = 20_000_000;
const TABLE_NAME = /\.(csv|tsv|txt)$/i; // browsers know no type of many tables

export class FileExamples {
  // shape: (C, H, W) that pictures are resized to. onChange() is called when other files were read.
  constructor(shape, onChange) {
    Object.assign(this, { shape, onChange, examples: null, reads: 0 });
    this.input = element("input", { type: "file", multiple: true, accept: "image/*,.csv,.tsv,.txt", hidden: true });
    this.input.onchange = () => this.read([...this.input.files]);
    const choose = element("button", { type: "button", onclick: () => this.input.click() }, "Choose files ...");
    this.status = element("output", { class: "said", "aria-live": "polite" });
    this.field = element(
      "div",
      { class: "drop" },
      element("p", {}, "Drop pictures or a .csv here. ", choose),
      element("p", { class: "hint" }, "Files are read in this browser. They are sent nowhere."),
      this.input,
    );
    this.listenForDrops();
    this.root = element("div", {}, this.field, this.status);
  }

  listenForDrops() {
    this.field.ondragover = (event) => {
      event.preventDefault();
      this.field.classList.add("over");
    };
    this.field.ondragleave = () => this.field.classList.remove("over");
    this.field.ondrop = (event) => {
      event.preventDefault();
      this.field.classList.remove("over");
      this.read([...event.dataTransfer.files]);
    };
  }

  // What cannot be read leaves the examples as they were, and says why.
  async read(files) {
    this.input.value = "";
    if (!files.length) return;
    this.reads += 1;
    const number = this.reads,
      isLatest = () => number === this.reads; // files that take long to read do not replace later ones
    this.status.textContent = "Reading ...";
    try {
      const examples = await readFiles(files, this.shape);
      if (!isLatest()) return;
      this.examples = examples;
      this.status.textContent = examples.note;
      this.onChange();
    } catch (error) {
      if (isLatest()) this.status.textContent = error.message;
    }
  }

  makeExamples() {
    return this.examples;
  }
}

// An ExampleSet of one table, or of pictures; an Error, whose message is a sentence, where they are neither.
async function readFiles(files, shape) {
  const tables = files.filter(({ name }) => TABLE_NAME.test(name));
  if (!tables.length) return readPictures(files, shape, 0);
  if (files.length > 1)
    throw new Error(`Choose one table or pictures, got ${tables.length} of ${files.length} files that are tables.`);
  return readTableFile(tables[0]);
}

async function readTableFile(file) {
  if (file.size > MAX_TABLE_BYTES)
    throw new Error(`${file.name} has ${(file.size / 1e6).toFixed(0)} MB; the limit is ${MAX_TABLE_BYTES / 1e6} MB.`);
  const table = readTable(await file.text()),
    name = file.name.replace(/\.\w+$/, "").replace(/[^\w-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40) || "table";
  if (table.rows.length < MIN_ROWS)
    throw new Error(`${file.name} has ${table.rows.length} usable rows. ${MIN_ROWS} or more are needed.`);
  return new ExampleSet({ ...table, name, kind: "table", shape: [table.columns.length] });
}
