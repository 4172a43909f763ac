// What is selected, and what selections were given names: shown again, exported, forgotten.

import { element, save } from "./dom.js";
import { members } from "./selections.js";

export class Chosen {
  constructor(explorer) {
    this.explorer = explorer;
    this.count = element("span", {});
    this.field = element("input", {
      type: "text",
      placeholder: "name",
      maxlength: 40,
      "aria-label": "Name of the selection",
      onkeydown: (event) => event.key === "Enter" && this.keep(),
    });
    this.form = element(
      "div",
      { class: "row", hidden: true },
      this.field,
      element("button", { type: "button", onclick: () => this.keep() }, "Keep"),
      element("button", { type: "button", onclick: () => this.csv() }, "CSV"),
      element("button", { type: "button", onclick: () => this.explorer.selections.select([]) }, "None"),
    );
    this.list = element("div", { class: "chips" });
    this.root = element("section", { class: "chosen", "aria-label": "Selections" }, this.count, this.form, this.list);
  }

  update() {
    const { rows, named } = this.explorer.selections,
      count = rows ? members(rows).length : 0;
    this.count.textContent = count ? `${count.toLocaleString("en")} selected` : "Nothing selected";
    this.form.hidden = !count;
    this.list.replaceChildren(
      ...Array.from(named, ([name, mask]) =>
        element(
          "span",
          { class: "chip" },
          element(
            "button",
            { type: "button", title: `Select ${name} again`, onclick: () => this.explorer.selections.show(mask) },
            `${name} (${members(mask).length.toLocaleString("en")})`,
          ),
          element(
            "button",
            { type: "button", "aria-label": `Forget ${name}`, onclick: () => this.explorer.selections.forget(name) },
            "×",
          ),
        ),
      ),
    );
  }

  keep() {
    this.explorer.selections.name(this.field.value.trim() || `selection ${this.explorer.selections.named.size + 1}`);
    this.field.value = "";
  }

  // input, class, error and code of each selected row.
  csv() {
    const { explorer } = this,
      { codes, labels, about, errors } = explorer;
    const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
    const head = [
      "input",
      ...(labels ? ["class"] : []),
      "error",
      ...Array.from({ length: codes?.width ?? 0 }, (_, i) => `z${i}`),
    ];
    const lines = members(explorer.selections.rows).map((row) =>
      [
        row,
        ...(labels ? [quoted(about.classes[labels[row]])] : []),
        errors[row].toPrecision(6),
        ...(codes ? Array.from(codes.row(row), (value) => value.toPrecision(6)) : []),
      ].join(","),
    );
    save(new Blob([[head.join(","), ...lines, ""].join("\n")], { type: "text/csv" }), `${about.run}-selection.csv`);
  }
}
