// What is taken away of a training: the run folder as a .zip, or a repository of the Hub.

import { element, saveFile } from "../dom.js";
import { PushForm } from "./push_form.js";
import { packRun } from "./run_zip.js";

const STATES = ["running", "paused", "done"]; // in which there is a run

export class RunExport {
  // readRun(): {title, examples} of what is trained; save({title, repo}): a promise of its files, {name: Uint8Array};
  // hub: {address, storage}, or null where this page may not reach the Hub.
  constructor({ readRun, save, hub }) {
    Object.assign(this, { readRun, save });
    const title = "The run folder as a .zip, with its examples";
    this.button = element("button", { type: "button", title, onclick: () => this.download() }, "Download run");
    this.note = element("output", { class: "said", "aria-live": "polite" });
    this.form = new PushForm(hub, { readTitle: () => this.readRun().title, save });
    this.root = element("div", { class: "export" }, this.button, this.form.root, this.note);
    this.show("waiting");
  }

  // state: as Controls has it.
  show(state) {
    const hasRun = STATES.includes(state);
    this.state = state;
    this.button.disabled = !hasRun;
    this.form.allow(hasRun);
  }

  async download() {
    const { title, examples } = this.readRun(); // another training may begin before the answer comes
    this.button.disabled = true;
    this.note.textContent = "";
    try {
      const files = await this.save({ title });
      saveFile(new Blob([packRun(title, files, examples)], { type: "application/zip" }), `${title}.zip`);
    } catch (error) {
      this.note.textContent = error.message;
    }
    this.show(this.state);
  }
}
