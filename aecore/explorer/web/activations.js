// Non-linearities by their names in a config.

export const ACTIVATIONS = {
  relu: (a) => (a > 0 ? a : 0),
  sigmoid,
  tanh: Math.tanh,
  gelu: (a) => 0.5 * a * (1 + erf(a * Math.SQRT1_2)),
  silu: (a) => a / (1 + Math.exp(-a)),
};

export function sigmoid(a) {
  return 1 / (1 + Math.exp(-a));
}

// The error function, within 1.5e-7 (Abramowitz & Stegun, 1964, 7.1.26).
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}
