// Fully connected networks: h_l = f(W_l h_(l-1) + b_l), mirrored in the decoder; with normalisation, tied weights, or a
// linear path beside the layers. Parameters have the names and the order of the Python model.

import { addLayer, beginBiases, beginLayer, clearParameter, writeColumns } from "./layers.js";
import { addActivation } from "./nonlinearities.js";
import { addNorm, addNormParameters, beginNorm } from "./norms.js";
import { addAffine } from "./products.js";

export class DenseNetwork {
  // `outputs`: how many values the encoder gives for a code of `dim`.
  constructor(graph, options, features, dim, outputs) {
    Object.assign(this, { graph, options, dim });
    const { hidden, activation, code_activation: code, norm, tied } = options,
      hasPath = options.linear_path && hidden.length > 0,
      widths = [features, ...hidden, outputs],
      back = [dim, ...hidden.toReversed(), features];
    const kinds = (last) => [...hidden.map(() => activation), last];
    const addLayers = (name, sizes, last) =>
      kinds(last).map((kind, i) =>
        addLayer(graph, `${name}.layers.${i}`, [sizes[i + 1], sizes[i]], sizes[i + 1], kind),
      );
    const addNorms = (name, sizes) =>
      sizes.map((width, i) => addNormParameters(graph, `${name}.norms.${i}`, norm, width));
    const addPath = (name, shape) => (hasPath ? graph.addParameter(`${name}.path.weight`, shape) : null);
    this.encoder = { layers: addLayers("encoder", widths, code), norms: addNorms("encoder", hidden) };
    this.encoder.path = addPath("encoder", [dim, features]);
    this.decoder = { norms: addNorms("decoder", hidden.toReversed()) };
    this.decoder.layers = tied ? this.tieLayers(back) : addLayers("decoder", back, "linear");
    this.decoder.path = addPath("decoder", [features, dim]);
  }

  // Layers of the encoder's weights, transposed, with biases of their own.
  tieLayers(widths) {
    return this.encoder.layers.toReversed().map(({ weight }, i) => {
      const bias = this.graph.addParameter(`decoder.biases.${i}`, [widths[i + 1]]);
      return { name: `decoder.${i}`, weight, bias, isTied: true };
    });
  }

  get head() {
    return this.encoder.layers.at(-1);
  }

  get outputBias() {
    return this.decoder.layers.at(-1).bias;
  }

  begin(random) {
    const { graph, encoder, decoder } = this,
      own = decoder.layers.filter((layer) => !layer.isTied);
    for (const layer of [...encoder.layers, ...own]) beginLayer(graph, layer, random);
    for (const norm of [...encoder.norms, ...decoder.norms]) beginNorm(graph, norm);
  }

  // x -> {out, hidden}: the layer before the code's non-linearity, and what the layers before it give.
  addEncoder(x) {
    const { layers, norms, path } = this.encoder,
      hidden = [],
      out = this.addLayers(x, layers, norms, hidden);
    if (path) addAffine(this.graph, x, path, null, { into: out });
    return { out, hidden };
  }

  // z -> logits
  addDecoder(z) {
    const { layers, norms, path } = this.decoder,
      out = this.addLayers(z, layers, norms);
    if (path) addAffine(this.graph, z, path, null, { into: out });
    return out;
  }

  addLayers(x, layers, norms, hidden = []) {
    const { graph, options } = this;
    let h = x;
    layers.forEach(({ weight, bias, isTied = false }, i) => {
      h = addAffine(graph, h, weight, bias, { transposed: isTied });
      if (i === norms.length) return;
      h = addActivation(graph, addNorm(graph, h, options.norm, norms[i]), options.activation);
      hidden.push(h);
    });
    return h;
  }

  // -- the linear path: beside the layers or, without hidden ones, the layers themselves

  // How many values it maps, to how many units.
  get pathSize() {
    return { width: this.outputBias.columns, units: this.dim };
  }

  get pathBias() {
    return this.graph.readParameter(this.outputBias);
  }

  // What it maps of rows of examples.
  cutPathRows(rows) {
    return rows;
  }

  // Let codes begin as rows weight^T + biases; log variances are those of variational codes.
  beginPath(weight, biases, logVariances) {
    clearParameter(this.graph, this.head.weight);
    this.graph.writeParameter(this.encoder.path ?? this.head.weight, weight);
    beginBiases(this.graph, this.head.bias, biases, logVariances);
  }

  // Let logits begin as z directions^T + bias, for the first units of z.
  beginPathBack(directions, bias, units) {
    const last = this.decoder.layers.at(-1).weight;
    clearParameter(this.graph, last);
    writeColumns(this.graph, this.decoder.path ?? last, directions, units);
    this.graph.writeParameter(this.outputBias, bias);
  }
}
