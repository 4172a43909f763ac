// The steps of a residual network (aecore/explorer/residual_steps.py writes the same ones).

import { findGroups } from "./norms.js";
import { HALVINGS, POINT, SAME } from "./residual_network.js";
import { PATH_GAIN } from "./residual_path.js";
import { writeActivation } from "./step_writer.js";

const EPS = 1e-5;

// {encode, decode}, whose arrays `writer` stores.
export function writeResidualSteps(writer, network) {
  const { pixels, places, stride, isDense, encoder, decoder, head, first, units, widths, parts, outputBias } = network,
    [padded, size] = [places.map((side) => side * stride), pixels.slice(1)],
    steps = new ResidualSteps(writer, network),
    [padding, cut] = [writeWindow(size, padded), writeWindow(padded, size)];
  if (isDense) {
    const picture = writeGrid([widths.at(-1), ...places], [...steps.writeClimb(null), ...cut]),
      down = [writeGrid(pixels, [...padding, ...steps.writeDescent()]), writer.addLayer("linear", head)],
      up = [writer.addLayer("linear", first), picture, { op: "add", bias: writer.addParameter(outputBias) }];
    return { encode: steps.addVectorPath(down, encoder.path), decode: steps.addVectorPath(up, decoder.path) };
  }
  const down = [...steps.writeDescent(), steps.writeConv(head, SAME)],
    up = [steps.writeConv(first, SAME), ...steps.writeClimb(outputBias)],
    { block } = network;
  const encode = [...padding, ...steps.addGridPath(down, "conv", encoder.path, block)],
    decode = [...steps.addGridPath(up, "conv_transpose", decoder.path, { ...block, size: padded }), ...cut];
  return {
    encode: [writeGrid(pixels, encode, { to: "places", parts })],
    decode: [writeGrid([units, ...places], decode, { from: "places" })],
  };
}

function writeGrid([channels, height, width], steps, more = {}) {
  return { op: "grid", shape: [height, width, channels], from: "channels", to: "channels", ...more, steps };
}

function writeWindow(size, other) {
  return size.every((side, i) => side === other[i]) ? [] : [{ op: "window", start: [0, 0], size: other }];
}

class ResidualSteps {
  constructor(writer, network) {
    Object.assign(this, { writer, network, activation: network.options.activation });
  }

  writeConv(layer, { stride, padding }) {
    return this.writer.addLayer("conv", layer, { stride, padding });
  }

  // From the padded picture to the coarsest level.
  writeDescent() {
    const { encoder, options } = this.network,
      levels = encoder.halvings.flatMap((layer, i) => [
        this.writeConv(layer, HALVINGS[options.downsampling]),
        ...this.writeLevel(encoder.levels[i]),
      ]);
    return [...levels, ...this.writeNormed(encoder.norm)];
  }

  // From the coarsest level to logits, with biases of their channels added where there are any.
  writeClimb(biases) {
    const { levels, doublings, norm, toPixels } = this.network.decoder,
      climb = levels.flatMap((level, i) => [
        ...(i ? this.writeDoubling(doublings[i - 1], null) : []),
        ...this.writeLevel(level),
      ]);
    return [...climb, ...this.writeNormed(norm), ...this.writeDoubling(toPixels, biases)];
  }

  // Blocks, each added to what it is given.
  writeLevel(blocks) {
    return blocks.map(({ norm, first, last }) => {
      const inner = [this.writeConv(first, SAME), ...writeActivation(this.activation), this.writeConv(last, POINT)];
      return { op: "sum", branches: [[], [...this.writeNormed(norm), ...inner]] };
    });
  }

  writeNormed(norm) {
    if (!norm) return writeActivation(this.activation);
    const silu = this.activation === "silu",
      step = this.writer.addLayer("group_norm", norm, { groups: findGroups(norm.weight.columns), eps: EPS, silu });
    return silu ? [step] : [step, ...writeActivation(this.activation)];
  }

  writeDoubling(layer, biases) {
    const { writer, network } = this,
      isNearest = network.options.upsampling === "nearest",
      kernel = layer.weight.shape[2] === 1 ? POINT : SAME;
    const step = isNearest ? writer.addLayer("upsampled_conv", layer) : this.writeConv(layer, kernel);
    if (biases) {
      const times = isNearest ? 1 : 4,
        more = writer.graph.readParameter(biases),
        own = writer.graph.readParameter(layer.bias);
      step.bias = writer.add(
        layer.bias.name,
        own.map((value, i) => value + more[Math.floor(i / times)]),
      );
    }
    return isNearest ? [step] : [step, { op: "shuffle", factor: 2 }];
  }

  // Steps beside the linear path, of vectors and of grids.
  addVectorPath(steps, path) {
    return path ? [{ op: "path", weight: this.addPathWeight(path), steps }] : steps;
  }

  addGridPath(steps, op, path, { stride, padding, size }) {
    if (!path) return steps;
    const along = { op, weight: this.addPathWeight(path), stride, padding, size };
    return [{ op: "sum", branches: [[along], steps] }];
  }

  addPathWeight(path) {
    const weight = this.writer.graph.readParameter(path).map((value) => value * PATH_GAIN);
    return this.writer.add(path.name, weight, path.shape);
  }
}
