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

export class TrainingSession {
  // script: the text of worker.js in one piece; listen(message) hears what the worker says.
  constructor(script, listen) {
    const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    this.worker = new Worker(address);
    URL.revokeObjectURL(address);
    Object.assign(this, { listen, answers: new Map(), lastId: 0 });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) =>
      listen({ type: "failed", reason: event.message || "This browser allows no worker here." });
  }

  // Begin anew: {config, examples, tracked, shown, snapshots}. Arrays are copied.
  start(order) {
    this.worker.postMessage({ type: "start", ...order });
  }

  run() {
    this.worker.postMessage({ type: "run" });
  }

  pause() {
    this.worker.postMessage({ type: "pause" });
  }

  // One update, then stand still.
  step() {
    this.worker.postMessage({ type: "step" });
  }

  // The rest of the epoch, then stand still.
  finishEpoch() {
    this.worker.postMessage({ type: "finishEpoch" });
  }

  // Move knobs, {path: value}.
  turn(knobs) {
    this.worker.postMessage({ type: "turn", knobs });
  }

  // A promise of the files of the run folder, {name: Uint8Array}.
  save({ title } = {}) {
    return this.ask({ type: "save", title });
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
    this.worker.postMessage({ ...question, id });
    return answer;
  }

  hear(message) {
    if (message.type !== "answer") return this.listen(message);
    const { resolve, reject } = this.answers.get(message.id);
    this.answers.delete(message.id);
    return message.error ? reject(new Error(message.error)) : resolve(message.value);
  }
}
