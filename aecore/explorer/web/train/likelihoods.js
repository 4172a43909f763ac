// The kinds of likelihoods, -ln p(x | z).

import { Calibrated, Gaussian, LearnedGaussian } from "./gaussians.js";
import { Likelihood } from "./likelihood.js";

const KINDS = {
  bernoulli: (graph, _, features) => new Likelihood(graph, features),
  gaussian: (graph, options, features) => new (options.learned ? LearnedGaussian : Gaussian)(graph, features, options),
  calibrated: (graph, options, features, channels) => new Calibrated(graph, features, options, channels),
};

// For examples of so many features, of so many channels.
export function makeLikelihood(graph, options, features, channels) {
  return KINDS[options.kind](graph, options, features, channels);
}
