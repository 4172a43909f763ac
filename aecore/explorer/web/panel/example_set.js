// The examples that a model is trained on in the page: rows of numbers, divided into training and test.

const TEST_EVERY = 6; // one example in so many is held out for testing

export class ExampleSet {
  // name: of files, in letters, digits and hyphens; kind: "image" or "table"; shape: of one example;
  // rows: [Float32Array (features,)]; labels: a class number for each row, or null; note: a sentence, or "".
  constructor({ name, kind, shape, rows, labels = null, classes = [], columns = [], note = "" }) {
    Object.assign(this, { name, kind, shape, classes, columns, note });
    this.features = shape.reduce((a, b) => a * b, 1);
    const isTest = (i) => i % TEST_EVERY === TEST_EVERY - 1,
      numbers = Array.from(rows.keys());
    this.train = this.gather(rows, labels, numbers.filter((i) => !isTest(i)));
    this.test = this.gather(rows, labels, numbers.filter(isTest));
  }

  gather(rows, labels, numbers) {
    const x = new Float32Array(numbers.length * this.features);
    numbers.forEach((number, i) => x.set(rows[number], i * this.features));
    return { x, count: numbers.length, labels: labels && Uint8Array.from(numbers, (number) => labels[number]) };
  }

  // Test examples, then training examples, `limit` at most: {x, labels, count}.
  pickTracked(limit) {
    const { features, test, train } = this,
      ofTest = Math.min(test.count, Math.ceil(limit / TEST_EVERY)),
      ofTrain = Math.min(train.count, limit - ofTest);
    const x = new Float32Array((ofTest + ofTrain) * features);
    x.set(test.x.subarray(0, ofTest * features));
    x.set(train.x.subarray(0, ofTrain * features), ofTest * features);
    const labels = test.labels && Uint8Array.of(...test.labels.slice(0, ofTest), ...train.labels.slice(0, ofTrain));
    return { x, labels, count: ofTest + ofTrain };
  }

  // Test examples at even distances, `limit` at most.
  pickShown(limit) {
    const count = Math.min(limit, this.test.count),
      x = new Float32Array(count * this.features);
    for (let i = 0; i < count; i++) x.set(this.readTest(Math.floor((i * this.test.count) / count)), i * this.features);
    return { x, count };
  }

  readTest(i) {
    return this.test.x.subarray(i * this.features, (i + 1) * this.features);
  }

  // What ExamplePainter needs to draw an example: {meta, tensors}.
  describeDrawing() {
    const { kind, columns, shape } = this,
      meta = { kind, columns, cells: [], network: { input_shape: shape } };
    return { meta, tensors: kind === "table" ? this.findLimits() : {} };
  }

  // The usual range of each column: its quantiles at 1 % and 99 %.
  findLimits() {
    const { features, train } = this,
      [low, high] = [new Float32Array(features), new Float32Array(features)];
    for (let j = 0; j < features; j++) {
      const values = Float32Array.from({ length: train.count }, (_, i) => train.x[i * features + j]).sort();
      [low[j], high[j]] = [0.01, 0.99].map((share) => values[Math.round(share * (values.length - 1))]);
    }
    return { "columns.low": { data: low }, "columns.high": { data: high } };
  }
}
