"""The lessons, in the order in which they are taken."""

from __future__ import annotations

from ui.learn.bottleneck import BOTTLENECK
from ui.learn.contraction import CONTRACTION
from ui.learn.copying import COPYING
from ui.learn.denoising import DENOISING
from ui.learn.distributions import DISTRIBUTIONS
from ui.learn.elbo import ELBO
from ui.learn.generation import GENERATION
from ui.learn.lesson import Lesson
from ui.learn.linear import LINEAR
from ui.learn.manifold import MANIFOLD
from ui.learn.sparsity import SPARSITY

LESSONS: dict[str, Lesson] = {
    lesson.name: lesson
    for lesson in (
        LINEAR,
        BOTTLENECK,
        COPYING,
        DENOISING,
        SPARSITY,
        CONTRACTION,
        MANIFOLD,
        DISTRIBUTIONS,
        ELBO,
        GENERATION,
    )
}
