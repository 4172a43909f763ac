// The form that pushes a run to the Hub with the visitor's token, which stands in its field until the push is made and is
// kept nowhere else.

import { element } from "../dom.js";
import { HubClient } from "./hub_client.js";
import { completeRepoName, openRepository } from "./hub_push.js";

const TOKEN = /^[\w.-]+$/;
const LOST = "Nothing is lost: push again, or download the run.";

export class PushForm {
  // hub: {address, storage} or null; readTitle(): the name of the run; save({title, repo}): a promise of its files.
  constructor(hub, { readTitle, save }) {
    Object.assign(this, { hub, readTitle, save, hasRun: false, isPushing: false });
    this.root = element("details", { class: "push" }, element("summary", {}, "Push to the Hub"));
    this.root.append(...(hub && globalThis.isSecureContext ? this.makeFields() : [explainAbsence(hub)]));
    this.root.ontoggle = () => this.suggestName();
  }

  makeFields() {
    const onkeydown = ({ key }) => void (key === "Enter" && this.push()), // false would undo what is typed
      make = (attributes) => element("input", { spellcheck: "false", autocapitalize: "off", onkeydown, ...attributes });
    // no password for a browser to keep: those of this kind it does not offer to remember
    this.token = make({ type: "password", autocomplete: "one-time-code", placeholder: "hf_..." });
    this.repo = make({ type: "text", autocomplete: "off", maxlength: 193 });
    this.isPrivate = element("input", { type: "checkbox" });
    this.button = element("button", { type: "button", disabled: true, onclick: () => this.push() }, "Push");
    this.status = element("output", { class: "said", "aria-live": "polite" });
    return [
      element(
        "div",
        { class: "row" },
        element("label", {}, "Token ", this.token),
        element("label", {}, "Repository ", this.repo),
        element("label", {}, this.isPrivate, " Private"),
        this.button,
      ),
      element(
        "p",
        { class: "hint" },
        "Sends config, weights, losses and a card, not the examples. The token needs write access, goes to the Hub " +
          "alone and is forgotten after the push. ",
        makeLink(`${this.hub.address}/settings/tokens`, "Make a token"),
      ),
      this.status,
    ];
  }

  suggestName() {
    if (this.repo && !this.repo.value) this.repo.value = this.readTitle() ?? "";
  }

  // Whether there is a run to push.
  allow(hasRun) {
    this.hasRun = hasRun;
    if (this.button) this.button.disabled = !hasRun || this.isPushing;
  }

  // Push the best weights so far; the training goes on meanwhile.
  async push() {
    if (!this.hasRun || this.isPushing) return;
    const [token, name] = [this.token, this.repo].map((field) => field.value.trim());
    if (!TOKEN.test(token)) return this.tell("Give a token of the Hub with write access: all of it, and nothing else.");
    if (!name) return this.tell("Give a name for the repository.");
    this.isPushing = true;
    this.allow(this.hasRun);
    try {
      const repo = await this.pushTo(new HubClient(this.hub, token), name);
      this.token.value = "";
      this.tell("Pushed to ", makeLink(`${this.hub.address}/${repo}`, repo));
    } catch (error) {
      this.tell(`${error.message} ${LOST}`);
    }
    this.isPushing = false;
    this.allow(this.hasRun);
  }

  async pushTo(client, name) {
    const isPrivate = this.isPrivate.checked;
    this.tell("Asking the Hub ...");
    const repo = completeRepoName(name, await client.findUser()),
      title = this.readTitle(), // only now: another training may have begun meanwhile
      files = await this.save({ title, repo }),
      commit = await openRepository(client, repo, isPrivate);
    this.tell(`Pushing ${(files["model.safetensors"].length / 1e6).toFixed(1)} MB to ${repo} ...`);
    await commit(files);
    return repo;
  }

  tell(...parts) {
    this.status.replaceChildren(...parts);
  }
}

function makeLink(href, text) {
  return element("a", { href, target: "_blank", rel: "noopener noreferrer" }, text);
}

function explainAbsence(hub) {
  const reason = hub
    ? "A token is safe only on a page that is opened by https or from a disk, which this one is not. "
    : "This page may reach its own server alone, so that a token cannot be given here. ";
  const way = "Download the run, unpack it where Autoencoder Lab is started, and push it: ";
  return element("p", { class: "hint" }, reason, way, element("code", {}, "python -m aecore push RUN user/name"));
}
