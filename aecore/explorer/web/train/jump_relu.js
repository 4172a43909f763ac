// Sparse codes whose units have learned thresholds: z_i = h_i where h_i > theta_i, else 0, at a cost for units that are
// on (Rajamanoharan et al., 2024). Thresholds have straight-through gradients, by a rectangle about each, as wide as
// `bandwidth`.

import { Bottleneck } from "./bottleneck.js";

const FIRST_THRESHOLD = 0.1;
const SPEED = 10; // a step of Adam changes every weight by the learning rate: thresholds have far to go

export class JumpReluBottleneck extends Bottleneck {
  constructor(graph, options, dim) {
    super(graph, options, dim);
    this.logThreshold = graph.addParameter("bottleneck.log_threshold", [dim]);
  }

  begin(_random) {
    const { graph, logThreshold, dim } = this;
    graph.writeParameter(logThreshold, new Float32Array(dim).fill(Math.log(FIRST_THRESHOLD) / SPEED));
  }

  readThresholds() {
    return this.graph.readParameter(this.logThreshold).map((log) => Math.exp(SPEED * log));
  }

  get snap() {
    return [{ op: "threshold", threshold: this.readThresholds() }];
  }

  connect(h) {
    const { graph, dim } = this,
      z = graph.addMatrix(dim);
    let thresholds = null; // of the last pass
    graph.add({
      forward: ({ rows }) => {
        const { floats } = graph;
        thresholds = this.readThresholds();
        let active = 0;
        for (let n = 0; n < rows; n++)
          for (let j = 0, from = h.value + n * h.lanes, to = z.value + n * z.lanes; j < dim; j++, from++, to++) {
            const isOn = floats[from] > thresholds[j];
            floats[to] = isOn ? floats[from] : 0;
            active += isOn ? 1 : 0;
          }
        this.charge(active / rows);
      },
      backward: ({ rows }) => this.addGradients(h, z, thresholds, rows),
    });
    return z;
  }

  // Set the cost of so many units that are on, on average, and what one more of them costs. Beyond twice the target it
  // grows evenly: steep first gradients would make Adam's later steps too short.
  charge(active) {
    const { target, weight, price } = this.options;
    if (target === null) return void Object.assign(this, { cost: price * active, charged: price });
    const excess = active / target - 1,
      [bounded, slope] = excess > 1 ? [2 * excess - 1, 2] : [excess ** 2, 2 * excess];
    Object.assign(this, { cost: weight * bounded, charged: (weight * slope) / target });
  }

  addGradients(h, z, thresholds, rows) {
    const { graph, dim, logThreshold, charged } = this,
      { floats } = graph,
      width = this.options.bandwidth;
    for (let j = 0; j < dim; j++) {
      const threshold = thresholds[j];
      let pull = 0; // the gradient of the threshold
      for (let n = 0; n < rows; n++) {
        const value = floats[h.value + n * h.lanes + j],
          change = floats[z.gradient + n * z.lanes + j];
        if (value > threshold) floats[h.gradient + n * h.lanes + j] += change;
        if (Math.abs(value - threshold) < width / 2) pull -= (threshold * change + charged / rows) / width;
      }
      floats[logThreshold.gradient + j] += SPEED * threshold * pull;
    }
  }
}
