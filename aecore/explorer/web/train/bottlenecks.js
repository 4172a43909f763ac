// The kinds of codes: how each is made from what the encoder gives.

import { Bottleneck } from "./bottleneck.js";
import { CodebookBottleneck } from "./codebook.js";
import { JumpReluBottleneck } from "./jump_relu.js";

const KINDS = {
  deterministic: (graph, options, dim) => new Bottleneck(graph, options, dim),
  top_k: (graph, options, dim) => new TopKBottleneck(graph, options, dim),
  jump_relu: (graph, options, dim) => new JumpReluBottleneck(graph, options, dim),
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
      kept = new Uint8Array(graph.batch * dim);
    graph.add({
      forward: ({ rows }) => {
        for (let n = 0; n < rows; n++) {
          const first = h.value + n * h.lanes,
            values = graph.floats.subarray(first, first + dim),
            isKept = kept.subarray(n * dim, (n + 1) * dim);
          this.choose(values, isKept);
          for (let j = 0; j < dim; j++) graph.floats[z.value + n * z.lanes + j] = isKept[j] ? values[j] : 0;
        }
      },
      backward({ rows }) {
        for (let n = 0; n < rows; n++)
          for (let j = 0; j < dim; j++)
            if (kept[n * dim + j])
              graph.floats[h.gradient + n * h.lanes + j] += graph.floats[z.gradient + n * z.lanes + j];
      },
    });
    return z;
  }

  // Set isKept to 1 for the k largest values; of equal ones the first.
  choose(values, isKept) {
    const ranks = this.options.by === "magnitude" ? values.map(Math.abs) : values,
      lowest = ranks.slice().sort()[values.length - this.k];
    let equal = this.k;
    for (const rank of ranks) if (rank > lowest) equal -= 1;
    ranks.forEach((rank, j) => (isKept[j] = rank > lowest || (rank === lowest && equal-- > 0) ? 1 : 0));
  }
}

// z = mu + sigma eps, at the cost of KL(N(mu, sigma^2) || N(0, I)) (Kingma & Welling, 2013); with free bits for each
// unit (Kingma et al., 2016), or held to a capacity (Burgess et al., 2018).
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
    return this.options.bound === "elbo" ? this.kl : this.cost;
  }

  connect(h) {
    const { graph, dim, options } = this,
      { samples } = options,
      z = graph.addMatrix(dim, { places: samples }),
      noise = new Float32Array(graph.batch * samples * dim);
    this.costs = new Float64Array(graph.batch * samples); // ln q(z|x) - ln p(z) of each sample
    this.pays = new Float64Array(dim); // the derivative of the cost by the KL of a unit
    graph.add({
      forward: ({ rows, random }) => {
        random.fillNormal(noise.subarray(0, rows * samples * dim));
        this.drawCodes(h, z, noise, rows);
        if (options.bound === "elbo") this.price(this.findKl(h, rows));
        else this.cost = this.costs.subarray(0, rows * samples).reduce((a, b) => a + b, 0) / (rows * samples);
      },
      backward: (pass) => this.addGradients(h, z, noise, pass),
    });
    return z;
  }

  // Call visit(place of the mean in h, place in z, place in the noise, number of the sample) for each value of a code.
  visitCodes(h, z, rows, visit) {
    const { dim } = this,
      { samples } = this.options;
    for (let n = 0; n < rows; n++)
      for (let k = 0; k < samples; k++)
        for (let j = 0, sample = n * samples + k; j < dim; j++)
          visit(n * h.lanes + j, sample * z.lanes + j, (k * rows + n) * dim + j, sample);
  }

  drawCodes(h, z, noise, rows) {
    const { costs, dim } = this,
      { floats } = this.graph;
    costs.fill(0);
    this.visitCodes(h, z, rows, (from, to, draw, sample) => {
      const logVariance = floats[h.value + from + dim],
        value = floats[h.value + from] + Math.exp(0.5 * logVariance) * noise[draw];
      floats[z.value + to] = value;
      costs[sample] += 0.5 * (value ** 2 - noise[draw] ** 2 - logVariance);
    });
  }

  // The KL of each unit, means over the batch.
  findKl(h, rows) {
    const { floats } = this.graph,
      kl = new Float64Array(this.dim);
    for (let n = 0; n < rows; n++)
      for (let j = 0, at = h.value + n * h.lanes; j < this.dim; j++, at++) {
        const logVariance = floats[at + this.dim];
        kl[j] += (0.5 * (floats[at] ** 2 + Math.exp(logVariance) - 1 - logVariance)) / rows;
      }
    return kl;
  }

  addGradients(h, z, noise, { rows, klWeight, shares }) {
    const { floats } = this.graph,
      { dim } = this,
      weight = this.weighCost(klWeight),
      isSampled = this.options.bound !== "elbo";
    this.visitCodes(h, z, rows, (from, to, draw, sample) => {
      const charge = isSampled ? weight * shares[sample] : 0,
        change = floats[z.gradient + to] + charge * floats[z.value + to],
        deviation = Math.exp(0.5 * floats[h.value + from + dim]);
      floats[h.gradient + from] += change;
      floats[h.gradient + from + dim] += 0.5 * (change * deviation * noise[draw] - charge);
    });
    if (isSampled) return;
    for (let n = 0; n < rows; n++)
      for (let j = 0, at = n * h.lanes; j < dim; j++, at++) {
        const charge = (weight * this.pays[j]) / rows;
        floats[h.gradient + at] += charge * floats[h.value + at];
        floats[h.gradient + at + dim] += 0.5 * charge * (Math.exp(floats[h.value + at + dim]) - 1);
      }
  }

  // Set the cost of units with these KL, and how it changes with each.
  price(kl) {
    const { pays } = this,
      { free_bits: free } = this.options;
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
          if (at % h.lanes < dim)
            graph.floats[z.value + at] = (Math.round(((bounded + 1) / 2) * steps) / steps) * 2 - 1;
        }
      },
      backward({ rows }) {
        graph.kernel.add(h.gradient, z.gradient, rows * h.lanes);
      },
    });
    return z;
  }
}
