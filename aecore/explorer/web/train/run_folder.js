// The files of a run folder, as the Python package reads and resumes them (aecore/runs/run.py).

import { writeSafetensors } from "./safetensors.js";

const VERSION = "0.1.0"; // of the format of config.json
const FORMAT = { aecore_format: "1" };

// {file name: Uint8Array} of a trainer: the best weights and, where an epoch is done, the position to go on from.
// `repo` is where they go on the Hub, if they do.
export function writeRunFolder(trainer, { title = "An autoencoder trained in a web page", repo = "" } = {}) {
  const text = new TextEncoder(),
    files = {
      "config.json": text.encode(`${JSON.stringify(writeConfig(trainer.firstConfig), null, 2)}\n`),
      "metrics.jsonl": text.encode(trainer.records.map((record) => `${JSON.stringify(record)}\n`).join("")),
      "model.safetensors": writeSafetensors(trainer.bestWeights.tensors, describeKnobs(trainer)),
      "README.md": text.encode(writeCard(trainer, title, repo)),
      "state.json": text.encode(JSON.stringify(writeState(trainer))),
    };
  if (trainer.position) files["resume.safetensors"] = writePosition(trainer.position);
  return files;
}

function writeConfig(config) {
  return { sweep: "", aecore_version: VERSION, ...config };
}

// The knobs of the model in which the best weights differ from config.json, as one entry of the metadata.
function describeKnobs({ bestWeights, firstConfig }) {
  const before = firstConfig.model,
    knobs = {};
  compareParts(knobs, "corruption", before.corruption, bestWeights.options.corruption);
  compareParts(knobs, "bottleneck", before.bottleneck, bestWeights.options.bottleneck);
  before.penalties.forEach((part, i) =>
    compareParts(knobs, `penalties.${part.kind}`, part, bestWeights.options.penalties[i]),
  );
  return Object.keys(knobs).length ? { aecore_knobs: JSON.stringify(knobs) } : FORMAT;
}

function compareParts(knobs, path, before, after) {
  for (const [key, value] of Object.entries(after ?? {}))
    if (value !== before[key] && typeof value === "number") knobs[`${path}.${key}`] = value;
}

function writeState({ epoch, isDone, config }) {
  return { state: isDone ? "done" : "stopped", epoch, epochs: config.training.epochs, device: "web page" };
}

// resume.safetensors: weights, optimiser and position at the end of the last whole epoch.
function writePosition({ tensors, moments, epoch, best, sinceBest }) {
  const all = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [`model.${name}`, tensor]));
  moments.forEach(({ shape, steps, mean, square }, i) => {
    all[`optimizer.${i}.step`] = { shape: [], data: Float32Array.of(steps) };
    all[`optimizer.${i}.exp_avg`] = { shape, data: mean };
    all[`optimizer.${i}.exp_avg_sq`] = { shape, data: square };
  });
  const position = {
    epoch: String(epoch),
    best: Number.isFinite(best) ? String(best) : "inf",
    since_best: String(sinceBest),
  };
  return writeSafetensors(all, { ...position, prior_epoch: "0", prior_best: "inf" });
}

// README.md: what the folder is, and how to open it.
function writeCard(trainer, title, repo) {
  const { model } = trainer.firstConfig,
    { train, validation, width } = trainer.examples,
    shape = `${model.input_shape.join(" x ")} values to ${model.latent_dim}`,
    load = repo ? `from_pretrained("${repo}")` : 'load("this folder")',
    counts = `${train.length / width} examples, ${validation.length / width} held out`;
  return [
    `---\nlibrary_name: aecore\ntags:\n- autoencoder\n- aecore\n- aecore-variant:${model.variant}\n---`,
    `# ${title}`,
    `Variant ${model.variant}, ${shape}. Trained in a web page on ${counts}, for ${trainer.epoch} epochs. ` +
      describeLoss(trainer),
    "With the package `aecore` of Autoencoder Lab:",
    `\`\`\`python\nfrom aecore import Autoencoder\n\nmodel = Autoencoder.${load}\n\`\`\`\n`,
  ].join("\n\n");
}

function describeLoss({ records }) {
  const last = records.findLast(({ kind }) => kind === "epoch");
  if (!last) return "It was saved before its first epoch ended.";
  const { loss, validation_loss: held } = last,
    more = held === undefined ? "" : `, ${held.toPrecision(4)} on those held out`;
  return `Its loss ended at ${loss.toPrecision(4)}${more}.`;
}
