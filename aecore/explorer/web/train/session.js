// A training in a worker, as a page sees it. What comes back are messages {type, ...}:
//
//   ready     knobs [{path, value, lowest, highest}], weights, compiled, steps (of an epoch), training and validation
//             (how many examples)
//   refused   reason: why this run is not one for a page; a sentence
//   snapshot  epoch, step, steps, lr, losses, state, network {meta, tensors}, codes (of `tracked`), rebuilt (of
//             `shown`)
//   epoch     record: the line of metrics.jsonl
//   knob      record: knobs that act from now on
//   refused_knob  reason; it goes on with the values from before
//   done      all epochs are made
//   failed    reason; only `start` helps then
//   lost      reason: there is no worker any more; nothing helps but another page or browser

export class TrainingSession {
  // script: the text of worker.js in one piece; listen(message) hears what the worker says.
  constructor(script, listen) {
    const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    this.worker = new Worker(address);
    URL.revokeObjectURL(address);
    Object.assign(this, { listen, answers: new Map(), lastId: 0, lost: "" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => this.lose(event.message || "This browser allows no worker here.");
  }

  // Begin anew: {config, examples, tracked, shown, snapshots}. Arrays are copied.
  start(order) {
    this.post({ type: "start", ...order });
  }

  run() {
    this.post({ type: "run" });
  }

  pause() {
    this.post({ type: "pause" });
  }

  // One update, then stand still.
  step() {
    this.post({ type: "step" });
  }

  // The rest of the epoch, then stand still.
  finishEpoch() {
    this.post({ type: "finishEpoch" });
  }

  // Move knobs, {path: value}.
  turn(knobs) {
    this.post({ type: "turn", knobs });
  }

  // A promise of the files of the run folder, {name: Uint8Array}. title: of its card; repo: where it goes on the Hub.
  save({ title, repo } = {}) {
    return this.ask({ type: "save", title, repo });
  }

  // A promise of the losses of inputs in the data's own units, by the weights of the moment.
  measure(inputs) {
    return this.ask({ type: "measure", inputs });
  }

  close() {
    this.worker.terminate();
  }

  ask(question) {
    this.lastId += 1;
    const id = this.lastId,
      answer = new Promise((resolve, reject) => this.answers.set(id, { resolve, reject }));
    this.post({ ...question, id });
    return answer;
  }

  // Where the worker is lost, say so again: it would not answer.
  post(message) {
    if (this.lost) this.lose(this.lost);
    else this.worker.postMessage(message);
  }

  lose(reason) {
    this.lost = reason;
    this.worker.terminate();
    for (const { reject } of this.answers.values()) reject(new Error(reason));
    this.answers.clear();
    this.listen({ type: "lost", reason });
  }

  hear(message) {
    if (message.type !== "answer") return this.listen(message);
    const { resolve, reject } = this.answers.get(message.id);
    this.answers.delete(message.id);
    return message.error ? reject(new Error(message.error)) : resolve(message.value);
  }
}
