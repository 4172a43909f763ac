// Steps on a grid: a picture, or a code, of some channels at each place. They are planned once and run in one memory.

import { planSteps } from "./grid_steps.js";
import { Plan } from "./plan.js";

// x (values,) -> values of what the steps make of the grid (height, width, channels) that x holds.
export function runGrid(x, step) {
  step.program ??= new GridProgram(step);
  return step.program.run(x);
}

class GridProgram {
  constructor({ shape: [height, width, channels], from, to, parts = 1, steps, makeKernel }) {
    const plan = new Plan();
    Object.assign(this, { from, to, parts, work: plan.work });
    this.input = plan.placeGrid(height, width, channels);
    this.output = planSteps(plan, this.input, steps);
    this.kernel = plan.build(makeKernel);
  }

  run(x) {
    const { floats } = this.kernel;
    visitValues(this.input, this.from, 1, (value, place) => (floats[place] = x[value]));
    for (const work of this.work) work(this.kernel);
    const out = new Float32Array(this.output.height * this.output.width * this.output.channels);
    visitValues(this.output, this.to, this.parts, (value, place) => (out[value] = floats[place]));
    return out;
  }
}

// Call visit(value, place) with the number of each value of a list and where it lies in the grid. The list has channels
// first (C, H, W), or the channels of each "places" together (H, W, C); then in `parts` one after the other.
function visitValues({ position, height, width, channels, lanes }, order, parts, visit) {
  const area = height * width,
    size = channels / parts;
  for (let p = 0; p < area; p++)
    for (let c = 0; c < channels; c++) {
      const part = Math.floor(c / size);
      const value = order === "channels" ? c * area + p : (part * area + p) * size + (c - part * size);
      visit(value, position + p * lanes + c);
    }
}
