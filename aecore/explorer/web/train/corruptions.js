// Noise that is added to the input in training, for the model to remove (Vincent et al., 2010). Each kind changes the
// values in place and draws new noise at every call.

const KINDS = { gaussian: addNoise, masking: mask, salt_and_pepper: saltAndPepper };

// values: rows of `width` numbers.
export function corrupt(values, width, options, random) {
  KINDS[options.kind](values, options, random, width);
}

// Each row by its own strength, evenly between lowest_sigma and sigma; all by sigma where that is null.
function addNoise(values, { sigma, lowest_sigma: lowest }, random, width) {
  const count = values.length / width,
    shares = lowest === null ? null : random.fillUniform(new Float32Array(count)),
    noise = random.fillNormal(new Float32Array(values.length));
  for (let i = 0; i < values.length; i++) {
    const strength = shares ? lowest + shares[Math.floor(i / width)] * (sigma - lowest) : sigma;
    values[i] += strength * noise[i];
  }
}

function mask(values, { fraction }, random) {
  const chances = random.fillUniform(new Float32Array(values.length));
  for (let i = 0; i < values.length; i++) if (chances[i] < fraction) values[i] = 0;
}

function saltAndPepper(values, { fraction }, random) {
  const chances = random.fillUniform(new Float32Array(values.length));
  for (let i = 0; i < values.length; i++) if (chances[i] < fraction) values[i] = chances[i] < fraction / 2 ? 1 : 0;
}
