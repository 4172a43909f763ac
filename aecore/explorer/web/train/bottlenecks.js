// The kinds of codes: how each is made from what the encoder gives.

import { Bottleneck } from "./bottleneck.js";
import { CodebookBottleneck } from "./codebook.js";

const KINDS = {
  deterministic: (graph, options, dim) => new Bottleneck(graph, options, dim),
  top_k: (graph, options, dim) => new TopKBottleneck(graph, options, dim),
  gaussian: (graph, options, dim) => new GaussianBottleneck(graph, options, dim),
  vector_quantized: (graph, options, dim) => new CodebookBottleneck(graph, options, dim),
  finite_scalar: (graph, options, dim) => new FiniteScalarBottleneck(graph, options, dim),
};

export function makeBottleneck(graph, options, dim) {
  return KINDS[options.kind](graph, options, dim);
}

// The k largest values stay, by magnitude or value; k falls to its final value in the first half of the training.
class TopKBottleneck extends Bottleneck {
  headScale = 0.1; // else units with large random weights would be among the k largest for every example

  constructor(graph, options, dim) {
    super(graph, options, dim);
    this.anneal(1);
  }

  anneal(progress) {
    const last = Math.min(this.options.k, this.dim),
      first = Math.min(this.options.start ?? this.options.k, this.dim);
    this.k = Math.round(first + (last - first) * Math.min(1, 2 * progress));
    return this.k !== last;
  }

  get snap() {
    return [{ op: "top_k", k: this.k, magnitude: this.options.by === "magnitude" }];
  }

  connect(h) {
    const { graph, dim } = this,
      z = graph.addMatrix(dim),
      kept = new Uint8Array(graph.batch * dim),
      byMagnitude = this.options.by === "magnitude",
      rank = (i) => (byMagnitude ? Math.abs(graph.floats[i]) : graph.floats[i]);
    graph.add({
      forward: ({ rows }) => {
        for (let n = 0; n < rows; n++) {
          const first = h.value + n * h.lanes,
            order = Array.from({ length: dim }, (_, j) => first + j).sort((i, j) => rank(j) - rank(i));
          kept.fill(0, n * dim, (n + 1) * dim);
          for (const i of order.slice(0, this.k)) kept[n * dim + i - first] = 1;
          for (let j = 0; j < dim; j++)
            graph.floats[z.value + n * z.lanes + j] = kept[n * dim + j] ? graph.floats[first + j] : 0;
        }
      },
      backward({ rows }) {
        for (let n = 0; n < rows; n++)
          for (let j = 0; j < dim; j++)
            if (kept[n * dim + j]) graph.floats[h.gradient + n * h.lanes + j] += graph.floats[z.gradient + n * z.lanes + j];
      },
    });
    return z;
  }
}

// z = mu + sigma eps, at the cost of KL(N(mu, sigma^2) || N(0, I)) (Kingma & Welling, 2013); with free bits for each unit
// (Kingma et al., 2016), or held to a capacity (Burgess et al., 2018).
class GaussianBottleneck extends Bottleneck {
  headScale = 0.1; // every posterior begins as the prior

  constructor(graph, options, dim) {
    super(graph, options, dim, 2 * dim); // a mean and a log variance for each unit
    this.anneal(1);
  }

  anneal(progress) {
    const last = this.options.capacity;
    this.capacity = last === null ? null : last * Math.min(1, 2 * progress);
    return this.capacity !== last;
  }

  weighCost(klWeight) {
    return klWeight * this.options.beta;
  }

  get rate() {
    return this.kl;
  }

  connect(h) {
    const { graph, dim } = this,
      z = graph.addMatrix(dim),
      noise = new Float32Array(graph.batch * dim),
      pays = new Float64Array(dim); // the derivative of the cost by the KL of a unit
    graph.add({
      forward: ({ rows, random }) => {
        const { floats } = graph,
          kl = new Float64Array(dim); // means over the batch
        random.fillNormal(noise.subarray(0, rows * dim));
        for (let n = 0; n < rows; n++)
          for (let j = 0; j < dim; j++) {
            const mean = floats[h.value + n * h.lanes + j],
              logVariance = floats[h.value + n * h.lanes + dim + j];
            floats[z.value + n * z.lanes + j] = mean + Math.exp(0.5 * logVariance) * noise[n * dim + j];
            kl[j] += (0.5 * (mean * mean + Math.exp(logVariance) - 1 - logVariance)) / rows;
          }
        this.price(kl, pays);
      },
      backward: ({ rows, klWeight }) => {
        const { floats } = graph,
          weight = this.weighCost(klWeight) / rows;
        for (let n = 0; n < rows; n++)
          for (let j = 0; j < dim; j++) {
            const at = n * h.lanes + j,
              change = floats[z.gradient + n * z.lanes + j],
              deviation = Math.exp(0.5 * floats[h.value + at + dim]);
            floats[h.gradient + at] += change + weight * pays[j] * floats[h.value + at];
            floats[h.gradient + at + dim] +=
              0.5 * (change * deviation * noise[n * dim + j] + weight * pays[j] * (deviation * deviation - 1));
          }
      },
    });
    return z;
  }

  // Set the cost of units with these KL, and how it changes with each.
  price(kl, pays) {
    const { free_bits: free } = this.options;
    this.kl = kl.reduce((a, b) => a + b, 0);
    if (this.capacity !== null) {
      this.cost = Math.abs(this.kl - this.capacity);
      pays.fill(Math.sign(this.kl - this.capacity));
      return;
    }
    kl.forEach((value, j) => (pays[j] = free && value <= free ? 0 : 1));
    this.cost = kl.reduce((sum, value) => sum + (free ? Math.max(free, value) : value), 0);
  }
}

// Each unit becomes the nearest of `levels` even steps from -1 to 1; it keeps its gradient (Mentzer et al., 2023).
class FiniteScalarBottleneck extends Bottleneck {
  get snap() {
    return [{ op: "round", levels: this.options.levels }];
  }

  connect(h) {
    const { graph, dim, options } = this,
      z = graph.addMatrix(dim),
      steps = options.levels - 1;
    graph.add({
      forward({ rows }) {
        for (let at = 0; at < rows * h.lanes; at++) {
          const bounded = Math.min(1, Math.max(-1, graph.floats[h.value + at]));
          if (at % h.lanes < dim) graph.floats[z.value + at] = (Math.round(((bounded + 1) / 2) * steps) / steps) * 2 - 1;
        }
      },
      backward({ rows }) {
        graph.kernel.add(h.gradient, z.gradient, rows * h.lanes);
      },
    });
    return z;
  }
}
