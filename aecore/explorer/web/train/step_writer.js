// Steps of single layers, and the arrays that they name.

// Writes steps, and stores the arrays that they name.
export class StepWriter {
  constructor(graph) {
    Object.assign(this, { graph, tensors: {} });
  }

  // Store values under a name, which steps refer to.
  add(name, data, shape = [data.length]) {
    this.tensors[`model.${name}`] = { shape, data };
    return name;
  }

  addAll(arrays) {
    return Object.fromEntries(Object.entries(arrays).map(([name, data]) => [name, this.add(name, data)]));
  }

  // A step with its arrays stored by the names of its arguments.
  addArrays(step) {
    const entries = Object.entries(step);
    return Object.fromEntries(
      entries.map(([key, value]) => [key, value instanceof Float32Array ? this.add(key, value) : value]),
    );
  }

  addParameter(parameter) {
    return this.add(parameter.name, this.graph.readParameter(parameter), parameter.shape);
  }

  addLayer(op, { weight, bias }, more = {}) {
    return { op, weight: this.addParameter(weight), bias: this.addParameter(bias), ...more };
  }
}

// The step of a non-linearity; none of a linear one.
export function writeActivation(kind, more = {}) {
  return kind === "linear" ? [] : [{ op: "activation", kind, ...more }];
}
