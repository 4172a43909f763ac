// An autoencoder as lists of steps over Float32Array (aecore/explorer/portable.py describes each step).

import { createKernel } from "./kernel.js";
import { runSteps } from "./steps.js";
import { floats } from "./tensors.js";

export class Network {
  // meta: of a model, as aecore.explorer.portable writes it; tensors: of a pack, named "model." and as in the steps.
  // makeKernel(floats) gives what grids are computed with.
  constructor(meta, tensors, makeKernel = createKernel) {
    Object.assign(this, { shape: meta.input_shape, dim: meta.latent_dim });
    const bindAll = (steps = []) => steps.map((step) => bindWeights(step, tensors, makeKernel));
    this.steps = { encode: bindAll(meta.encode), snap: bindAll(meta.snap), decode: bindAll(meta.decode) };
  }

  get canEncode() {
    return this.steps.encode.length > 0;
  }

  // x (features,) -> {z, logVariance}; logVariance of variational codes alone.
  encode(x) {
    const out = runSteps(this.steps.encode, x);
    const logVariance = out.length > this.dim ? out.slice(this.dim) : null;
    return { z: this.snap(out.slice(0, this.dim)), logVariance };
  }

  // z (dim,) -> the valid code nearest to it.
  snap(z) {
    return runSteps(this.steps.snap, z);
  }

  // z (dim,) -> x^ (features,), in the data's own units.
  decode(z) {
    return runSteps(this.steps.decode, z);
  }
}

// A step with its weights in place of their names.
function bindWeights(step, tensors, makeKernel) {
  const bound = { ...step, makeKernel };
  const bindAll = (steps) => steps.map((inner) => bindWeights(inner, tensors, makeKernel));
  if (step.steps) bound.steps = bindAll(step.steps);
  if (step.branches) bound.branches = step.branches.map(bindAll);
  for (const name of ["weight", "bias", "shift", "scale", "codebook", "threshold"])
    if (typeof step[name] === "string") {
      const tensor = tensors[`model.${step[name]}`];
      tensor.floats ??= floats(tensor); // tied layers share it
      bound[name] = tensor.floats;
      bound[`${name}Shape`] = tensor.shape;
    }
  return bound;
}
