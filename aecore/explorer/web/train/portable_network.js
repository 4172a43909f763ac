// The weights of the moment as the steps that network.js runs (aecore/explorer/portable.py writes the same ones).

import { writeResidualSteps } from "./residual_steps.js";
import { StepWriter, writeActivation } from "./step_writer.js";

const EPS = 1e-5;
const WRITERS = { mlp: writeDenseSteps, conv: writeGridSteps, residual: writeResidualSteps };

// {meta, tensors} for `new Network(meta, tensors)`.
export function exportNetwork({ model, examples }) {
  const { options, network, bottleneck, likelihood, dim } = model,
    writer = new StepWriter(model.graph),
    isScaled = options.scaling !== "none",
    scaling = isScaled && writer.addAll(examples.scaling);
  const limits = { missing: false, clip: options.clip, clamp: examples.isUnit },
    parts = WRITERS[options.network.kind](writer, network);
  const meta = {
    input_shape: options.input_shape,
    latent_dim: dim,
    code_grid: network.codeGrid ?? null,
    encode: [
      ...(isScaled ? [{ op: "unscale", ...scaling, ...limits }] : []),
      ...parts.encode,
      ...writeActivation(options.network.code_activation, { first: dim }),
    ],
    snap: bottleneck.snap.map((step) => writer.addArrays(step)),
    decode: [...parts.decode, ...likelihood.steps, ...(isScaled ? [{ op: "scale", ...scaling }] : [])],
  };
  return { meta, tensors: writer.tensors };
}

// -- fully connected networks

function writeDenseSteps(writer, { encoder, decoder, options }) {
  return { encode: writeLayers(writer, encoder, options), decode: writeLayers(writer, decoder, options) };
}

function writeLayers(writer, { layers, norms, path }, options) {
  const steps = layers.flatMap((layer, i) => {
    const linear = writeLinear(writer, layer, norms[i]);
    return i < norms.length ? [...linear, ...writeActivation(options.activation)] : linear;
  });
  return path ? [{ op: "path", weight: writer.addParameter(path), steps }] : steps;
}

// An affine layer with its normalisation; that over the batch is folded into the weights.
function writeLinear(writer, layer, norm) {
  if (norm?.mean) return [writeFolded(writer, layer, norm)];
  const linear = writer.addLayer("linear", layer, layer.isTied ? { transposed: true } : {});
  return norm ? [linear, writer.addLayer("layer_norm", norm, { eps: EPS })] : [linear];
}

function writeFolded(writer, { name, weight, bias, isTied }, norm) {
  const read = (parameter) => writer.graph.readParameter(parameter),
    [values, shifts, gains, offsets, means, variances] = [
      weight,
      bias,
      norm.weight,
      norm.bias,
      norm.mean,
      norm.variance,
    ].map(read),
    outputs = shifts.length,
    inputs = values.length / outputs,
    factors = gains.map((gain, o) => gain / Math.sqrt(variances[o] + EPS)),
    folded = Float32Array.from({ length: values.length }, (_, at) => {
      const [o, i] = [Math.floor(at / inputs), at % inputs];
      return factors[o] * values[isTied ? i * outputs + o : at];
    });
  return {
    op: "linear",
    weight: writer.add(`${name}.folded.weight`, folded, [outputs, inputs]),
    bias: writer.add(
      `${name}.folded.bias`,
      shifts.map((shift, o) => (shift - means[o]) * factors[o] + offsets[o]),
    ),
  };
}

// -- convolutional networks

function writeGridSteps(writer, { encoder, decoder, head, first, options, pixels, sizes }) {
  const activation = writeActivation(options.activation),
    geometry = { stride: 2, padding: 1 },
    order = { from: "channels", to: "channels" },
    count = sizes.length - 1;
  const down = encoder.layers.flatMap((layer) => [writer.addLayer("conv", layer, geometry), ...activation]),
    up = decoder.layers.flatMap((layer, i) => {
      const step = writer.addLayer("conv_transpose", layer, { ...geometry, size: sizes[count - 1 - i] });
      return [...activation, step];
    });
  const shape = [...pixels.slice(1), pixels[0]],
    coarse = [...sizes[count], options.channels.at(-1)];
  return {
    encode: [{ op: "grid", shape, ...order, steps: down }, writer.addLayer("linear", head)],
    decode: [writer.addLayer("linear", first), { op: "grid", shape: coarse, ...order, steps: up }],
  };
}
