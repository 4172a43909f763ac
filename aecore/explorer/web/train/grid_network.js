// Convolutional networks: convolutions of stride 2, then a linear layer to the code; mirrored with transposed ones.
// Parameters have the names and the order of the Python model.

import { addConvolution, addTransposedConvolution } from "./convolutions.js";
import { addFlattened, addGrid } from "./gathers.js";
import { addLayer, beginLayer } from "./layers.js";
import { addActivation } from "./nonlinearities.js";
import { addAffine } from "./products.js";

export class GridNetwork {
  // `pixels`: channels, height and width of the pictures; `outputs`: how many values the encoder gives for a code of
  // `dim`.
  constructor(graph, options, pixels, dim, outputs) {
    Object.assign(this, { graph, options, pixels, dim });
    const { activation, code_activation: code } = options,
      channels = [pixels[0], ...options.channels],
      back = channels.toReversed();
    this.sizes = [pixels.slice(1)];
    for (const _ of options.channels) this.sizes.push(this.sizes.at(-1).map((side) => Math.floor((side + 1) / 2)));
    const width = channels.at(-1) * this.sizes.at(-1)[0] * this.sizes.at(-1)[1];
    this.encoder = {
      layers: options.channels.map((count, i) =>
        addLayer(graph, `encoder.layers.${i}`, [count, channels[i], 3, 3], count, activation),
      ),
    };
    this.head = addLayer(graph, "encoder.to_code", [outputs, width], outputs, code);
    this.first = addLayer(graph, "decoder.from_code", [width, dim], width, activation);
    this.decoder = {
      layers: options.channels.map((_, i) => {
        const kind = i === options.channels.length - 1 ? "linear" : activation;
        return addLayer(graph, `decoder.layers.${i}`, [back[i], back[i + 1], 3, 3], back[i + 1], kind);
      }),
    };
  }

  get outputBias() {
    return this.decoder.layers.at(-1).bias;
  }

  begin(random) {
    for (const layer of [...this.encoder.layers, this.head, this.first, ...this.decoder.layers])
      beginLayer(this.graph, layer, random);
  }

  // x -> {out, hidden}: the layer before the code's non-linearity, and what the layers before it give.
  addEncoder(x) {
    const { graph, options } = this,
      hidden = [];
    let h = addGrid(graph, x, this.pixels);
    for (const layer of this.encoder.layers) {
      h = addActivation(graph, addConvolution(graph, h, layer), options.activation);
      hidden.push(h);
    }
    return { out: addAffine(graph, addFlattened(graph, h), this.head.weight, this.head.bias), hidden };
  }

  // z -> logits
  addDecoder(z) {
    const { graph, options, sizes } = this,
      count = this.decoder.layers.length,
      flat = addAffine(graph, z, this.first.weight, this.first.bias);
    let h = addGrid(graph, flat, [options.channels.at(-1), ...sizes.at(-1)]);
    this.decoder.layers.forEach((layer, i) => {
      h = addTransposedConvolution(graph, addActivation(graph, h, options.activation), layer, sizes[count - 1 - i]);
    });
    return addFlattened(graph, h);
  }
}
