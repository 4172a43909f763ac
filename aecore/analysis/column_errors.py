"""Errors of mixed columns by their kind: the share of wrong words, the squared error of numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.likelihoods.mixed import MixedLikelihood


def has_words(model: Autoencoder) -> bool:
    """Returns whether some columns are words, flags or ordered categories."""
    likelihood = model.likelihood
    return isinstance(likelihood, MixedLikelihood) and any(
        head.kind in ("category", "boolean", "ordered") for head in likelihood.heads
    )


def has_numbers(model: Autoencoder) -> bool:
    """Returns whether some columns are numbers or counts, beside others that are not."""
    return has_words(model) and len(find_number_places(model)) > 0


def find_number_places(model: Autoencoder) -> list[int]:
    """Returns the places of the features that are numbers or counts."""
    likelihood = model.likelihood
    if not isinstance(likelihood, MixedLikelihood):
        return list(range(model.config.features))
    return sorted(likelihood.numbers.tolist() + likelihood.counted.tolist())


def find_wrong_words(model: Autoencoder, filled: Tensor, x: Tensor) -> Tensor:
    """Returns which columns of words, flags and ranks differ: bool (N, columns), others False.

    filled and x are (N, features) in the network's units; the likeliest word is compared.
    """
    likelihood = model.likelihood
    wrong = torch.zeros(len(x), len(model.config.column_slices), dtype=torch.bool, device=x.device)
    if not isinstance(likelihood, MixedLikelihood):
        return wrong
    pairs = zip(likelihood.heads, model.config.column_slices, strict=True)
    for column, (head, part) in enumerate(pairs):
        if head.kind == "category":
            wrong[:, column] = filled[:, part].argmax(1) != x[:, part].argmax(1)
        elif head.kind in ("boolean", "ordered"):
            place = part.start
            guess, truth = likelihood.to_data(filled, place), likelihood.to_data(x, place)
            wrong[:, column] = guess.round() != truth.round()
    return wrong


def measure_wrong_share(
    model: Autoencoder, filled: Tensor, x: Tensor, observed: Tensor | None = None
) -> Tensor:
    """Returns the share of each example's words, flags and ranks that is wrong: (N,)."""
    assert isinstance(model.likelihood, MixedLikelihood)
    kinds = [head.kind in ("category", "boolean", "ordered") for head in model.likelihood.heads]
    counted = torch.tensor(kinds, device=x.device).expand(len(x), -1)
    if observed is not None:
        counted = counted & observed[:, [part.start for part in model.config.column_slices]]
    wrong = find_wrong_words(model, filled, x) & counted
    return wrong.sum(1) / counted.sum(1).clamp(min=1)


def measure_number_errors(
    model: Autoencoder, filled: Tensor, x: Tensor, observed: Tensor | None = None
) -> Tensor:
    """Returns the mean squared error of each example's numbers, in squared deviations: (N,)."""
    places = find_number_places(model)
    errors = (filled[:, places] - x[:, places]).square()
    if observed is None:
        return errors.mean(1)
    known = observed[:, places]
    return (errors * known).sum(1) / known.sum(1).clamp(min=1)
