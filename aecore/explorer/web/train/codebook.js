// Codes of vectors of a learned codebook: each part of the code becomes the nearest one and keeps its gradient (van den
// Oord et al., 2017). Vectors learn by a term of the loss, or as running means of the encodings nearest to them. With
// several stages, each has a codebook for what the last one left.

import { Bottleneck } from "./bottleneck.js";
import { clusterRows, findNearestRow } from "./clusters.js";

const SMOOTHING = 1e-5; // of the counts, so that none is zero

export class CodebookBottleneck extends Bottleneck {
  constructor(graph, options, dim) {
    super(graph, options, dim);
    const vectors = options.stages * options.codes,
      buffer = { isLearned: false };
    this.hasMeans = options.update === "ema";
    this.codebook = graph.addParameter("bottleneck.codebook", [vectors, options.dim], { isLearned: !this.hasMeans });
    this.parts = (graph.batch * dim) / options.dim; // of a batch
    this.encodings = new Float32Array(options.stages * graph.batch * dim); // what each stage is given
    this.indices = new Int32Array(options.stages * this.parts); // rows of the codebook
    if (!this.hasMeans) return;
    this.counts = graph.addParameter("bottleneck.means.counts", [vectors], buffer);
    this.sums = graph.addParameter("bottleneck.means.sums", [vectors, options.dim], buffer);
  }

  begin(random) {
    const { graph, codebook } = this,
      values = new Float32Array(codebook.rows * codebook.columns);
    random.fillNormal(values);
    const drawn = values.map((value) => value / Math.sqrt(this.options.dim));
    graph.writeParameter(codebook, drawn);
    if (!this.hasMeans) return;
    graph.writeParameter(this.sums, drawn);
    graph.writeParameter(this.counts, new Float32Array(codebook.rows).fill(1));
  }

  get snap() {
    const { dim, stages } = this.options;
    return [{ op: "nearest", codebook: this.graph.readParameter(this.codebook), dim, stages }];
  }

  connect(h) {
    const { graph, dim } = this,
      z = graph.addMatrix(dim);
    let charge = 0; // the weight of the commitment
    graph.add({
      forward: ({ rows, followsBatch }) => {
        const { commitment } = this.options,
          squares = this.quantise(h, z, rows);
        // epochs are compared without a commitment to running means: its scale grows with the encodings
        charge = this.hasMeans && !followsBatch ? 0 : commitment;
        this.cost = ((this.hasMeans ? charge : 1 + commitment) * squares) / rows;
      },
      backward: ({ rows, random }) => {
        graph.kernel.add(h.gradient, z.gradient, rows * h.lanes);
        this.addCharges(h, charge, rows);
        if (this.hasMeans) this.follow(rows, random);
      },
    });
    return z;
  }

  // Call visit(place in encodings, number, example, first unit) for each part of a stage.
  visitParts(stage, rows, visit) {
    const { dim, options } = this;
    for (let n = 0, part = stage * this.parts; n < rows; n++)
      for (let unit = 0; unit < dim; unit += options.dim, part++) visit(part * options.dim, part, n, unit);
  }

  // Set z to the sums of the nearest vectors; return the sum of the squares of what each stage leaves.
  quantise(h, z, rows) {
    const { graph, codebook, encodings, indices, options } = this,
      { floats } = graph,
      next = this.parts * options.dim;
    let squares = 0;
    for (let n = 0; n < rows; n++) {
      encodings.set(floats.subarray(h.value + n * h.lanes, h.value + n * h.lanes + this.dim), n * this.dim);
      floats.fill(0, z.value + n * z.lanes, z.value + n * z.lanes + this.dim);
    }
    const rowsOfBook = { values: floats, position: codebook.value, step: codebook.lanes, width: options.dim };
    for (let stage = 0; stage < options.stages; stage++) {
      const first = stage * options.codes;
      this.visitParts(stage, rows, (at, part, n, unit) => {
        indices[part] = findNearestRow(rowsOfBook, first, first + options.codes, encodings, at);
        const vector = codebook.value + indices[part] * codebook.lanes,
          to = z.value + n * z.lanes + unit;
        for (let i = 0; i < options.dim; i++) {
          const left = encodings[at + i] - floats[vector + i];
          floats[to + i] += floats[vector + i];
          squares += left * left;
          if (stage + 1 < options.stages) encodings[at + next + i] = left;
        }
      });
    }
    return squares;
  }

  // Gradients of what each stage left: by the weight `charge` of the encodings, and of vectors without running means.
  addCharges(h, charge, rows) {
    const { graph, codebook, encodings, indices, options } = this,
      { floats } = graph;
    for (let stage = 0; stage < options.stages; stage++)
      this.visitParts(stage, rows, (at, part, n, unit) => {
        const vector = indices[part] * codebook.lanes,
          to = h.gradient + n * h.lanes + unit;
        for (let i = 0; i < options.dim; i++) {
          const left = (2 / rows) * (encodings[at + i] - floats[codebook.value + vector + i]);
          floats[to + i] += charge * left;
          if (!this.hasMeans) floats[codebook.gradient + vector + i] -= left;
        }
      });
  }

  // -- running means

  // Move the vectors by the encodings of one step. Those that are hardly used any more begin anew at one of them
  // (Dhariwal et al., 2020, Jukebox, section 3).
  follow(rows, random) {
    const { graph, codebook, counts, sums, options } = this,
      { floats } = graph,
      { step, total } = this.countEncodings(rows);
    for (let row = 0; row < codebook.rows; row++) {
      const place = counts.value + row,
        keep = 1 - options.decay;
      floats[place] += keep * (step[row] - floats[place]);
      for (let i = 0; i < options.dim; i++) {
        const sum = sums.value + row * sums.lanes + i;
        floats[sum] += keep * (total[row * options.dim + i] - floats[sum]);
      }
    }
    if (options.restart_below) this.restartUnused(rows, random);
    this.setVectors();
  }

  // How many encodings were nearest to each vector, and their sums.
  countEncodings(rows) {
    const { codebook, encodings, indices, options } = this,
      step = new Float64Array(codebook.rows),
      total = new Float64Array(codebook.rows * options.dim);
    for (let stage = 0; stage < options.stages; stage++)
      this.visitParts(stage, rows, (at, part) => {
        step[indices[part]] += 1;
        for (let i = 0; i < options.dim; i++) total[indices[part] * options.dim + i] += encodings[at + i];
      });
    return { step, total };
  }

  restartUnused(rows, random) {
    const { graph, codebook, counts, sums, encodings, options } = this,
      { floats } = graph,
      available = (rows * this.dim) / options.dim,
      mean = this.sumCounts() / codebook.rows;
    for (let row = 0; row < codebook.rows; row++) {
      const part = random.drawInteger(available), // drawn whether needed or not, as Python does
        at = (Math.floor(row / options.codes) * this.parts + part) * options.dim;
      if (floats[counts.value + row] >= options.restart_below * mean) continue;
      floats[counts.value + row] = mean;
      for (let i = 0; i < options.dim; i++) floats[sums.value + row * sums.lanes + i] = encodings[at + i] * mean;
    }
  }

  sumCounts() {
    const { value, columns } = this.counts;
    return this.graph.floats.subarray(value, value + columns).reduce((a, b) => a + b, 0);
  }

  setVectors() {
    const { graph, codebook, counts, sums, options } = this,
      { floats } = graph,
      total = this.sumCounts(),
      share = total / (total + SMOOTHING * codebook.rows);
    for (let row = 0; row < codebook.rows; row++)
      for (let i = 0; i < options.dim; i++)
        floats[codebook.value + row * codebook.lanes + i] =
          floats[sums.value + row * sums.lanes + i] / ((floats[counts.value + row] + SMOOTHING) * share);
  }

  // Begin at the k-means centres of the encoder's outputs.
  start(outputs, random) {
    if (!this.hasMeans) return;
    const { graph, codebook, counts, sums, options } = this,
      rest = Float32Array.from(outputs);
    for (let stage = 0; stage < options.stages; stage++) {
      const { centres, sizes } = clusterRows(rest, options.dim, options.codes, random),
        mean = sizes.reduce((a, b) => a + b, 0) / sizes.length,
        book = { values: centres, position: 0, step: options.dim, width: options.dim };
      for (let k = 0; k < options.codes; k++) {
        const row = stage * options.codes + k,
          centre = centres.subarray(k * options.dim, (k + 1) * options.dim);
        graph.floats[counts.value + row] = sizes[k] / mean;
        graph.floats.set(centre, codebook.value + row * codebook.lanes);
        graph.floats.set(
          centre.map((value) => (value * sizes[k]) / mean),
          sums.value + row * sums.lanes,
        );
      }
      for (let at = 0; at < rest.length; at += options.dim) {
        const nearest = findNearestRow(book, 0, options.codes, rest, at) * options.dim;
        for (let i = 0; i < options.dim; i++) rest[at + i] -= centres[nearest + i];
      }
    }
  }
}
