// Adam and AdamW over the parameters of a graph, and the schedules of a run.

const BETAS = [0.9, 0.999];

export class Optimizer {
  // To be made before the graph's memory is.
  constructor(graph, options) {
    Object.assign(this, { graph, options, steps: 0 });
    this.states = graph.parameters
      .filter((parameter) => parameter.isLearned)
      .map((parameter) => ({ parameter, mean: graph.take(parameter.count), square: graph.take(parameter.count) }));
  }

  // Make one update by the gradients at rate `lr`.
  step(lr) {
    const { weight_decay: decay, optimizer } = this.options,
      isDecoupled = optimizer === "adamw";
    this.steps += 1;
    const [first, second] = BETAS.map((beta) => 1 - beta ** this.steps),
      rates = {
        rate: lr / first,
        root: Math.sqrt(second),
        shrink: isDecoupled ? 1 - lr * decay : 1,
        decay: isDecoupled ? 0 : decay,
      };
    for (const { parameter, mean, square } of this.states) {
      const { value, gradient, count } = parameter;
      this.graph.kernel.adam({ weight: value, gradient, mean, square, count }, rates);
    }
  }

  // The running means of each parameter in turn: {shape, mean, square}.
  copyMoments() {
    const { graph, steps } = this;
    return this.states.map(({ parameter, mean, square }) => {
      const read = (value) => graph.readParameter({ ...parameter, value });
      return { shape: parameter.shape, steps, mean: read(mean), square: read(square) };
    });
  }
}

// The learning rate of a step, counted from the start of the run.
export function scheduleRate({ epochs, schedule, lr, warmup_steps: warmup }, step, stepsPerEpoch) {
  const progress = step / Math.max(1, epochs * stepsPerEpoch),
    rate = lr * Math.min(1, (step + 1) / (warmup + 1));
  if (schedule === "cosine") return rate * 0.5 * (1 + Math.cos(Math.PI * progress));
  if (schedule === "step") return rate * (progress < 0.5 ? 1 : progress < 0.75 ? 0.1 : 0.01);
  return rate;
}

// The weight of the KL term in an epoch, counted from 0: a linear warm-up to 1.
export function scheduleKl({ kl_warmup_epochs: epochs }, epoch) {
  return Math.min(1, (epoch + 1) / (epochs + 1));
}
