"""What a lesson is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class NextPage(NamedTuple):
    """The page where one goes on, and what it opens with."""

    file: str
    label: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Lesson:
    """One screen: a sentence, an experiment, a formula, and a question with its answer."""

    name: str  # in the address
    title: str
    sentence: str
    show_experiment: Callable[[], None]
    look_at: str  # Markdown: what to try, and what to see
    formula: str  # LaTeX
    symbols: Mapping[str, str]  # LaTeX -> its name, or "name: explanation"
    question: str
    answer: str
    next_page: NextPage
    variant: str  # that the training panel begins with
    source: str = field(default="")  # of the idea: a paper, as a Markdown link


def stack_lines(*lines: str) -> str:
    """Returns lines of LaTeX under each other, so that a formula fits into a narrow column."""
    return r"\begin{aligned} & " + r" \\ & ".join(lines) + r" \end{aligned}"
