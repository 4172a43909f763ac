// What of a run is not trained in a page, said in a sentence; and its knobs, which may be moved while it trains.

import { AUGMENTATIONS } from "./augmentation.js";
import { PARTS, completeConfig } from "./defaults.js";

const SMOOTH = new Set(["sigmoid", "tanh", "relu", "linear"]); // activations whose Jacobian has a closed form

// Numbers that may be moved while a run trains, with their bounds.
const KNOBS = {
  corruption: { sigma: [0, 10], fraction: [0, 1] },
  bottleneck: { beta: [0, 1000], k: [1, 16384], commitment: [0, 100], weight: [0, 1e6], price: [0, 1e6] },
  penalties: { weight: [0, 1e6] },
  training: { lr: [1e-12, 100] },
};
const WHOLE_KNOBS = ["bottleneck.k"];

// Why a page does not have a kind of a part; of others it has no gradients.
const ABSENCES = {
  batch_top_k: "units that are never on learn by an auxiliary loss, for which codes are decoded once more",
  rate: "its codes are paid by a density that is learned with it, a network of its own",
  ensemble: "it is several networks that learn together, and a page has memory for one",
};

// Why a run cannot be trained here, a sentence; empty where it can.
export function explainUntrainable(config) {
  const { model, training } = completeConfig(config);
  return explainParts(model) || explainModel(model) || explainMisfit(model) || explainTraining(training, config.data);
}

function explainParts(model) {
  const parts = ["corruption", "network", "bottleneck", "likelihood"].map((name) => [name, model[name]]);
  for (const [name, part] of [...parts, ...model.penalties.map((penalty) => ["penalties", penalty])])
    if (part && !PARTS[name][part.kind]) {
      const kinds = Object.keys(PARTS[name]).join(", ");
      const what = `${name === "penalties" ? "penalty" : name} of kind ${part.kind}`,
        reason = ABSENCES[part.kind] ?? "its gradients are in the Python package alone";
      return `A page trains no ${what}: ${reason}. It has ${kinds}.`;
    }
  return "";
}

function explainModel({ network, bottleneck, penalties, missing, prior }) {
  if (missing) return "A page trains on whole examples only: fill the missing cells, or train in the app.";
  if (prior)
    return "A prior of indices is not learned in a page, for it is a second training: leave it out, or train in the app.";
  if (bottleneck.auxiliary)
    return "The auxiliary loss of dead units is not trained in a page, which decodes codes once: set bottleneck.auxiliary to 0.";
  if (bottleneck.cosine)
    return "Codes of directions are not trained in a page, which has no gradients of them: set bottleneck.cosine to false.";
  if (bottleneck.samples > 1 && network.kind !== "mlp")
    return "A page draws one code for each picture where the network is convolutional: set bottleneck.samples to 1.";
  for (const penalty of penalties) {
    const reason = penalty.kind === "contractive" && explainContractive(network, penalty);
    if (reason) return reason;
  }
  return "";
}

function countPlaces([, ...sides], levels) {
  return sides.reduce((product, side) => product * Math.ceil(side / 2 ** levels), 1);
}

// The non-linearity of each layer of an encoder, from the first hidden one to the code.
export function listActivations({ kind, hidden, channels, activation, code_activation: code }) {
  const layers = (hidden ?? channels).map(() => activation);
  if (kind === "residual") layers.fill("linear", 0, -1); // levels but the last give sums of blocks
  return [...layers, code];
}

// What of these parts does not go together; the package refuses the same in a config.json.
function explainMisfit({ input_shape: shape, latent_dim: dim, scaling, network, bottleneck, penalties, likelihood }) {
  const { channels, code_activation: code, linear_path: hasPath, tied } = network,
    kinds = listActivations(network);
  if (network.attention)
    return "Attention is not trained in a page, which has no gradients of it: set network.attention to false.";
  const places = network.code === "spatial" ? countPlaces(shape, channels.length) : 1;
  if (dim % places) return `latent_dim ${dim} must be a multiple of the ${places} places of a spatial code.`;
  if (channels && shape.length !== 3) return "A convolutional network needs pictures: set network.kind to mlp.";
  if (dim % (bottleneck.dim ?? 1)) return `latent_dim ${dim} must be a multiple of bottleneck.dim ${bottleneck.dim}.`;
  const suited = ["deterministic", "gaussian", ...(network.code === "spatial" ? ["vector_quantized"] : [])];
  if (hasPath && (tied || code !== "linear" || !suited.includes(bottleneck.kind)))
    return "A linear path is for a linear code, plain or Gaussian, and untied weights: set linear_path to false.";
  if (likelihood.kind === "bernoulli" && scaling === "standard")
    return "A bernoulli likelihood needs values between 0 and 1: set scaling to minmax.";
  for (const { kind, layers = [] } of penalties)
    for (const i of layers) {
      if (!kinds.at(i)) return `${kind}: the encoder has ${kinds.length} layers, got layer ${i}.`;
      if (kind === "kl_sparsity" && !["sigmoid", "tanh"].includes(kinds.at(i)))
        return `kl_sparsity needs units between 0 and 1, got ${kinds.at(i)} ones: use sigmoid or tanh there.`;
    }
  return "";
}

function explainContractive({ hidden, code_activation: code }, { method }) {
  const isOneLayer = hidden?.length === 0 && SMOOTH.has(code);
  if (isOneLayer && ["auto", "closed_form"].includes(method)) return "";
  return (
    "A page knows the contractive penalty in closed form only: of an encoder without hidden layers whose code is " +
    "sigmoid, tanh, relu or linear, and method auto or closed_form."
  );
}

function explainTraining({ optimizer, averaged, pretrain_epochs: pretrained, augment }, data) {
  if (!["adam", "adamw"].includes(optimizer))
    return `A page trains by adam or adamw: training.optimizer is ${optimizer}.`;
  if (averaged) return "Weights are not averaged in a page, which keeps one copy of them: set training.averaged to 0.";
  if (pretrained) return "Layers are not trained one by one in a page, which builds its model once: set training.pretrain_epochs to 0.";
  if (!augment.every((kind) => AUGMENTATIONS.includes(kind)))
    return `A page changes pictures by ${AUGMENTATIONS.join(", ")}: training.augment is ${augment.join(", ")}.`;
  if (data && data.binarise && data.binarise !== "none")
    return "Pixels are not drawn as 0 or 1 in a page, which takes examples as they are: set data.binarise to none.";
  return "";
}

// The knobs of a complete config: [{path, value, lowest, highest}].
export function listKnobs({ model, training }) {
  const parts = [
    ["corruption", model.corruption, "corruption"],
    ["bottleneck", model.bottleneck, "bottleneck"],
    ...model.penalties.map((part) => [`penalties.${part.kind}`, part, "penalties"]),
    ["training", training, "training"],
  ];
  return parts.flatMap(([path, part, name]) =>
    Object.entries(KNOBS[name])
      .filter(([key]) => part && key in part)
      .map(([key, [lowest, highest]]) => {
        const limit = key === "k" ? model.latent_dim : highest;
        return { path: `${path}.${key}`, value: part[key], lowest, highest: limit };
      }),
  );
}

// A config with knobs moved, {path: value}. Throws an Error where one is none of this run, or out of bounds.
export function turnKnobs(config, values) {
  const turned = structuredClone(config),
    knobs = listKnobs(config);
  for (const [path, value] of Object.entries(values)) {
    const knob = knobs.find((other) => other.path === path);
    if (!knob)
      throw new Error(`${path} is no knob of this run. It has ${knobs.map((other) => other.path).join(", ")}.`);
    if (!(value >= knob.lowest && value <= knob.highest))
      throw new Error(`${path} must be from ${knob.lowest} to ${knob.highest}, got ${value}.`);
    if (WHOLE_KNOBS.includes(path) && !Number.isInteger(value))
      throw new Error(`${path} must be a whole number, got ${value}.`);
    const end = path.lastIndexOf(".");
    findPart(turned, path.slice(0, end))[path.slice(end + 1)] = value;
  }
  return turned;
}

function findPart({ model, training }, path) {
  if (path === "training") return training;
  const [name, kind] = path.split(".");
  return kind ? model.penalties.find((penalty) => penalty.kind === kind) : model[name];
}
