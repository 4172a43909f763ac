// The list of selections: how many inputs are selected, and named selections to select again, export or forget.

import { element, saveFile } from "./dom.js";
import { listRows } from "./selections.js";

export class SelectionList {
  constructor(explorer) {
    this.explorer = explorer;
    this.count = element("span", {});
    this.field = element("input", {
      type: "text",
      placeholder: "name",
      maxlength: 40,
      "aria-label": "Name of the selection",
      onkeydown: (event) => event.key === "Enter" && this.saveSelection(),
    });
    this.form = element(
      "div",
      { class: "row", hidden: true },
      this.field,
      element("button", { type: "button", onclick: () => this.saveSelection() }, "Keep"),
      element("button", { type: "button", onclick: () => this.exportCsv() }, "CSV"),
      element("button", { type: "button", onclick: () => this.explorer.selections.select([]) }, "None"),
    );
    this.chips = element("div", { class: "chips" });
    this.root = element("section", { class: "chosen", "aria-label": "Selections" }, this.count, this.form, this.chips);
  }

  update() {
    const { mask, named } = this.explorer.selections,
      count = listRows(mask).length;
    this.count.textContent = count ? `${count.toLocaleString("en")} selected` : "Nothing selected";
    this.form.hidden = !count;
    this.chips.replaceChildren(...Array.from(named, ([name, namedMask]) => this.makeChip(name, namedMask)));
  }

  makeChip(name, mask) {
    const { selections } = this.explorer;
    return element(
      "span",
      { class: "chip" },
      element(
        "button",
        { type: "button", title: `Select ${name} again`, onclick: () => selections.selectMask(mask) },
        `${name} (${listRows(mask).length.toLocaleString("en")})`,
      ),
      element(
        "button",
        { type: "button", "aria-label": `Forget ${name}`, onclick: () => selections.forget(name) },
        "×",
      ),
    );
  }

  saveSelection() {
    const { selections } = this.explorer;
    selections.saveAs(this.field.value.trim() || `selection ${selections.named.size + 1}`);
    this.field.value = "";
  }

  // Offer input, class, error and code of each selected row as a file.
  exportCsv() {
    const { codes, labels, mapMeta, errors, selections } = this.explorer;
    const head = [
      "input",
      ...(labels ? ["class"] : []),
      "error",
      ...Array.from({ length: codes?.width ?? 0 }, (_, i) => `z${i}`),
    ];
    const lines = Array.from(listRows(selections.mask), (row) =>
      [
        row,
        ...(labels ? [quoteField(mapMeta.classes[labels[row]])] : []),
        errors[row].toPrecision(6),
        ...(codes ? Array.from(codes.row(row), (value) => value.toPrecision(6)) : []),
      ].join(","),
    );
    const text = [head.join(","), ...lines, ""].join("\n");
    saveFile(new Blob([text], { type: "text/csv" }), `${mapMeta.run}-selection.csv`);
  }
}

function quoteField(text) {
  return `"${text.replaceAll('"', '""')}"`;
}
