// An autoencoder as lists of steps over Float32Array (aecore/explorer/portable.py describes each step).

import { createKernel } from "./kernel.js";
import { runSteps } from "./steps.js";
import { floats } from "./tensors.js";

export class Network {
  // meta: of a model, as aecore.explorer.portable writes it; tensors: of a pack, named "model." and as in the steps.
  // makeKernel(floats) gives what grids are computed with.
  constructor(meta, tensors, makeKernel = createKernel) {
    Object.assign(this, { shape: meta.input_shape, dim: meta.latent_dim, grid: meta.code_grid });
    const bindAll = (steps = []) => steps.map((step) => bindWeights(step, tensors, makeKernel));
    this.steps = { encode: bindAll(meta.encode), snap: bindAll(meta.snap), decode: bindAll(meta.decode) };
  }

  // How a code is arranged; empty of one that lies on no grid.
  describeGrid() {
    if (!this.grid) return "";
    const [channels, height, width] = this.grid;
    return `each code is ${channels} channels at ${height} × ${width} places`;
  }

  // The name of a unit of the code, with its place on the grid (row, column).
  nameUnit(unit) {
    if (!this.grid) return `z${unit}`;
    const [channels, , width] = this.grid,
      place = Math.floor(unit / channels);
    return `z${unit}: channel ${unit % channels} at (${Math.floor(place / width)}, ${place % width})`;
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
      tensor.floats ??= readWeights(tensor, tensors, `model.${step[name]}`); // tied layers share it
      bound[name] = tensor.floats;
      bound[`${name}Shape`] = tensor.shape;
    }
  return bound;
}

// The values of a weight, of which one byte a value counts steps from the lowest one of its row.
function readWeights(tensor, tensors, name) {
  if (!tensors[`${name}.low`]) return floats(tensor);
  const [low, step] = ["low", "step"].map((end) => floats(tensors[`${name}.${end}`])),
    width = tensor.data.length / low.length;
  return Float32Array.from(tensor.data, (count, i) => {
    const row = Math.floor(i / width);
    return low[row] + count * step[row];
  });
}
