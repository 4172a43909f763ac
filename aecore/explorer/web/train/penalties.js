// Terms added to the loss: the activity of layers (KL to a target, L1, L2), the squared Jacobian of an encoder of one
// layer, and the distance between the codes of a batch and draws of the prior. connect(batch) adds the operation that
// sets `loss`, weighted, and adds to the gradients of what it is about. A batch is {hidden, h, z, kinds, head}: the
// activations of the encoder's layers, the code before the bottleneck and behind it, the non-linearity of each layer,
// the last layer.

const KINDS = {
  kl_sparsity: (...parts) => new KlSparsity(...parts),
  l1: (...parts) => new L1(...parts),
  l2: (...parts) => new L2(...parts),
  contractive: (...parts) => new Contractive(...parts),
  mmd: (...parts) => new Mmd(...parts),
};

// For codes of `dim` values.
export function makePenalty(graph, options, dim) {
  return KINDS[options.kind](graph, options, dim);
}

class Penalty {
  loss = 0;

  constructor(graph, options, dim) {
    Object.assign(this, { graph, options, dim });
  }

  // Take over knobs that were moved.
  retune(options) {
    this.options = options;
  }
}

// Penalties on the activations of chosen layers of the encoder, counted from the input; -1 is the code.
class ActivityPenalty extends Penalty {
  connect({ hidden, h, kinds }) {
    const { graph, dim } = this,
      layers = [...hidden.map((x) => ({ x, units: x.width })), { x: h, units: dim }],
      chosen = this.options.layers.map((i) => ({ ...layers.at(i), kind: kinds.at(i) }));
    graph.add({
      forward: ({ rows }) => {
        const terms = chosen.map((layer) => this.measure(layer, rows));
        this.loss = this.options.weight * terms.reduce((a, b) => a + b, 0);
      },
      backward: ({ rows }) => chosen.forEach((layer) => this.addGradient(layer, rows, this.options.weight)),
    });
  }

  // Call visit(place, value) for each activation of a layer.
  visit({ x, units }, rows, visit) {
    const { floats } = this.graph;
    for (let row = 0; row < rows * x.places; row++)
      for (let j = 0, at = row * x.lanes; j < units; j++, at++) visit(at, floats[x.value + at]);
  }
}

// sum_j |h_j|
class L1 extends ActivityPenalty {
  measure(layer, rows) {
    let sum = 0;
    this.visit(layer, rows, (_, value) => (sum += Math.abs(value)));
    return sum / rows;
  }

  addGradient(layer, rows, weight) {
    const { floats } = this.graph;
    this.visit(layer, rows, (at, value) => (floats[layer.x.gradient + at] += (weight * Math.sign(value)) / rows));
  }
}

// sum_j h_j^2
class L2 extends ActivityPenalty {
  measure(layer, rows) {
    let sum = 0;
    this.visit(layer, rows, (_, value) => (sum += value * value));
    return sum / rows;
  }

  addGradient(layer, rows, weight) {
    const { floats } = this.graph;
    this.visit(layer, rows, (at, value) => (floats[layer.x.gradient + at] += (2 * weight * value) / rows));
  }
}

// sum_j KL(rho || rho^_j), rho^_j the batch mean of unit j (Ng, 2011); those of tanh are moved to (0, 1).
class KlSparsity extends ActivityPenalty {
  measure(layer, rows) {
    const { rho } = this.options;
    let sum = 0;
    this.findMeans(layer, rows).forEach((mean, i) => {
      if (i % layer.x.lanes < layer.units)
        sum += rho * Math.log(rho / mean) + (1 - rho) * Math.log((1 - rho) / (1 - mean));
    });
    return sum;
  }

  addGradient(layer, rows, weight) {
    const { floats } = this.graph,
      { rho } = this.options,
      { x } = layer,
      means = this.findMeans(layer, rows),
      scale = (layer.kind === "tanh" ? 0.5 : 1) / rows;
    this.visit(layer, rows, (at) => {
      const mean = means[at % means.length];
      if (mean > 1e-6 && mean < 1 - 1e-6)
        floats[x.gradient + at] += weight * scale * ((1 - rho) / (1 - mean) - rho / mean);
    });
  }

  // The mean of each unit, on a grid of each of its places; bounded as its logarithm needs.
  findMeans(layer, rows) {
    const { x, kind } = layer,
      means = new Float64Array(x.places * x.lanes);
    this.visit(
      layer,
      rows,
      (at, value) => (means[at % means.length] += (kind === "tanh" ? (value + 1) / 2 : value) / rows),
    );
    return means.map((mean) => Math.min(1 - 1e-6, Math.max(1e-6, mean)));
  }
}

// f' by h = f(a), and how f' changes with h.
const SLOPES = {
  sigmoid: [(h) => h * (1 - h), (h) => 1 - 2 * h],
  tanh: [(h) => 1 - h * h, (h) => -2 * h],
  relu: [(h) => (h > 0 ? 1 : 0), () => 0],
  linear: [() => 1, () => 0],
};

// The squared norm of the Jacobian of one layer h = f(W x + b), sum_j f'(a_j)^2 |w_j|^2 (Rifai et al., 2011).
class Contractive extends Penalty {
  connect({ h, kinds, head: { weight } }) {
    const { graph, dim } = this,
      [slope, change] = SLOPES[kinds.at(-1)],
      squares = new Float64Array(dim), // |w_j|^2
      slopes = new Float64Array(dim); // mean f'(a_j)^2
    graph.add({
      forward: ({ rows }) => {
        const { floats } = graph;
        squares.fill(0);
        slopes.fill(0);
        for (let j = 0; j < dim; j++) {
          for (let i = 0; i < weight.columns; i++) squares[j] += floats[weight.value + j * weight.lanes + i] ** 2;
          for (let n = 0; n < rows; n++) slopes[j] += slope(floats[h.value + n * h.lanes + j]) ** 2 / rows;
        }
        this.loss = this.options.weight * squares.reduce((sum, square, j) => sum + square * slopes[j], 0);
      },
      backward: ({ rows }) => {
        const { floats } = graph,
          scale = 2 * this.options.weight;
        for (let j = 0; j < dim; j++) {
          for (let i = 0, at = j * weight.lanes; i < weight.columns; i++, at++)
            floats[weight.gradient + at] += scale * slopes[j] * floats[weight.value + at];
          for (let n = 0, at = j; n < rows; n++, at += h.lanes) {
            const value = floats[h.value + at];
            floats[h.gradient + at] += (scale * squares[j] * slope(value) * change(value)) / rows;
          }
        }
      },
    });
  }
}

const SCALES = [0.1, 0.2, 0.5, 1, 2, 5, 10];

// MMD^2(q(z), N(0, I)), unbiased, by k(a, b) = sum_s C_s / (C_s + |a - b|^2), C_s = 2 d s (Tolstikhin et al., 2018).
class Mmd extends Penalty {
  connect({ z }) {
    const { graph, dim } = this,
      codes = { lanes: z.lanes * z.places }, // the first one of each example
      prior = new Float32Array(graph.batch * dim),
      changes = new Float64Array(graph.batch * dim);
    graph.add({
      forward: ({ rows, random }) => {
        random.fillNormal(prior.subarray(0, rows * dim));
        changes.fill(0);
        this.loss =
          rows < 2
            ? 0
            : this.options.weight * this.compare(graph.read(z.value, codes, rows, dim), prior, changes, rows);
      },
      backward: ({ rows }) => {
        for (let n = 0; n < rows; n++)
          for (let j = 0; j < dim; j++)
            graph.floats[z.gradient + n * codes.lanes + j] += this.options.weight * changes[n * dim + j];
      },
    });
  }

  // The estimate for rows of codes and of the prior; adds its gradients by the codes to `changes`.
  compare(codes, prior, changes, rows) {
    const pairs = rows * (rows - 1);
    let sum = 0;
    for (let n = 0; n < rows; n++)
      for (let m = 0; m < rows; m++) {
        if (m !== n) {
          // each pair counts for both of its codes
          sum += this.compareRows(codes, n, codes, m, 2 / pairs, changes) / pairs;
          sum += this.compareRows(prior, n, prior, m, 0, changes) / pairs;
        }
        sum -= (2 / rows ** 2) * this.compareRows(codes, n, prior, m, -2 / rows ** 2, changes);
      }
    return sum;
  }

  // The kernel of two rows; adds `factor` times its gradient by the first.
  compareRows(a, n, b, m, factor, changes) {
    const { dim } = this;
    let distance = 0,
      value = 0,
      slope = 0;
    for (let j = 0; j < dim; j++) distance += (a[n * dim + j] - b[m * dim + j]) ** 2;
    for (const scale of SCALES) {
      const c = 2 * dim * scale,
        share = c / (c + distance);
      value += share;
      slope -= share / (c + distance);
    }
    if (factor)
      for (let j = 0; j < dim; j++) changes[n * dim + j] += 2 * factor * slope * (a[n * dim + j] - b[m * dim + j]);
    return value;
  }
}
