// The deterministic bottleneck, z = h, and the base of the others: they override what differs.

export class Bottleneck {
  headScale = 1; // of the initial weights of the layer that gives the code
  cost = 0; // what the last pass adds to the loss, before its weight: the mean over the batch

  // For codes of `dim` values; `inputs` are the values that the encoder has to give.
  constructor(graph, options, dim, inputs = dim) {
    Object.assign(this, { graph, options, dim, inputs });
  }

  // Draw the initial values of what is learned.
  begin(_random) {}

  // Add the operations that make z (N, dim) of h (N, inputs), and return it.
  connect(h) {
    return h;
  }

  // What is recorded of the last pass, where that is not the cost.
  get rate() {
    return this.cost;
  }

  // The valid code nearest to a vector, as the steps that steps.js runs.
  get snap() {
    return [];
  }

  // Take over knobs that were moved.
  retune(options) {
    this.options = options;
  }

  // Adapt to this share of the training; true while the loss is not yet the final one.
  anneal(_progress) {
    return false;
  }

  // The factor of the cost in the loss; klWeight fades a KL in.
  weighCost(_klWeight) {
    return 1;
  }

  // Begin at the encoder's outputs (rows, inputs) of training examples, where the kind does.
  start(_outputs, _random) {}
}
