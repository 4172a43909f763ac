// Residual networks of pictures: levels that halve the picture, with blocks each added to what it is given, beside a
// linear path (aecore/model/parts/networks/residual_pyramid.py). The code is one vector, or lies on the coarsest grid.
// Parameters have the names and the order of the Python model.

import { addBiases, addConvolution, addTransposedConvolution } from "./convolutions.js";
import { addCodeGrid, addDoubled, addFlattened, addGrid, addPlaces, addWindow } from "./gathers.js";
import { addLayer, beginLayer } from "./layers.js";
import { addActivation } from "./nonlinearities.js";
import { addGroupNorm, addNormParameters, beginNorm } from "./norms.js";
import { addAffine } from "./products.js";
import { PATH_GAIN, beginResidualPath, beginResidualPathBack, cutBlocks } from "./residual_path.js";
import { addBroad, addSum } from "./sums.js";

export const SAME = { side: 3, stride: 1, padding: 1 };
export const POINT = { side: 1, stride: 1, padding: 0 };
export const HALVINGS = {
  strided: { side: 3, stride: 2, padding: 1 },
  unshuffle: { side: 2, stride: 2, padding: 0 },
};
const FACTORS = { small: 1, medium: 2, large: 4 }; // of the channels

export class ResidualNetwork {
  // `pixels`: channels, height and width of the pictures; `outputs`: how many values the encoder gives for a code of
  // `dim`.
  constructor(graph, options, pixels, dim, outputs) {
    const widths = options.channels.map((count) => count * FACTORS[options.size]),
      stride = 2 ** widths.length,
      places = pixels.slice(1).map((side) => Math.ceil(side / stride)),
      area = places[0] * places[1],
      isDense = options.code === "dense";
    Object.assign(this, { graph, options, pixels, dim, widths, stride, places, isDense, parts: outputs / dim });
    this.depths = widths.map((_, i) => options.blocks[Math.min(i, options.blocks.length - 1)]);
    this.units = isDense ? dim : dim / area; // of a place
    this.encoder = this.makeEncoder(area, outputs);
    this.decoder = this.makeDecoder(area);
  }

  makeEncoder(area, outputs) {
    const { graph, options, pixels, widths, units, parts } = this,
      { side } = HALVINGS[options.downsampling],
      inputs = [pixels[0], ...widths],
      last = widths.at(-1),
      halvings = widths.map((width, i) =>
        addLayer(graph, `encoder.halvings.${i}.layer`, [width, inputs[i], side, side], width, "linear"),
      ),
      levels = widths.map((_, i) => this.makeLevel(`encoder.layers.${i}`, i)),
      norm = this.makeNorm("encoder.norm", last),
      shape = this.isDense ? [outputs, last * area] : [units * parts, last, 3, 3];
    this.head = addLayer(graph, "encoder.to_code", shape, shape[0], "linear");
    return { halvings, levels, norm, path: this.makePath("encoder", [this.dim, this.countPixels()]) };
  }

  makeDecoder(area) {
    const { graph, options, pixels, widths, units } = this,
      back = widths.toReversed(),
      isNearest = options.upsampling === "nearest";
    this.outputBias = graph.addParameter("decoder.bias", [this.isDense ? this.countPixels() : pixels[0]]);
    const path = this.makePath("decoder", [this.countPixels(), this.dim]),
      shape = this.isDense ? [back[0] * area, this.dim] : [back[0], units, 3, 3];
    this.first = addLayer(graph, "decoder.from_code", shape, shape[0], "linear");
    const levels = back.map((_, i) => this.makeLevel(`decoder.layers.${i}`, back.length - 1 - i));
    const makeDoubling = (name, inputs, outputs, kernel) => {
      const [count, side] = isNearest ? [outputs, 3] : [4 * outputs, kernel];
      return addLayer(graph, `${name}.layer`, [count, inputs, side, side], count, "linear");
    };
    const doublings = back.slice(1).map((width, i) => makeDoubling(`decoder.doublings.${i}`, back[i], width, 1)),
      norm = this.makeNorm("decoder.norm", back.at(-1));
    return { levels, doublings, norm, toPixels: makeDoubling("decoder.to_pixels", back.at(-1), pixels[0], 3), path };
  }

  countPixels() {
    return this.pixels.reduce((a, b) => a * b, 1);
  }

  makeLevel(name, i) {
    const { graph, options, widths, depths } = this,
      width = widths[i];
    return Array.from({ length: depths[i] }, (_, block) => {
      const start = `${name}.${block}`,
        norm = this.makeNorm(`${start}.norm`, width);
      const first = addLayer(graph, `${start}.first`, [width, width, 3, 3], width, options.activation);
      return { norm, first, last: addLayer(graph, `${start}.last`, [width, width, 1, 1], width, "zero") };
    });
  }

  makeNorm(name, width) {
    return addNormParameters(this.graph, name, this.options.norm, width);
  }

  // The linear path: of whole pictures to a vector, or of overlapping blocks to the places of a grid.
  makePath(name, shape) {
    if (!this.options.linear_path) return null;
    const { graph, pixels, stride, units } = this,
      blocks = [units, pixels[0], 2 * stride, 2 * stride];
    return graph.addParameter(`${name}.path.weight`, this.isDense ? shape : blocks);
  }

  begin(random) {
    const { graph, encoder, decoder, head, first } = this,
      blocks = [...encoder.levels, ...decoder.levels].flat(),
      layers = [...encoder.halvings, head, first, ...decoder.doublings, decoder.toPixels];
    for (const layer of [...layers, ...blocks.map((block) => block.first)]) beginLayer(graph, layer, random);
    for (const norm of [encoder.norm, decoder.norm, ...blocks.map((block) => block.norm)]) beginNorm(graph, norm);
  }

  // x -> {out, hidden}: the layer before the code's non-linearity, and what each level gives.
  addEncoder(x) {
    const { graph, options, encoder, head, places, stride, parts } = this,
      picture = addWindow(
        graph,
        addGrid(graph, x, this.pixels),
        places.map((count) => count * stride),
      ),
      hidden = [];
    let h = picture;
    encoder.halvings.forEach((layer, i) => {
      h = this.addLevel(addConvolution(graph, h, layer, HALVINGS[options.downsampling]), encoder.levels[i]);
      hidden.push(h);
    });
    h = hidden[hidden.length - 1] = this.addNormed(h, encoder.norm);
    if (this.isDense) {
      const out = addAffine(graph, addFlattened(graph, h), head.weight, head.bias);
      if (encoder.path) addBroad(graph, out, addAffine(graph, x, encoder.path, null), PATH_GAIN);
      return { out, hidden };
    }
    const out = addConvolution(graph, h, head, SAME);
    if (encoder.path)
      addBroad(graph, out, addConvolution(graph, picture, { weight: encoder.path }, this.block), PATH_GAIN);
    return { out: addPlaces(graph, out, parts), hidden };
  }

  // Channels, height and width of a code that lies on a grid.
  get codeGrid() {
    return this.isDense ? null : [this.units, ...this.places];
  }

  // The kernel of the linear path on a grid: a block with half a block on each side.
  get block() {
    return { side: 2 * this.stride, stride: this.stride, padding: this.stride / 2 };
  }

  // z -> logits
  addDecoder(z) {
    const { graph, decoder, first, places, pixels, widths } = this,
      size = pixels.slice(1);
    if (this.isDense) {
      const flat = addAffine(graph, z, first.weight, first.bias),
        h = this.climb(addGrid(graph, flat, [widths.at(-1), ...places])),
        logits = addFlattened(graph, addWindow(graph, h, size));
      addBiases(graph, logits, this.outputBias);
      if (decoder.path) addBroad(graph, logits, addAffine(graph, z, decoder.path, null), PATH_GAIN);
      return logits;
    }
    const code = addCodeGrid(graph, z, places),
      logits = this.climb(addConvolution(graph, code, first, SAME));
    addBiases(graph, logits, this.outputBias);
    if (decoder.path) {
      const along = addTransposedConvolution(graph, code, { weight: decoder.path }, logits.grid, this.block);
      addBroad(graph, logits, along, PATH_GAIN);
    }
    return addFlattened(graph, addWindow(graph, logits, size));
  }

  // What the blocks give for the coarsest level, without a bias.
  climb(coarse) {
    const { decoder } = this;
    let h = coarse;
    decoder.levels.forEach((level, i) => {
      h = this.addLevel(i ? this.addDoubling(h, decoder.doublings[i - 1]) : h, level);
    });
    return this.addDoubling(this.addNormed(h, decoder.norm), decoder.toPixels);
  }

  addDoubling(h, layer) {
    const { graph, options } = this,
      kernel = layer.weight.shape[2] === 1 ? POINT : SAME;
    if (options.upsampling === "nearest")
      return addConvolution(graph, addDoubled(graph, h, { shuffle: false }), layer, kernel);
    return addDoubled(graph, addConvolution(graph, h, layer, kernel), { shuffle: true });
  }

  addLevel(h, blocks) {
    const { graph, options } = this;
    return blocks.reduce((sum, { norm, first, last }) => {
      const inner = addConvolution(graph, this.addNormed(sum, norm), first, SAME);
      return addSum(graph, sum, addConvolution(graph, addActivation(graph, inner, options.activation), last, POINT));
    }, h);
  }

  addNormed(h, norm) {
    const normed = norm ? addGroupNorm(this.graph, h, norm) : h;
    return addActivation(this.graph, normed, this.options.activation);
  }

  // -- the linear path (dense_network.js has the same)

  get pathSize() {
    const { isDense, dim, units, pixels, stride } = this;
    return { width: isDense ? this.countPixels() : pixels[0] * stride ** 2, units: isDense ? dim : units };
  }

  get pathBias() {
    const bias = this.graph.readParameter(this.outputBias),
      { width } = this.pathSize;
    return Float32Array.from({ length: width }, (_, j) => bias[Math.floor((j * bias.length) / width)]);
  }

  cutPathRows(rows) {
    return this.isDense ? rows : cutBlocks(rows, this.pixels, this.stride, this.places);
  }

  beginPath(weight, biases, logVariances) {
    beginResidualPath(this, weight, biases, logVariances);
  }

  beginPathBack(directions, bias, units) {
    beginResidualPathBack(this, directions, bias, units);
  }
}
