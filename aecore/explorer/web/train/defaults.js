// The options of a run, config.json: what is not said is as in the Python package.

const MODEL = {
  variant: "vanilla",
  latent_dim: 32,
  scaling: "none",
  clip: null,
  missing: false,
  calibration: 0,
  anomaly_score: "error",
  corruption: null,
  network: { kind: "mlp" },
  bottleneck: { kind: "deterministic" },
  penalties: [],
  likelihood: { kind: "gaussian" },
  prior: null,
};

const TRAINING = {
  epochs: 10,
  passes: 1,
  batch_size: 128,
  optimizer: "adam",
  lr: 2e-3,
  momentum: 0.9,
  weight_decay: 0,
  schedule: "cosine",
  averaged: 0,
  warmup_steps: 0,
  kl_warmup_epochs: 0,
  early_stopping: 0,
  pretrain_epochs: 0,
  previews: 20,
  precision: "float32",
  augment: [],
  seed: 0,
  device: "auto",
};

// The parts that are trained here, by kind, with their defaults.
export const PARTS = {
  corruption: {
    gaussian: { sigma: 0.3, lowest_sigma: null, words: 0.1 },
    masking: { fraction: 0.25 },
    salt_and_pepper: { fraction: 0.25 },
  },
  network: {
    mlp: {
      hidden: [400],
      activation: "gelu",
      code_activation: "linear",
      norm: "none",
      tied: false,
      linear_path: false,
    },
    conv: { channels: [32, 64], activation: "relu", code_activation: "linear" },
    residual: {
      size: "small",
      channels: [32, 64, 96],
      blocks: [0, 1],
      code: "spatial",
      attention: false,
      downsampling: "unshuffle",
      upsampling: "shuffle",
      norm: "group",
      activation: "silu",
      code_activation: "linear",
      linear_path: true,
    },
  },
  bottleneck: {
    deterministic: {},
    top_k: { k: 25, start: null, by: "magnitude", auxiliary: 0, dead_after: 200 },
    jump_relu: { target: 25, weight: 300, price: 0.1, bandwidth: 0.5 },
    gaussian: { beta: 1, samples: 1, bound: "elbo", free_bits: 0, capacity: null },
    vector_quantized: {
      codes: 256,
      dim: 4,
      commitment: 0.25,
      update: "gradient",
      decay: 0.99,
      restart_below: 0.05,
      stages: 1,
      cosine: false,
    },
    finite_scalar: { levels: 16 },
  },
  penalties: {
    kl_sparsity: { layers: [-1], weight: 0.1, rho: 0.05 },
    l1: { layers: [-1], weight: 0.1 },
    l2: { layers: [-1], weight: 0.1 },
    contractive: { weight: 0.1, method: "auto", probes: 1 },
    mmd: { weight: 200 },
  },
  likelihood: {
    bernoulli: {},
    gaussian: { variance: 0.5, output: "linear", learned: false },
    calibrated: { variance: "shared", output: "linear" },
  },
};

// A config of which every option is set.
export function completeConfig({ model, training, ...rest }) {
  const complete = { ...MODEL, ...model };
  for (const name of ["corruption", "network", "bottleneck", "likelihood"])
    if (complete[name]) complete[name] = completePart(name, complete[name]);
  complete.penalties = complete.penalties.map((part) => completePart("penalties", part));
  return { ...rest, model: complete, training: { ...TRAINING, ...training } };
}

function completePart(name, part) {
  return { kind: part.kind, ...PARTS[name][part.kind], ...part };
}
