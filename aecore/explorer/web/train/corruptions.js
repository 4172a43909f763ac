// Noise that is added to the input in training, for the model to remove (Vincent et al., 2010). Each kind changes the
// values in place and draws new noise at every call.

const KINDS = { gaussian: addNoise, masking: mask, salt_and_pepper: saltAndPepper };

export function corrupt(values, options, random) {
  KINDS[options.kind](values, options, random);
}

function addNoise(values, { sigma }, random) {
  const noise = random.fillNormal(new Float32Array(values.length));
  for (let i = 0; i < values.length; i++) values[i] += sigma * noise[i];
}

function mask(values, { fraction }, random) {
  const chances = random.fillUniform(new Float32Array(values.length));
  for (let i = 0; i < values.length; i++) if (chances[i] < fraction) values[i] = 0;
}

function saltAndPepper(values, { fraction }, random) {
  const chances = random.fillUniform(new Float32Array(values.length));
  for (let i = 0; i < values.length; i++) if (chances[i] < fraction) values[i] = chances[i] < fraction / 2 ? 1 : 0;
}
